"""Slice views and the slices of the CT: a wrong index marks or shows another slice than the user sees."""

from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.scene import (
    jump_to_slice,
    look_at,
    rotate_views_to_volume,
    view_slice,
    views_at_angle,
    volume_from_node,
)
from SAM2VolumeSegLib.volume import Plane


@pytest.fixture
def views(nodes):
    """Real slice nodes red, green, yellow of the standard orientations."""
    while (left_over := nodes.scene.GetFirstNodeByClass("vtkMRMLSliceNode")) is not None:
        nodes.scene.RemoveNode(left_over)  # views are singletons: clearing the scene keeps those of other tests
    nodes.slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(nodes.scene, True)
    views = SimpleNamespace()
    for name, orientation in (("red", "Axial"), ("green", "Coronal"), ("yellow", "Sagittal")):
        node = nodes.scene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        assert node.SetOrientation(orientation)
        setattr(views, name, node)
    return views


NAMED = (("red", Plane.AXIAL), ("green", Plane.CORONAL), ("yellow", Plane.SAGITTAL))


def test_every_slice_of_every_view_is_the_one_that_is_shown(nodes, views, geometry, transforms):
    ct, _ = nodes.case(geometry, transforms)
    rotate_views_to_volume(ct)
    volume = volume_from_node(ct)
    for name, plane in NAMED:
        view = volume.view(plane)
        for index in range(view.count):
            assert jump_to_slice(ct, plane, index) == 1
            assert view_slice(getattr(views, name), ct) == (plane, index)
            centre = [getattr(views, name).GetSliceToRAS().GetElement(row, 3) for row in range(3)]
            voxel = np.linalg.solve(volume.ijk_to_ras, [*centre, 1.0])
            assert abs(voxel[2 - view.axis] - index) < 1e-6  # on the slice, not somewhere in its thickness


def test_a_view_at_an_angle_is_refused_until_it_is_rotated(nodes, views):
    """Painting there would leave voxels on many slices, and a seed on none."""
    ct = nodes.case("oblique")[0]
    for name, _ in NAMED:
        with pytest.raises(InputError, match=r"at an angle.*Turn the views"):
            view_slice(getattr(views, name), ct)
    assert jump_to_slice(ct, Plane.AXIAL, 3) == 0
    rotate_views_to_volume(ct)
    assert {view_slice(getattr(views, name), ct)[0] for name, _ in NAMED} == set(Plane)


def test_an_upright_ct_needs_no_rotation_and_positions_between_slices_are_rounded(nodes, views):
    ct = nodes.case("LPS")[0]  # slices 2.5 mm apart from S 100
    for offset, index in ((100.0, 0), (101.2, 0), (101.3, 1), (98.8, 0), (126.2, 10)):
        views.red.SetSliceOffset(offset)
        assert view_slice(views.red, ct) == (Plane.AXIAL, index)


def test_a_view_beside_the_ct_is_said(nodes, views):
    ct = nodes.case("LPS")[0]
    views.red.SetSliceOffset(98.0)
    with pytest.raises(InputError, match="beside"):
        view_slice(views.red, ct)


def test_going_to_a_slice_moves_its_views_alone(nodes, views):
    ct = nodes.case("LPS")[0]
    rotate_views_to_volume(ct)
    before = view_slice(views.green, ct), view_slice(views.yellow, ct)
    jump_to_slice(ct, Plane.AXIAL, 9)
    assert (view_slice(views.green, ct), view_slice(views.yellow, ct)) == before
    with pytest.raises(InputError, match="no axial slice 11"):
        jump_to_slice(ct, Plane.AXIAL, 11)


def test_every_view_at_an_angle_is_named(nodes, views):
    """Before, one of three was."""
    ct = nodes.case("oblique")[0]
    every = [views.red, views.green, views.yellow]
    assert views_at_angle(ct, every) == ["red", "green", "yellow"] and views_at_angle(ct, [views.green]) == ["green"]
    rotate_views_to_volume(ct)
    assert views_at_angle(ct, every) == []


def test_all_views_and_the_crosshair_go_to_a_point_and_zoom_in_but_never_out(nodes, views, geometry, transforms):
    ct, _ = nodes.case(geometry, transforms)
    volume = volume_from_node(ct)
    scene = nodes.scene
    crosshair = scene.GetSingletonNode("default", "vtkMRMLCrosshairNode")
    if crosshair is None:
        crosshair = scene.CreateNodeByClass("vtkMRMLCrosshairNode")
        crosshair.UnRegister(None)
        crosshair.SetSingletonTag("default")
        crosshair = scene.AddNode(crosshair)
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    away = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    rotate_views_to_volume(ct)
    views.red.SetFieldOfView(300.0, 200.0, 1.0)
    views.green.SetFieldOfView(30.0, 20.0, 1.0)
    index = (5, 6, 7)  # k, j, i
    point = tuple((volume.ijk_to_ras @ [*index[::-1], 1.0])[:3])
    look_at(point, 50.0)
    for name, plane in NAMED:
        assert view_slice(getattr(views, name), ct) == (plane, index[volume.view(plane).axis])
    assert np.allclose(views.red.GetFieldOfView(), (75, 50, 1)) and np.allclose(
        views.green.GetFieldOfView()[:2], (30, 20)
    )
    assert np.allclose(crosshair.GetCrosshairRAS(), point) and np.allclose(camera.GetFocalPoint(), point)
    assert np.allclose(np.subtract(camera.GetPosition(), point), away)
