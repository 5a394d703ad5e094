"""Painted segments as masks on the CT's grid, and as seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import slicer
import vtk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.scene.labelmaps import voxels_of
from SAM2VolumeSegLib.scene.lattice import Parallel, carries, nearest
from SAM2VolumeSegLib.scene.nodes import grid_of, node_to_world, volume_from_node
from SAM2VolumeSegLib.seeds import SeedSlice, find_seeds
from SAM2VolumeSegLib.volume import Box, BoxMask


def seeds_from_segmentation(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    segment_ids: Sequence[str] | None = None,
    *,
    convert: bool = False,
) -> dict[str, list[SeedSlice]]:
    """Find the painted slices of segments, hidden ones too: seeds by segment ID, in the segmentation's order.

    The scene is not touched (but for ``convert``). Segments without a painted voxel are left out.

    Args:
        segmentation_node: painted segments; shared layers, any parent transform, any grid parallel to the CT's.
        volume_node: the CT.
        segment_ids: which segments; None takes all.
        convert: True turns a segmentation that is kept as surfaces into a labelmap first (ask the user before).

    Raises:
        InputError: no such segment; the segmentation is kept as surfaces and ``convert`` is False; its grid is turned
            against the CT's, so that what was painted is no slice of the CT; a segment is painted beside the CT only;
            or what ``volume_from_node`` refuses.
    """
    volume = volume_from_node(volume_node)
    check_labelmaps(segmentation_node, volume_node, convert=convert)
    segmentation = segmentation_node.GetSegmentation()
    wanted = None if segment_ids is None else [checked_id(segmentation_node, segment) for segment in segment_ids]
    seeds = {}
    for n in range(segmentation.GetNumberOfSegments()):
        segment_id = segmentation.GetNthSegmentID(n)
        if wanted is None or segment_id in wanted:
            mask = mask_from_segment(segmentation_node, segment_id, volume_node)
            if mask.any():
                seeds[segment_id] = find_seeds(mask, volume)
    return seeds


def mask_from_segment(
    segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    """Return a segment as a bool mask [k, j, i] on the CT's grid (a copy). The scene is not touched.

    Raises:
        InputError: as ``seeds_from_segmentation``.
    """
    check_labelmaps(segmentation_node, volume_node)
    checked_id(segmentation_node, segment_id)
    return _on_grid_of(segmentation_node, segment_id, volume_node, strict=True)


def masks_from_segments(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    names: Mapping[str, str],
    volume_node: slicer.vtkMRMLScalarVolumeNode,
) -> dict[str, BoxMask]:
    """Return segments as masks on the CT's grid, by name. Those that are gone are left out. The scene is not touched.

    Args:
        segmentation_node: that holds them.
        names: what they are called in the answer, by segment ID.
        volume_node: the CT.

    Raises:
        InputError: as ``seeds_from_segmentation``.
    """
    segmentation = segmentation_node.GetSegmentation()
    return {
        name: BoxMask.of(mask_from_segment(segmentation_node, segment_id, volume_node))
        for segment_id, name in names.items()
        if segmentation.GetSegment(segment_id) is not None
    }


def place_of_segment(
    segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    """Return what ``mask_from_segment`` does, for a segment that may also lie beside the CT, or be turned against it.

    No seeds can be found in such a mask, but it says where the segment is.
    """
    return _on_grid_of(segmentation_node, segment_id, volume_node, strict=False)


def _on_grid_of(segmentation_node, segment_id: str, volume_node, strict: bool) -> np.ndarray:
    """Return a segment on the CT's grid.

    Raises:
        InputError: ``strict``, and it is turned against the grid, or lies beside it.
    """
    painted, image_to_world = _painted_part(segmentation_node, segment_id)
    shape, volume_to_world = grid_of(volume_node)
    if painted is None:
        return np.zeros(shape, dtype=bool)
    if strict:
        _check_together(segmentation_node, volume_node, painted.shape, image_to_world, volume_to_world)
    parallel = Parallel.of(image_to_world, painted.shape, volume_to_world)
    if parallel is None:
        if not strict:
            return nearest(painted, (0, 0, 0), np.linalg.solve(image_to_world, volume_to_world), (0, 0, 0), shape)
        raise InputError(
            _(
                '"{segmentation}" was painted on a grid that is turned against "{volume}". Choose the CT that it '
                "was painted on."
            ).format(segmentation=segmentation_node.GetName(), volume=volume_node.GetName())
        )
    mask = parallel.put(painted, shape)
    if strict and not mask.any():
        name = segmentation_node.GetSegmentation().GetSegment(segment_id).GetName()
        raise InputError(
            _(
                '"{name}" is painted beside "{volume}". Choose the CT that it was painted on, and check that '
                "both lie under the same transform."
            ).format(name=name, volume=volume_node.GetName()),
            remedy="data",
        )
    return mask


def _check_together(segmentation_node, volume_node, shape, image_to_world, volume_to_world) -> None:
    """Refuse a segmentation that was painted on the CT before one of them was moved: its slices are elsewhere now.

    Its voxels are those of the CT where neither is moved, and are not where both are as they are.

    Raises:
        InputError: that is so; the message says what to put where.
    """
    segmentation_moved, volume_moved = node_to_world(segmentation_node), node_to_world(volume_node)
    if np.allclose(segmentation_moved, volume_moved) or carries(image_to_world, shape, volume_to_world):
        return
    alone = np.linalg.solve(segmentation_moved, image_to_world), np.linalg.solve(volume_moved, volume_to_world)
    if not carries(alone[0], shape, alone[1]):
        return
    transform, names = volume_node.GetParentTransformNode(), (segmentation_node.GetName(), volume_node.GetName())
    if transform is None:
        text = _(
            '"{segmentation}" was moved by the transform "{transform}" after it was painted on "{volume}". Open the '
            'module Data, right-click the transform of "{segmentation}", and choose None.'
        )
        transform = segmentation_node.GetParentTransformNode()
    else:
        text = _(
            '"{volume}" was moved by the transform "{transform}" after "{segmentation}" was painted on it. Open the '
            'module Data, and drag "{segmentation}" onto "{transform}" as well.'
        )
    raise InputError(text.format(segmentation=names[0], volume=names[1], transform=transform.GetName()), remedy="data")


def checked_id(segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> str:
    """Return the ID of a segment that is there.

    Raises:
        InputError: it is not.
    """
    if segmentation_node.GetSegmentation().GetSegment(segment_id) is None:
        raise InputError(
            _('"{segmentation}" has no segment "{segment_id}" any more. Choose another one.').format(
                segmentation=segmentation_node.GetName(), segment_id=segment_id
            )
        )
    return segment_id


def check_labelmaps(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    *,
    convert: bool = False,
) -> None:
    """Check that segments are kept as labelmaps; make them so with ``convert``.

    Raises:
        InputError: no segmentation; it is kept as surfaces and ``convert`` is False, or it cannot be converted.
    """
    if segmentation_node is None:
        raise InputError(_("No segmentation is chosen. Choose the one that was painted."))
    segmentation = segmentation_node.GetSegmentation()
    labelmap = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if not segmentation.GetNumberOfSegments() or segmentation.GetSourceRepresentationName() == labelmap:
        return
    name = segmentation_node.GetName()
    if not convert:
        raise InputError(
            _(
                '"{name}" is kept as surfaces, which hold no painted slices. Convert it in the Segmentations '
                "module: Representations, Binary labelmap, Create, Make source."
            ).format(name=name),
            remedy="convert",
        )
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    if not segmentation_node.CreateBinaryLabelmapRepresentation():
        raise InputError(
            _('The surfaces of "{name}" could not be converted to a binary labelmap. Paint it anew.').format(name=name)
        )
    segmentation_node.SetSourceRepresentationToBinaryLabelmap()


def _painted_part(segmentation_node, segment_id: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the painted bounding box of a segment [k, j, i] (a copy; None when empty) and its matrix to the world."""
    image = slicer.vtkOrientedImageData()
    segmentation_node.GetBinaryLabelmapRepresentation(segment_id, image)
    painted = voxels_of(image) != 0
    box = Box.of(painted)
    if not box.shape[0]:
        return None, np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    image_to_world = node_to_world(segmentation_node) @ slicer.util.arrayFromVTKMatrix(matrix)
    corner = [low + start for low, start in zip(image.GetExtent()[::2], box.lower[::-1], strict=True)]
    image_to_world[:3, 3] = (image_to_world @ [*corner, 1])[:3]
    return painted[box.slices].copy(), image_to_world
