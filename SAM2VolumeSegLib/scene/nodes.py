"""What a node is and where it lies: volumes, grids in the world, names."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume import PlaneView, Volume


def volume_from_node(volume_node: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """Return the CT of a scalar volume node: its voxels without a copy (read-only), its place with parent transforms.

    Raises:
        InputError: no node, no voxels, several values a voxel, a labelmap, a non-linear parent transform, or what
            ``Volume`` refuses (a single slice, NaN, a singular geometry).
    """
    if volume_node is None:
        raise InputError(_("No CT is chosen. Choose the volume that was painted on."))
    name = volume_node.GetName()
    image = volume_node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise InputError(_('"{name}" has no voxels. Load the CT again, or choose another volume.').format(name=name))
    if volume_node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(_('"{name}" is a label map. Choose the CT itself.').format(name=name))
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            _('"{name}" has {count} values in each voxel. Choose a CT.').format(
                name=name, count=image.GetNumberOfScalarComponents()
            )
        )
    return Volume(slicer.util.arrayFromVolume(volume_node), image_to_world(volume_node), name)


def volume_stamp(volume_node: slicer.vtkMRMLScalarVolumeNode) -> tuple:
    """Return what changes with a node's voxels, place or name: while it is the same, a ``Volume`` made of it holds.

    Raises:
        InputError: as ``grid_of``.
    """
    shape, matrix = grid_of(volume_node)
    image = volume_node.GetImageData()
    scalars = image.GetPointData().GetScalars()
    times = image.GetMTime(), scalars.GetMTime() if scalars else 0
    return volume_node.GetID(), volume_node.GetName(), shape, matrix.tobytes(), times


def grid_of(volume_node: slicer.vtkMRMLScalarVolumeNode) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return the shape [k, j, i] and the matrix from (i, j, k) to RAS in mm, parent transforms included.

    Raises:
        InputError: no voxels, or a non-linear parent transform.
    """
    image = None if volume_node is None else volume_node.GetImageData()
    if image is None:
        raise InputError(_("The CT has no voxels. Choose a loaded volume."))
    return tuple(image.GetDimensions()[::-1]), image_to_world(volume_node)


def check_slice(volume_node: slicer.vtkMRMLScalarVolumeNode, view: PlaneView, index: int) -> None:
    """Refuse the index of a slice that a CT does not have.

    Raises:
        InputError: there is no such slice.
    """
    if not 0 <= index < view.count:
        raise InputError(
            _('"{volume}" has no {plane} slice {index}.').format(
                volume=volume_node.GetName(), plane=view.plane.value, index=index
            )
        )


def image_to_world(volume_node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return the 4x4 matrix from voxel indices (i, j, k) to RAS in mm with all parent transforms.

    Raises:
        InputError: a parent transform is not linear.
    """
    check_linear(volume_node)
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkSlicerSegmentEditorLogic.ImageToWorldMatrix(volume_node, matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def node_to_world(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """Return the 4x4 matrix of a node's parent transforms (identity without one).

    Raises:
        InputError: a parent transform is not linear.
    """
    check_linear(node)
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(node.GetParentTransformNode(), None, matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def check_linear(node: slicer.vtkMRMLTransformableNode) -> None:
    """Raise InputError when a node lies under a transform that is not linear: its slices are then no planes."""
    parent = node.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        raise InputError(
            _(
                '"{name}" lies under the warping transform "{parent}". Harden the transform in the Data module '
                "(on the CT and on the segmentation), and try again."
            ).format(name=node.GetName(), parent=parent.GetName()),
            remedy="data",
        )


def segment_names(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, str]:
    """Return the names of all segments by their ID, in the segmentation's order."""
    segmentation = segmentation_node.GetSegmentation()
    return {
        segmentation.GetNthSegmentID(n): segmentation.GetNthSegment(n).GetName()
        for n in range(segmentation.GetNumberOfSegments())
    }
