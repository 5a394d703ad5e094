"""Verdicts as tags of segments: they are saved with the scene and with the segmentation's own file."""

from __future__ import annotations

from collections.abc import Mapping

import slicer
import vtk

from SAM2VolumeSegLib.review import Verdict
from SAM2VolumeSegLib.scene.reading import checked_id


def verdicts_of(
    segmentation_node: slicer.vtkMRMLSegmentationNode, segment_ids: Mapping[str, str]
) -> dict[str, Verdict]:
    """Return the verdicts of segments, by name; one that says nothing where there is none.

    Args:
        segmentation_node: that holds them.
        segment_ids: by name. Those that are gone are left out.
    """
    segments = {name: segmentation_node.GetSegmentation().GetSegment(own) for name, own in segment_ids.items()}
    return {name: Verdict.from_tags(_tags(segment)) for name, segment in segments.items() if segment is not None}


def set_verdict(segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str, verdict: Verdict) -> None:
    """Keep a verdict on a segment; one that says nothing takes what was there away.

    Raises:
        InputError: the segment is gone.
    """
    segment = segmentation_node.GetSegmentation().GetSegment(checked_id(segmentation_node, segment_id))
    if not verdict.is_given:
        forget_verdict(segment)
    else:
        for key, value in verdict.tags().items():
            segment.SetTag(key, value)
    segmentation_node.StorableModified()  # else Slicer would not offer to save it


def forget_verdict(segment: slicer.vtkSegment) -> None:
    """Take a verdict away: it was about other voxels."""
    for key in Verdict().tags():
        segment.RemoveTag(key)


def _tags(segment: slicer.vtkSegment) -> dict[str, str]:
    tags = {}
    for key in Verdict().tags():
        value = vtk.reference("")
        if segment.GetTag(key, value):
            tags[key] = str(value)
    return tags
