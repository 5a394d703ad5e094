"""Which slice of the CT a slice view shows, and going to one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.scene.nodes import check_slice, grid_of
from SAM2VolumeSegLib.volume import Plane, PlaneView

_MIN_COSINE = 0.999
"""Between a view's normal and the normal of the CT's plane: 2.5 degrees."""


def view_slice(slice_node: slicer.vtkMRMLSliceNode, volume_node: slicer.vtkMRMLScalarVolumeNode) -> tuple[Plane, int]:
    """Return which plane and slice index of the CT a slice view shows.

    Raises:
        InputError: the view lies at an angle to the CT's planes (cosine below 0.999), or beside the CT.
    """
    shape, ijk_to_ras = grid_of(volume_node)
    plane = _plane_of(slice_node, shape, ijk_to_ras)
    if plane is None:
        raise InputError(
            _('The view "{view}" lies at an angle to the slices of "{volume}". Turn the views to the CT first.').format(
                view=slice_node.GetName(), volume=volume_node.GetName()
            ),
            remedy="turn views",
        )
    view = PlaneView.of(plane, shape, ijk_to_ras)
    centre = [slice_node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
    position = np.linalg.solve(ijk_to_ras, [*centre, 1.0])[2 - view.axis]
    # A view exactly between two slices shows one or the other by rounding; half a slice beyond the first is still it.
    index = int(np.floor(position + 0.5))
    if not 0 <= index < view.count:
        raise InputError(
            _('The view "{view}" lies beside "{volume}". Move it onto the CT first.').format(
                view=slice_node.GetName(), volume=volume_node.GetName()
            )
        )
    return plane, index


def views_at_angle(volume_node: slicer.vtkMRMLScalarVolumeNode, nodes: Iterable[slicer.vtkMRMLSliceNode]) -> list[str]:
    """Return the names of the views, among some, that show no slice of the CT because they are turned against it.

    Raises:
        InputError: as ``grid_of``.
    """
    shape, ijk_to_ras = grid_of(volume_node)
    return [node.GetName() for node in nodes if _plane_of(node, shape, ijk_to_ras) is None]


def rotate_views_to_volume(volume_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Turn all slice views of the scene to the CT's nearest planes, each onto the nearest slice."""
    shape, ijk_to_ras = grid_of(volume_node)
    for slice_node in slice_nodes():
        slice_node.RotateToVolumePlane(volume_node)
        plane = _plane_of(slice_node, shape, ijk_to_ras)
        if plane is None:
            continue
        view = PlaneView.of(plane, shape, ijk_to_ras)
        centre = [slice_node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        position = np.linalg.solve(ijk_to_ras, [*centre, 1.0])[2 - view.axis]
        _move(slice_node, ijk_to_ras, shape, view, int(np.clip(np.floor(position + 0.5), 0, view.count - 1)))


def jump_to_slice(volume_node: slicer.vtkMRMLScalarVolumeNode, plane: Plane, index: int) -> int:
    """Move every slice view of ``plane`` to slice ``index``; return how many views that were.

    0 means that no view shows this plane: on an oblique CT call ``rotate_views_to_volume`` first.

    Raises:
        InputError: there is no such slice.
    """
    shape, ijk_to_ras = grid_of(volume_node)
    view = PlaneView.of(Plane(plane), shape, ijk_to_ras)
    check_slice(volume_node, view, index)
    nodes = [node for node in slice_nodes() if _plane_of(node, shape, ijk_to_ras) is view.plane]
    for node in nodes:
        _move(node, ijk_to_ras, shape, view, index)
    return len(nodes)


def look_at(ras: tuple[float, float, float], size_mm: float) -> None:
    """Move every slice view, every 3D view and the crosshair to a point. Slice views zoom in, and never out.

    Args:
        ras: the point in mm.
        size_mm: what is seen of a slice at most, the shorter way.
    """
    scene = slicer.mrmlScene
    for node in slice_nodes():
        node.JumpSliceByCentering(*ras)
        width, height, depth = node.GetFieldOfView()
        factor = size_mm / min(width, height)
        if 0 < factor < 1:
            node.SetFieldOfView(width * factor, height * factor, depth)
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is not None:
        crosshair.SetCrosshairRAS(*ras)
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = scene.GetNthNodeByClass(n, "vtkMRMLCameraNode")
        away = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
        with slicer.util.NodeModify(camera):
            camera.SetFocalPoint(*ras)
            camera.SetPosition(*(np.array(ras) + away))
        camera.ResetClippingRange()


def slice_nodes() -> list[slicer.vtkMRMLSliceNode]:
    """Return the slice views of the scene."""
    scene = slicer.mrmlScene
    return [
        scene.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode"))
    ]


def _plane_of(slice_node, shape: tuple[int, int, int], ijk_to_ras: np.ndarray) -> Plane | None:
    """Return the plane of the CT that a view is parallel to, or None."""
    normal = np.array([slice_node.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
    normal /= np.linalg.norm(normal)
    # Rows of the inverse are the normals of the planes that two of the grid's axes span, also where it is sheared.
    normals = np.linalg.inv(ijk_to_ras[:3, :3])
    cosines = np.abs(normals @ normal) / np.linalg.norm(normals, axis=1)
    column = int(np.argmax(cosines))
    if cosines[column] < _MIN_COSINE:
        return None
    return next(plane for plane in Plane if PlaneView.of(plane, shape, ijk_to_ras).axis == 2 - column)


def _move(slice_node, ijk_to_ras: np.ndarray, shape: tuple[int, int, int], view: PlaneView, index: int) -> None:
    """Move a view along its normal onto a slice; what it shows of the slice stays in place."""
    voxel = [(count - 1) / 2 for count in shape[::-1]]
    voxel[2 - view.axis] = index
    slice_node.JumpSliceByOffsetting(*(ijk_to_ras @ [*voxel, 1.0])[:3])
