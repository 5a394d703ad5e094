"""Files for the command line's tests."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds

ROOT = Path(__file__).parents[2]
FAST = ("--model", "demo", "--device", "cpu", "--image-size", "64", "--axes", "axial", "--direction", "forward")
"""The options of a run that takes a second and is no good."""


def save_image(path, array, ijk_to_ras):
    """Write an array [k, j, i] with the geometry of an upright or rotated grid; returns the path."""
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    image.SetSpacing(spacing)
    image.SetDirection((np.diag((-1, -1, 1)) @ ijk_to_ras[:3, :3] / spacing).ravel())
    image.SetOrigin(ijk_to_ras[:3, 3] * (-1, -1, 1))
    sitk.WriteImage(image, str(path))
    return path


def save_ct(path, volume):
    """Write a volume; returns the path."""
    return save_image(path, np.array(volume.voxels), volume.ijk_to_ras)


def save_labels(path, volume, labels):
    """Write a label image on the grid of a volume; returns the path."""
    return save_image(path, labels.astype(np.uint8), volume.ijk_to_ras)


def paint(phantom, name, strategy="first-last"):
    """What a user paints of a structure of a phantom on axial slices, bool [k, j, i]."""
    return paint_seeds(simulate_seeds(phantom.references[name], phantom.volume, strategy), phantom.volume)
