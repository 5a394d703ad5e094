"""Changing segments as the Segment Editor does, and putting them back when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer


@contextmanager
def editing(
    segmentation_node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> Iterator[tuple[slicer.vtkSlicerSegmentEditorLogic, slicer.vtkSegmentation]]:
    """Give an editor logic, and the segments as they are before; an error inside puts all of them back.

    The user's editor keeps its selection and its undo history: the logic works on an editor node of its own, that masks
    nothing and overwrites no other segment.
    """
    scene = segmentation_node.GetScene()
    own = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
    own.UnRegister(None)
    own.SetHideFromEditors(True)
    own.SetSaveWithScene(False)
    own.SetOverwriteMode(own.OverwriteNone)
    before = slicer.vtkSegmentation()
    before.DeepCopy(segmentation_node.GetSegmentation())
    scene.AddNode(own)
    logic = slicer.vtkSlicerSegmentEditorLogic()
    try:
        logic.SetMRMLScene(scene)
        logic.SetSegmentationHistory(None)
        logic.SetSegmentEditorNode(own)
        logic.SetSegmentationNode(segmentation_node)
        logic.SetSourceVolumeNode(volume_node)
        with slicer.util.NodeModify(segmentation_node):
            try:
                yield logic, before
            except BaseException:
                segmentation_node.GetSegmentation().DeepCopy(before)
                raise
    finally:
        logic.SetSegmentEditorNode(None)
        scene.RemoveNode(own)


def add(logic: slicer.vtkSlicerSegmentEditorLogic, segment_id: str, labelmap: slicer.vtkOrientedImageData) -> None:
    """Add a labelmap to a segment; no other changes. It has to be on the segment's grid (``on_grid_of``).

    The editor logic would resample the segment, and all segments of its layer, to the grid of another labelmap.
    """
    _modify(logic, segment_id, labelmap, logic.ModificationModeAdd)


def remove(logic: slicer.vtkSlicerSegmentEditorLogic, segment_id: str, labelmap: slicer.vtkOrientedImageData) -> None:
    """Remove a labelmap from a segment, as ``add``."""
    # As the effect Erase does. It takes nothing from others, but without it the segment would get a layer of its own.
    node = logic.GetSegmentEditorNode()
    node.SetOverwriteMode(node.OverwriteAllSegments)
    _modify(logic, segment_id, labelmap, logic.ModificationModeRemove)
    node.SetOverwriteMode(node.OverwriteNone)


def _modify(logic, segment_id: str, labelmap, mode: int) -> None:
    logic.SetCurrentSegmentID(segment_id)
    logic.ModifySegmentByLabelmap(logic.GetSegmentationNode(), segment_id, labelmap, mode, True, False)
