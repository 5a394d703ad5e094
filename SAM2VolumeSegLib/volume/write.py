"""Writing a segmentation, whole or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume.seg_nrrd import write_seg_nrrd
from SAM2VolumeSegLib.volume.segment import Segment
from SAM2VolumeSegLib.volume.volume import Volume

SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii")


def check_output(path: str | Path) -> None:
    """Check that a segmentation could be written to ``path``, before any time is spent on computing it.

    Raises:
        InputError: unknown ending; the folder does not exist or cannot be written to; ``path`` is a folder.
    """
    path = Path(path)
    _suffix(path)
    if path.is_dir():
        raise InputError(f'"{path}" is a folder. Give the name of a file in it.')
    if not path.parent.is_dir():
        raise InputError(f'There is no folder "{path.parent}". Create it first, or write somewhere else.')
    with _beside(path):
        pass


def check_segments(path: str | Path, volume: Volume, segments: Mapping[str, Segment] | Iterable[Segment]) -> None:
    """Check that the kind of file at ``path`` can hold these segments: ``.seg.nrrd`` holds any, a label map does not.

    Painted seeds tell before a run what its result would: results overlap only where the seeds do.

    Raises:
        InputError: segments overlap, or the grid of ``volume`` is sheared, and the file is a label map.
    """
    if _suffix(Path(path)) == ".seg.nrrd":
        return
    directions = volume.ijk_to_ras[:3, :3] / volume.spacing
    if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-4):
        raise InputError("NIfTI cannot hold the sheared grid of this CT. Write a .seg.nrrd instead.")
    segments = list(segments.values() if isinstance(segments, Mapping) else segments)
    owner = np.zeros(volume.voxels.shape, dtype=np.uint16)  # 1 + number of the segment that has the voxel
    for number, segment in enumerate(segments, 1):
        if (hidden := owner[segment.mask]).any():
            other = segments[hidden[hidden > 0][0] - 1].name
            raise InputError(
                f'"{segment.name}" and "{other}" overlap, which a label map cannot hold. Write a .seg.nrrd instead.'
            )
        owner[segment.mask] = number


def write_segmentation(
    path: str | Path, volume: Volume, segments: Mapping[str, Segment] | Iterable[Segment], provenance: dict
) -> None:
    """Write segments with the geometry of ``volume``.

    ``.seg.nrrd`` keeps names, colors, ids and terminology, lets segments overlap, and holds ``provenance`` as JSON in
    its header (field ``SAM2VolumeSeg_Provenance``). ``.nii.gz`` or ``.nii`` is a label map, with the names and
    ``provenance`` in a ``.json`` of the same name beside it; a segment called "label 22" gets the value 22, others the
    lowest free ones. Files are written in a temporary folder beside their place and moved there when they are whole.

    Args:
        path: the file; replaced when it exists.
        volume: the CT.
        segments: masks [k, j, i] on the CT's grid.
        provenance: how the result was made; what JSON cannot hold is stored as text.

    Raises:
        InputError: unknown ending; unwritable place; no segments; segments that overlap, or a sheared grid, in NIfTI.
    """
    path = Path(path)
    segments = list(segments.values() if isinstance(segments, Mapping) else segments)
    if not segments:
        raise InputError("There are no segments to write. Choose at least one.")
    for segment in segments:
        if segment.mask.shape != volume.voxels.shape or segment.mask.dtype != bool:
            raise ValueError(f'The mask of "{segment.name}" is not boolean on the grid of "{volume.name}".')
    check_output(path)
    check_segments(path, volume, segments)
    with _beside(path) as folder:
        if _suffix(path) == ".seg.nrrd":
            write_seg_nrrd(folder / path.name, volume, segments, provenance)
        else:
            names = _write_label_map(folder / path.name, volume, segments)
            note = {"labels": names, "provenance": provenance}
            (folder / sidecar(path).name).write_text(
                json.dumps(note, indent=2, ensure_ascii=False, default=str), encoding="utf-8"
            )
        for file in sorted(
            folder.iterdir(), key=lambda file: file.name == path.name
        ):  # the segmentation itself comes last
            os.replace(file, path.parent / file.name)


def sidecar(path: Path) -> Path:
    """Return the ``.json`` that goes with a ``.nii`` or ``.nii.gz``."""
    return path.with_name(path.name.removesuffix(_suffix(path)) + ".json")


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise InputError(f'"{path.name}" is no name for a segmentation file: end it in {", ".join(SUFFIXES)}.')


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, so on the same disk, that is gone afterwards whatever happens."""
    try:
        with TemporaryDirectory(prefix=".sam2volumeseg-", dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise InputError(
            f'"{path}" cannot be written: {error.strerror or error}. Choose another place or free some space.'
        ) from error


def _write_label_map(path: Path, volume: Volume, segments: list[Segment]) -> dict[str, str]:
    """Write the label image; return the segments' names by label."""
    values = _label_values(segments)
    labels = np.zeros(volume.voxels.shape, dtype=np.uint8 if max(values) < 256 else np.uint16)
    for value, segment in zip(values, segments, strict=True):
        labels[segment.mask] = value
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(volume.spacing)
    image.SetDirection((np.diag([-1.0, -1.0, 1.0]) @ volume.ijk_to_ras[:3, :3] / volume.spacing).ravel())
    image.SetOrigin(volume.ijk_to_ras[:3, 3] * [-1, -1, 1])
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        raise OSError(0, "the NIfTI file could not be written") from error
    return {str(value): segment.name for value, segment in zip(values, segments, strict=True)}


def _label_values(segments: list[Segment]) -> list[int]:
    """Give each segment a label of its own: 22 for "label 22", as a label image names its segments when it is read."""
    values: list[int] = []
    wanted = [int(m[1]) if (m := re.fullmatch(r"label ([1-9]\d{0,4})", s.name)) else 0 for s in segments]
    wanted = [value if value < 2**16 and value not in wanted[:n] else 0 for n, value in enumerate(wanted)]
    for value in wanted:
        free = next(n for n in range(1, 2**16) if n not in wanted and n not in values)
        values.append(value or free)
    return values
