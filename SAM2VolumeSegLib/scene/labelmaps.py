"""Labelmaps of segments: from a mask, from one grid on another, and where segments are on them."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support

from SAM2VolumeSegLib.scene.lattice import nearest
from SAM2VolumeSegLib.scene.nodes import grid_of, node_to_world
from SAM2VolumeSegLib.volume import BoxMask


def labelmap_of(
    mask: np.ndarray | BoxMask,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    segmentation_node: slicer.vtkMRMLSegmentationNode,
) -> slicer.vtkOrientedImageData:
    """Return a mask [k, j, i] on the CT's grid as a labelmap in the coordinates of a segmentation node.

    Only the bounding box of the True voxels is stored. The CT's and the segmentation's parent transforms are both
    linear, so that the labelmap gets another geometry and no voxel is resampled.
    (``ImportLabelmapToSegmentationNode`` would apply the difference of the transforms twice.)
    """
    found = mask.trimmed() if isinstance(mask, BoxMask) else BoxMask.of(mask)
    voxels = found.inside if found.inside.size else np.zeros((1, 1, 1), dtype=bool)
    _, volume_to_world = grid_of(volume_node)
    matrix = np.linalg.solve(node_to_world(segmentation_node), volume_to_world)
    return _image(voxels, found.box.lower[::-1], matrix)


def voxels_of(labelmap: slicer.vtkOrientedImageData) -> np.ndarray:
    """Return the voxels [k, j, i] of a labelmap, without a copy; its first voxel has the lower ends of its extent."""
    scalars = labelmap.GetPointData().GetScalars()
    shape = tuple(max(size, 0) for size in labelmap.GetDimensions()[::-1])
    if scalars is None or not np.prod(shape):
        return np.zeros((0, 0, 0), dtype=np.uint8)
    return vtk.util.numpy_support.vtk_to_numpy(scalars).reshape(shape)


def on_grid_of(
    segmentation: slicer.vtkSegmentation, segment_id: str, labelmap: slicer.vtkOrientedImageData
) -> slicer.vtkOrientedImageData:
    """Return a labelmap on the grid of a segment (nearest voxel); an empty segment has the grid of the segmentation.

    What two labelmaps without a common voxel become has none either: a voxel of the segment looks at one voxel of the
    CT, the same for all. (vtkImageReslice decides by each labelmap's extent who gets a voxel on the edge.)
    """
    if same_grid(segmentation, segment_id, labelmap):
        return labelmap
    grid = _grid(segmentation, segment_id)
    matrix = np.linalg.solve(_matrix(grid), _matrix(labelmap))
    ends = np.array(labelmap.GetExtent(), dtype=float).reshape(3, 2) + (-0.5, 0.5)
    corners = matrix @ [*(axis.ravel() for axis in np.meshgrid(*ends)), np.ones(8)]
    lower, upper = np.floor(corners[:3].min(axis=1)).astype(int), np.ceil(corners[:3].max(axis=1)).astype(int)
    shape = tuple(int(size) for size in (upper - lower + 1)[::-1])
    voxels = nearest(voxels_of(labelmap), _first(labelmap), np.linalg.inv(matrix), lower, shape)
    return _image(voxels, lower, _matrix(grid))


def holds(segmentation: slicer.vtkSegmentation, segment_id: str, labelmap: slicer.vtkOrientedImageData) -> np.ndarray:
    """Return which voxels of a labelmap's grid and extent a segment holds (nearest voxel): bool [k, j, i]."""
    layer = _layer(segmentation, segment_id)
    shape = voxels_of(labelmap).shape
    if layer is None or layer.IsEmpty():
        return np.zeros(shape, dtype=bool)
    matrix = np.linalg.solve(_matrix(layer), _matrix(labelmap))
    values = nearest(voxels_of(layer), _first(layer), matrix, _first(labelmap), shape)
    return values == segmentation.GetSegment(segment_id).GetLabelValue()


def same_grid(segmentation: slicer.vtkSegmentation, segment_id: str, labelmap: slicer.vtkOrientedImageData) -> bool:
    """Return whether a labelmap is on the grid of a segment."""
    grid = _grid(segmentation, segment_id)
    return grid is None or slicer.vtkOrientedImageDataResample.DoGeometriesMatch(labelmap, grid)


def grid_matrix(segmentation: slicer.vtkSegmentation, segment_id: str) -> np.ndarray | None:
    """Return the 4x4 matrix from (i, j, k) of a segment's grid to the coordinates of its node; None: no grid yet."""
    grid = _grid(segmentation, segment_id)
    return None if grid is None else _matrix(grid)


def cut(labelmap: slicer.vtkOrientedImageData, kept: np.ndarray) -> slicer.vtkOrientedImageData:
    """Return a labelmap without the voxels that are not in ``kept``, a bool mask [k, j, i] of its voxels."""
    return _image((voxels_of(labelmap) != 0) & kept, _first(labelmap), _matrix(labelmap))


def _grid(segmentation, segment_id: str) -> slicer.vtkOrientedImageData | None:
    """Return an image with the grid of a segment; None where even the segmentation has none yet."""
    layer = _layer(segmentation, segment_id)
    if layer is not None and not layer.IsEmpty():
        return layer
    geometry = segmentation.GetConversionParameter(
        slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    )
    if not geometry:
        return None
    grid = slicer.vtkOrientedImageData()
    slicer.vtkSegmentationConverter.DeserializeImageGeometry(geometry, grid, False)
    return grid


def _layer(segmentation, segment_id: str) -> slicer.vtkOrientedImageData | None:
    """Return the labelmap that a segment shares with others, each with its own value."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    return segmentation.GetSegment(segment_id).GetRepresentation(name)


def _matrix(image: slicer.vtkOrientedImageData) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _first(image: slicer.vtkOrientedImageData) -> tuple[int, int, int]:
    """Return the index (i, j, k) of an image's first voxel."""
    return image.GetExtent()[::2]


def _image(voxels: np.ndarray, first, matrix: np.ndarray) -> slicer.vtkOrientedImageData:
    image = slicer.vtkOrientedImageData()
    ends = ((int(low), int(low) + size - 1) for low, size in zip(first, voxels.shape[::-1], strict=True))
    image.SetExtent(*(end for pair in ends for end in pair))
    flat = np.ascontiguousarray(voxels, dtype=np.uint8).ravel()
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(flat, deep=True))
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return image
