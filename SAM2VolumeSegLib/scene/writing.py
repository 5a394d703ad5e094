"""Results into segmentation nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.scene.editing import add, editing, remove
from SAM2VolumeSegLib.scene.labelmaps import cut, holds, labelmap_of, on_grid_of, voxels_of
from SAM2VolumeSegLib.scene.nodes import grid_of, node_to_world, segment_names
from SAM2VolumeSegLib.scene.reading import check_labelmaps, checked_id, place_of_segment
from SAM2VolumeSegLib.scene.verdicts import forget_verdict
from SAM2VolumeSegLib.volume import BoxMask
from SAM2VolumeSegLib.volume.provenance import to_json

PROVENANCE = "SAM2VolumeSeg.Provenance"
"""Node attribute with the JSON of how the result was made; it is saved with the scene."""


def write_result(
    masks: Mapping[str, np.ndarray | BoxMask],
    source_segmentation_node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    provenance: Mapping[str, Any],
    *,
    target: str = "new",
    editor_node: slicer.vtkMRMLSegmentEditorNode | None = None,
    intensity_range: tuple[float, float] | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """Write masks (by source segment ID; bool [k, j, i]), all or nothing; return the node that holds them.

    What was painted in the segments of ``masks`` stays, whatever the masking, the overwrite mode and the grids. Both
    targets get the same voxels, but for the grid (``before_writing`` says where it is another one). There is one undo
    step when the caller saves the editor's state once before the call (``editor.saveStateForUndo()``; only
    ``target="same"`` needs it).

    Args:
        masks: results on the CT's grid, as arrays or as boxes, which take less memory.
        source_segmentation_node: the painted segmentation.
        volume_node: the CT.
        provenance: what ``Result.provenance`` holds.
        target: "new" makes a segmentation node with the same names, colors, terminology and parent transform, and the
            CT's geometry. "same" adds to the painted segments through ``vtkSlicerSegmentEditorLogic``.
        editor_node: whose masking is respected: editable area and intensity range for both targets, the overwrite
            mode for "same" ("Overwrite all" takes the overlap from other segments, as painting does, but not what was
            painted in those of ``masks``). None: no masking, and no other segment is touched.
        intensity_range: (lower, upper) in HU; outside of it only painted voxels are written.

    Raises:
        InputError: no masks, a segment that is gone, another grid, a segmentation kept as surfaces ("same").
    """
    if target not in ("new", "same"):
        raise ValueError(f"target is {target!r}; it must be 'new' or 'same'")
    masks = _checked(masks, source_segmentation_node, volume_node)
    masks = dict(_limited(masks, source_segmentation_node, volume_node, editor_node, intensity_range))
    note = to_json(provenance)
    if target == "new":
        return _new_node(masks, source_segmentation_node, volume_node, note)
    giving_way = overwritten(source_segmentation_node, editor_node)
    with editing(source_segmentation_node, volume_node) as (logic, before):
        for segment_id, mask in masks.items():
            labelmap = labelmap_of(mask, volume_node, source_segmentation_node)
            _add_over(logic, segment_id, labelmap, giving_way - {segment_id}, before, set(masks))
            forget_verdict(source_segmentation_node.GetSegmentation().GetSegment(segment_id))
    source_segmentation_node.SetAttribute(PROVENANCE, note)
    return source_segmentation_node


def overwritten(segmentation_node, editor_node) -> set[str]:
    """Return the IDs of the segments that the editor's overwrite mode takes voxels from."""
    if editor_node is None or editor_node.GetOverwriteMode() == editor_node.OverwriteNone:
        return set()
    if editor_node.GetOverwriteMode() == editor_node.OverwriteVisibleSegments:
        return set(_visible(segmentation_node))
    return set(segment_names(segmentation_node))


def _add_over(logic, segment_id: str, labelmap, giving_way: set[str], before, painted: set[str]) -> None:
    """Add a labelmap to a segment in place of others, but not of what was painted: ``before`` in ``painted``.

    Not by the editor logic's own overwrite mode: it takes painted voxels as well, and resamples a segment that has
    another grid to that of the labelmap.
    """
    segmentation = logic.GetSegmentationNode().GetSegmentation()
    labelmap = on_grid_of(segmentation, segment_id, labelmap)
    theirs = np.zeros(voxels_of(labelmap).shape, dtype=bool)
    for other in giving_way & painted:
        theirs |= holds(before, other, labelmap)
    labelmap = cut(labelmap, ~theirs)
    for other in giving_way:
        taken = on_grid_of(segmentation, other, labelmap)
        here = holds(segmentation, other, taken) & (voxels_of(taken) != 0)
        if other in painted and here.any():
            here &= ~holds(before, other, taken)
        if here.any():
            remove(logic, other, cut(taken, here))
    add(logic, segment_id, labelmap)


def provenance_of(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any] | None:
    """Return how a segmentation node was made, or None when it is no result of this module."""
    note = segmentation_node.GetAttribute(PROVENANCE)
    return json.loads(note) if note else None


