"""Filters that Slicer's Segment Editor has without a model, on plain arrays: what this program is measured against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

Spacing = tuple[float, float, float]


def fill_between_slices(labels: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return what the effect "Fill between slices" makes of painted slices, all segments at once.

    Slicer's own filter (ITK's morphological contour interpolation) as the effect calls it: every label on all axes. It
    runs in a process of its own, which takes seconds to start: ITK keeps parts of it in the threads of its pool until
    the process ends, which then crashes.

    Args:
        labels: int [k, j, i], a number for each segment, 0 where nothing is painted.
        spacing: mm along i, j, k.

    Returns:
        int16, of the same shape.
    """
    with TemporaryDirectory() as folder:
        painted, filled = (Path(folder, name) for name in ("painted.npz", "filled.npy"))
        np.savez(painted, labels=labels.astype(np.int16), spacing=spacing)
        subprocess.run([sys.executable, "-m", __name__, painted, filled], check=True)
        return np.load(filled)


def grow_from_seeds(voxels: np.ndarray, labels: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return what the effect "Grow from seeds" makes of painted voxels.

    Slicer's own filter with the effect's default, a seed locality of 0; nothing is masked.

    Args:
        voxels: HU, int [k, j, i].
        labels: int, of the same shape: a number for each segment, one of which is the background; 0 is unknown.
        spacing: mm along i, j, k.

    Returns:
        int16, of the same shape: every voxel has the label of a seed.
    """
    grow = slicer.vtkImageGrowCutSegment()
    grow.SetIntensityVolume(_image(voxels.astype(np.int16), spacing))
    grow.SetSeedLabelVolume(_image(labels.astype(np.int16), spacing))
    grow.SetMaskVolume(_image(np.zeros(labels.shape, dtype=np.uint8), spacing))
    grow.SetDistancePenalty(0.0)
    grow.Update()
    return _array(grow.GetOutput())


def _image(array: np.ndarray, spacing: Spacing) -> vtk.vtkImageData:
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.SetSpacing(*spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    return image


def _array(image: vtk.vtkImageData) -> np.ndarray:
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1]).copy()


def _fill(painted: str, filled: str) -> None:
    """The other process of `fill_between_slices`, from one file to the other."""
    given = np.load(painted)
    interpolate = slicer.vtkITKMorphologicalContourInterpolator()
    interpolate.SetInputData(_image(given["labels"], given["spacing"]))
    interpolate.Update()
    np.save(filled, _array(interpolate.GetOutput()))


if __name__ == "__main__":
    _fill(*sys.argv[1:])
    os._exit(0)  # before ITK's threads end, and crash
