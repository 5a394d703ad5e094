"""The CT's voxels and place, as the engine gets them."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.scene import volume_from_node


def test_voxels_lie_in_the_world_where_slicer_shows_them(nodes, geometry, transforms):
    """A wrong matrix, or a forgotten parent transform, would show positions that are not where the user painted."""
    import vtk

    ct, _ = nodes.case(geometry, transforms)
    volume = volume_from_node(ct)
    to_ras, to_world = vtk.vtkMatrix4x4(), vtk.vtkGeneralTransform()
    ct.GetIJKToRASMatrix(to_ras)
    nodes.slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(ct.GetParentTransformNode(), None, to_world)
    for ijk in ((0, 0, 0), (16, 0, 0), (3, 12, 0), (5, 6, 10)):
        expected = to_world.TransformPoint(to_ras.MultiplyPoint((*ijk, 1))[:3])
        np.testing.assert_allclose((volume.ijk_to_ras @ (*ijk, 1))[:3], expected, atol=1e-9)


def test_the_voxels_are_not_copied_and_cannot_be_changed(nodes):
    ct = nodes.ct()
    volume = volume_from_node(ct)
    assert np.shares_memory(volume.voxels, nodes.slicer.util.arrayFromVolume(ct))
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0] = 1
    assert volume.name == "CT"


def test_a_warped_ct_is_refused_with_the_way_out(nodes):
    """Slices of a warped volume are no planes: seeds would land beside what was painted."""
    import vtk

    ct = nodes.ct()
    warp = vtk.vtkThinPlateSplineTransform()
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.indices((2, 2, 2)).reshape(3, -1).T * 40.0:
        points.InsertNextPoint(corner)
        moved.InsertNextPoint(corner + (corner[0] > 0) * (corner[1] > 0) * 9.0)
    warp.SetSourceLandmarks(points)
    warp.SetTargetLandmarks(moved)
    node = nodes.scene.AddNewNodeByClass("vtkMRMLTransformNode", "warp field")
    node.SetAndObserveTransformToParent(warp)
    ct.SetAndObserveTransformNodeID(node.GetID())
    with pytest.raises(InputError, match="warp field.*Harden"):
        volume_from_node(ct)


def test_what_is_no_ct_is_refused_in_words(nodes):
    scene = nodes.scene
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    nodes.slicer.util.updateVolumeFromArray(labels, np.ones((4, 4, 4), np.int16))
    colours = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    nodes.slicer.util.updateVolumeFromArray(colours, np.zeros((4, 4, 4, 3), np.uint8))
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    for node, words in ((labels, "label map"), (colours, "3 values"), (empty, "no voxels"), (None, "No CT")):
        with pytest.raises(InputError, match=words):
            volume_from_node(node)
