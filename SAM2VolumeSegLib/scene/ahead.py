"""What has to be said before a run about how its result will be written."""

from __future__ import annotations

from collections.abc import Iterable

import slicer

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.scene.labelmaps import grid_matrix
from SAM2VolumeSegLib.scene.lattice import carries
from SAM2VolumeSegLib.scene.nodes import grid_of, node_to_world, segment_names
from SAM2VolumeSegLib.scene.writing import overwritten


def before_writing(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    segment_ids: Iterable[str],
    painted_ids: Iterable[str],
    *,
    target: str,
    editor_node: slicer.vtkMRMLSegmentEditorNode | None,
) -> list[str]:
    """Return a sentence for each thing about the result that the user may not expect.

    Args:
        segmentation_node: what is painted.
        volume_node: the CT.
        segment_ids: the segments of the run.
        painted_ids: all segments that hold anything.
        target: as in ``write_result``.
        editor_node: likewise.

    Raises:
        InputError: as ``grid_of`` and ``node_to_world``.
    """
    names = segment_names(segmentation_node)
    sentences = []
    inside_one = slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
    if editor_node is not None and editor_node.GetMaskMode() == inside_one:
        if editor_node.GetMaskSegmentID() not in names:
            sentences.append(
                _(
                    "The editable area is inside one segment, but none is chosen, so the result "
                    "would hold only what you "
                    "painted. Choose the segment in the editor under Masking."
                )
            )
    if target != "same":
        return sentences
    segmentation = segmentation_node.GetSegmentation()
    shape, volume_to_world = grid_of(volume_node)
    parent = node_to_world(segmentation_node)
    grids = (grid_matrix(segmentation, segment_id) for segment_id in segment_ids)
    if not all(grid is None or carries(volume_to_world, shape, parent @ grid) for grid in grids):
        sentences.append(
            _(
                'The voxels of "{segmentation}" are not those of "{volume}", so in the painted segments the '
                "surface of the result is rounded to larger or shifted voxels. A new segmentation keeps it as it "
                "is."
            ).format(segmentation=segmentation_node.GetName(), volume=volume_node.GetName())
        )
    others = (set(painted_ids) - set(segment_ids)) & overwritten(segmentation_node, editor_node)
    if others:
        listed = ", ".join(f'"{name}"' for segment_id, name in names.items() if segment_id in others)
        sentences.append(
            _(
                "Where the result reaches {listed}, it replaces what is there. To keep it, choose Allow overlap "
                "in the editor under Masking (Modify other segments)."
            ).format(listed=listed)
        )
    return sentences