def _checked(masks, segmentation_node, volume_node) -> dict[str, BoxMask]:
    """Return the masks to write as boxes; raise before anything is written."""
    check_labelmaps(segmentation_node, volume_node)
    if not masks:
        raise InputError(_("There is no result to write. Run the propagation first."))
    shape, _to_world = grid_of(volume_node)
    node_to_world(segmentation_node)
    boxed = {}
    for segment_id, mask in masks.items():
        checked_id(segmentation_node, segment_id)
        mask = boxed[segment_id] = mask if isinstance(mask, BoxMask) else BoxMask.of(mask)
        if mask.shape != shape or mask.inside.dtype != bool:
            raise InputError(
                _(
                    'The result of "{getsegment}" is not on the grid of "{volume}". Run the propagation again on '
                    "this CT."
                ).format(
                    getsegment=segmentation_node.GetSegmentation().GetSegment(segment_id).GetName(),
                    volume=volume_node.GetName(),
                )
            )
    return boxed


def _limited(masks, segmentation_node, volume_node, editor_node, intensity_range) -> Iterator[tuple[str, BoxMask]]:
    """Give each mask by segment ID, without what is neither painted nor allowed."""
    voxels = slicer.util.arrayFromVolume(volume_node)
    ranges = [] if intensity_range is None else [intensity_range]
    area = None
    if editor_node is not None:
        if editor_node.GetSourceVolumeIntensityMask():
            ranges.append(editor_node.GetSourceVolumeIntensityMaskRange())
        area = _EditableArea.of(segmentation_node, volume_node, editor_node)
    if not ranges and area is None:
        yield from masks.items()
        return
    inside = np.ones(voxels.shape, dtype=bool)
    for lower, upper in ranges:
        inside &= (voxels >= lower) & (voxels <= upper)
    for segment_id, mask in masks.items():
        painted = place_of_segment(segmentation_node, segment_id, volume_node)
        allowed = inside if area is None else inside & area.for_segment(segment_id, painted)
        yield segment_id, BoxMask.of(mask.whole() & (allowed | painted))


@dataclass(frozen=True)
class _EditableArea:
    """The editor's "editable area" on the CT's grid: inside or outside of segments.

    Attributes:
        ids: of the segments.
        count: uint16 [k, j, i], how many of them hold a voxel.
        outside: whether what they hold may not be edited, else what they do not hold.
    """

    ids: list[str]
    count: np.ndarray
    outside: bool

    @classmethod
    def of(cls, segmentation_node, volume_node, editor_node) -> _EditableArea | None:
        """Return the area, or None where everything may be edited."""
        mode, node = editor_node.GetMaskMode(), slicer.vtkMRMLSegmentationNode
        if mode == node.EditAllowedEverywhere:
            return None
        ids = list(segment_names(segmentation_node))
        if mode in (node.EditAllowedInsideVisibleSegments, node.EditAllowedOutsideVisibleSegments):
            ids = _visible(segmentation_node)
        elif mode == node.EditAllowedInsideSingleSegment:
            ids = [segment_id for segment_id in ids if segment_id == editor_node.GetMaskSegmentID()]
        count = np.zeros(grid_of(volume_node)[0], dtype=np.uint16)
        for segment_id in ids:
            count += place_of_segment(segmentation_node, segment_id, volume_node)
        return cls(ids, count, mode in (node.EditAllowedOutsideAllSegments, node.EditAllowedOutsideVisibleSegments))

    def for_segment(self, segment_id: str, painted: np.ndarray) -> np.ndarray:
        """Return where a segment may be edited: a segment is no obstacle to itself."""
        if not self.outside:
            return self.count > 0
        return (self.count - painted if segment_id in self.ids else self.count) == 0


def _visible(segmentation_node) -> list[str]:
    """Return the IDs of the segments that are shown; without a display node all, as they will be with one."""
    display = segmentation_node.GetDisplayNode()
    return [each for each in segment_names(segmentation_node) if display is None or display.GetSegmentVisibility(each)]


def _new_node(masks, source, volume_node, note: str) -> slicer.vtkMRMLSegmentationNode:
    """Make the node and its segments, add it to the scene whole."""
    scene = source.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(f"{source.GetName()} result"))
    try:
        node.CreateDefaultDisplayNodes()
        node.SetAndObserveTransformNodeID(source.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
        node.SetSourceRepresentationToBinaryLabelmap()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        with slicer.util.NodeModify(node):
            for segment_id, mask in masks.items():
                segment = slicer.vtkSegment()
                segment.DeepCopyMetadata(source.GetSegmentation().GetSegment(segment_id))
                forget_verdict(segment)
                segment.SetLabelValue(1)
                if mask.inside.any():
                    segment.AddRepresentation(name, labelmap_of(mask, volume_node, node))
                if not node.GetSegmentation().AddSegment(segment, segment_id):
                    raise RuntimeError(f"segment {segment_id} could not be added to {node.GetName()}")
            node.SetAttribute(PROVENANCE, note)
    except BaseException:
        scene.RemoveNode(node.GetDisplayNode())
        scene.RemoveNode(node)
        raise
    return node
