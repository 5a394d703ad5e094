"""DICOM series made for a test."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_series(
    folder: Path, uid: str, positions: np.ndarray, description="CT", orientation=(1, 0, 0, 0, 1, 0), voxels=None
) -> np.ndarray:
    """Write one DICOM file a slice, 0.5 x 0.75 mm pixels, in shuffled file order; returns the voxels [k, j, i]."""
    folder.mkdir(parents=True, exist_ok=True)
    if voxels is None:
        voxels = np.random.default_rng(5).integers(-1000, 2000, size=(len(positions), 6, 5)).astype(np.int16)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, position in enumerate(positions):
        image = sitk.GetImageFromArray(voxels[number])
        image.SetSpacing((0.5, 0.75))
        for tag, value in {
            "0008|0008": "ORIGINAL\\PRIMARY\\AXIAL",
            "0008|0060": "CT",
            "0008|0018": f"{uid}.{number + 1}",
            "0008|103e": description,
            "0020|000d": "1.2.3.4",
            "0020|000e": uid,
            "0020|0013": str(number),
            "0020|0032": "\\".join(f"{x:.6f}" for x in position),
            "0020|0037": "\\".join(f"{x:.8f}" for x in orientation),
        }.items():
            image.SetMetaData(tag, value)
        # File names in another order than the slices: only the position counts.
        writer.SetFileName(str(folder / f"{uid}_{(number * 7) % 101:03}.dcm"))
        writer.Execute(image)
    return voxels


def upright(count=6, gap=2.0) -> np.ndarray:
    return np.array([(-10.0, -20.0, 100.0 + gap * n) for n in range(count)])
