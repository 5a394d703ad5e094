"""Changing segments as the Segment Editor does, and putting them back when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support

from SAM2VolumeSegLib.scene.nodes import grid_of, node_to_world
from SAM2VolumeSegLib.volume import Box


def labelmap_of(
    mask: np.ndarray, volume_node: slicer.vtkMRMLScalarVolumeNode, segmentation_node: slicer.vtkMRMLSegmentationNode
) -> slicer.vtkOrientedImageData:
    """Return a mask [k, j, i] on the CT's grid as a labelmap in the coordinates of a segmentation node.

    Only the bounding box of the True voxels is stored. The CT's and the segmentation's parent transforms are both
    linear, so that the labelmap gets another geometry and no voxel is resampled.
    (``ImportLabelmapToSegmentationNode`` would apply the difference of the transforms twice.)
    """
    box = _bounding_box(mask)
    lower, upper = box.lower[::-1], box.upper[::-1]
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(value for a, b in zip(lower, upper, strict=True) for value in (a, b - 1)))
    voxels = np.ascontiguousarray(mask[box.slices], dtype=np.uint8)
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(voxels.ravel(), deep=True))
    _, volume_to_world = grid_of(volume_node)
    matrix = np.linalg.solve(node_to_world(segmentation_node), volume_to_world)
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return image


@contextmanager
def editing(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    editor_node: slicer.vtkMRMLSegmentEditorNode | None,
) -> Iterator[slicer.vtkSlicerSegmentEditorLogic]:
    """Give an editor logic with the masking of ``editor_node``; an error inside puts all segments back.

    The user's editor keeps its selection and its undo history: the logic works on an editor node of its own. Without an
    ``editor_node`` nothing is masked and no other segment is overwritten.
    """
    scene = segmentation_node.GetScene()
    own = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
    own.UnRegister(None)
    own.SetHideFromEditors(True)
    own.SetSaveWithScene(False)
    if editor_node is None:
        own.SetOverwriteMode(own.OverwriteNone)
    else:
        own.SetOverwriteMode(editor_node.GetOverwriteMode())
        own.SetMaskMode(editor_node.GetMaskMode())
        own.SetMaskSegmentID(editor_node.GetMaskSegmentID())
        own.SetSourceVolumeIntensityMask(editor_node.GetSourceVolumeIntensityMask())
        own.SetSourceVolumeIntensityMaskRange(*editor_node.GetSourceVolumeIntensityMaskRange())
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
                yield logic
            except BaseException:
                segmentation_node.GetSegmentation().DeepCopy(before)
                raise
    finally:
        logic.SetSegmentEditorNode(None)
        scene.RemoveNode(own)


def add(
    logic: slicer.vtkSlicerSegmentEditorLogic,
    segment_id: str,
    labelmap: slicer.vtkOrientedImageData,
    *,
    remove: bool = False,
) -> slicer.vtkOrientedImageData:
    """Add a labelmap to a segment, or remove it from the segment, under the logic's masking.

    The segment keeps its grid: the editor logic would resample it, and the segments of its layer, to another one.
    Return the labelmap on that grid.
    """
    logic.SetCurrentSegmentID(segment_id)
    labelmap = _on_grid_of_segment(labelmap, logic.GetSegmentationNode(), segment_id)
    mode = logic.ModificationModeRemove if remove else logic.ModificationModeAdd
    logic.ModifySegmentByLabelmap(logic.GetSegmentationNode(), segment_id, labelmap, mode, True, False)
    return labelmap


def _on_grid_of_segment(labelmap, segmentation_node, segment_id: str) -> slicer.vtkOrientedImageData:
    """Return the labelmap on the grid of a segment (nearest voxel); an empty one has that of the segmentation."""
    grid = slicer.vtkOrientedImageData()
    segmentation_node.GetBinaryLabelmapRepresentation(segment_id, grid)
    if grid.IsEmpty():
        geometry = segmentation_node.GetSegmentation().GetConversionParameter(
            slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
        )
        if not geometry:
            return labelmap
        slicer.vtkSegmentationConverter.DeserializeImageGeometry(geometry, grid, False)
    resample = slicer.vtkOrientedImageDataResample
    if resample.DoGeometriesMatch(labelmap, grid):
        return labelmap
    result = slicer.vtkOrientedImageData()
    if not resample.ResampleOrientedImageToReferenceOrientedImage(labelmap, grid, result, False, True):
        raise RuntimeError(f"segment {segment_id} could not be resampled")
    return result


def _bounding_box(mask: np.ndarray) -> Box:
    used = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not len(used[0]):
        return Box((0, 0, 0), (1, 1, 1))
    return Box(tuple(int(u[0]) for u in used), tuple(int(u[-1]) + 1 for u in used))
