"""A corrected slice of the result as a seed, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.scene.editing import add, editing, remove
from SAM2VolumeSegLib.scene.labelmaps import cut, holds, labelmap_of, on_grid_of, same_grid, voxels_of
from SAM2VolumeSegLib.scene.nodes import check_slice, grid_of, node_to_world
from SAM2VolumeSegLib.scene.reading import check_labelmaps, checked_id, mask_from_segment
from SAM2VolumeSegLib.volume import Plane, PlaneView


@dataclass(frozen=True, eq=False)
class SliceCopy:
    """A slice that was copied into a painted segment, and what was painted there before.

    The Segment Editor keeps the history of the segmentation that it shows, and forgets it when it shows another one.
    While a result is corrected that is the result's, so the copy into the painted slices has its own way back.

    Attributes:
        seeds_node: the painted segmentation.
        segment_id: of the painted segment.
        volume_node: the CT.
        place: a labelmap on the segment's own grid of all voxels of the slice.
        before: likewise, of those that were painted.
    """

    seeds_node: slicer.vtkMRMLSegmentationNode
    segment_id: str
    volume_node: slicer.vtkMRMLScalarVolumeNode
    place: slicer.vtkOrientedImageData
    before: slicer.vtkOrientedImageData

    @property
    def is_possible(self) -> bool:
        """Whether there is still something to take it back from: nodes and segment are in the scene."""
        nodes = self.seeds_node, self.volume_node
        return (
            all(node.GetScene() is not None for node in nodes)
            and self.seeds_node.GetSegmentation().GetSegment(self.segment_id) is not None
        )

    def undo(self) -> None:
        """Put back on that slice what was painted on it; all else, also what was painted since, stays.

        Raises:
            InputError: CT, segmentation or segment are gone, or the segment was resampled or moved since.
        """
        if not self.is_possible:
            raise InputError(_("What the slice was copied into is gone, so there is nothing to take back."))
        check_labelmaps(self.seeds_node, self.volume_node)
        if not same_grid(self.seeds_node.GetSegmentation(), self.segment_id, self.place):
            raise InputError(
                _(
                    '"{seeds}" was moved or resampled since the slice was copied, so it cannot be taken back. Erase '
                    "the slice by hand."
                ).format(seeds=self.seeds_node.GetName())
            )
        with editing(self.seeds_node, self.volume_node) as (logic, _before):
            remove(logic, self.segment_id, self.place)
            add(logic, self.segment_id, self.before)


def use_slice_as_seed(
    result_node: slicer.vtkMRMLSegmentationNode,
    result_segment_id: str,
    seeds_node: slicer.vtkMRMLSegmentationNode,
    seeds_segment_id: str,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    plane: Plane,
    index: int,
) -> SliceCopy:
    """Copy one slice of a result into a painted segment, in place of what was painted on that slice.

    Other segments are not touched. Return what takes it back. Where the editor shows the painted segmentation, save its
    state before (``editor.saveStateForUndo()``), and its own undo takes it back as well.

    Raises:
        InputError: no such segment or slice, or the result is empty on it.
    """
    whole = _whole_slice(volume_node, plane, index)
    check_labelmaps(seeds_node, volume_node)
    checked_id(seeds_node, seeds_segment_id)
    node_to_world(seeds_node)
    copied = mask_from_segment(result_node, result_segment_id, volume_node) & whole
    if not copied.any():
        name = result_node.GetSegmentation().GetSegment(result_segment_id).GetName()
        raise InputError(
            _(
                '"{name}" is empty on {plane} slice {index}, so there is nothing to copy. Go to a slice that '
                "shows it, or mark the structure as absent here."
            ).format(name=name, plane=Plane(plane).value, index=index)
        )
    segmentation = seeds_node.GetSegmentation()
    place = on_grid_of(segmentation, seeds_segment_id, labelmap_of(whole, volume_node, seeds_node))
    before = cut(place, holds(segmentation, seeds_segment_id, place))
    # Before anything is removed: a segment that becomes empty has lost its grid.
    copy = on_grid_of(segmentation, seeds_segment_id, labelmap_of(copied, volume_node, seeds_node))
    if not voxels_of(copy).any():
        raise InputError(
            _(
                '"{seeds}" has thicker slices than "{volume}", and none is here. Choose a neighbouring '
                "slice, or paint in a segmentation with the CT's own geometry."
            ).format(seeds=seeds_node.GetName(), volume=volume_node.GetName())
        )
    with editing(seeds_node, volume_node) as (logic, _before):
        remove(logic, seeds_segment_id, place)
        add(logic, seeds_segment_id, copy)
    return SliceCopy(seeds_node, seeds_segment_id, volume_node, place, before)


def is_on_slice(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    segment_id: str,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    plane: Plane,
    index: int,
) -> bool:
    """Say whether a segment has voxels on a slice of the CT.

    Raises:
        InputError: no such segment or slice.
    """
    whole = _whole_slice(volume_node, plane, index)
    return bool((mask_from_segment(segmentation_node, segment_id, volume_node) & whole).any())


def _whole_slice(volume_node: slicer.vtkMRMLScalarVolumeNode, plane: Plane, index: int) -> np.ndarray:
    """Return a bool mask [k, j, i] that is true on one slice.

    Raises:
        InputError: there is no such slice.
    """
    shape, ijk_to_ras = grid_of(volume_node)
    view = PlaneView.of(Plane(plane), shape, ijk_to_ras)
    check_slice(volume_node, view, index)
    whole = np.zeros(shape, dtype=bool)
    view.slice(whole, index)[...] = True
    return whole
