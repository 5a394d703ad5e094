"""Writing a segmentation, whole or not at all."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.lps import ras_to_lps
from SAM2VolumeSegLib.volume.provenance import to_json
from SAM2VolumeSegLib.volume.read import read_volume
from SAM2VolumeSegLib.volume.read_seg_nrrd import read_seg_nrrd
from SAM2VolumeSegLib.volume.seg_nrrd import write_seg_nrrd
from SAM2VolumeSegLib.volume.segment import Segment
from SAM2VolumeSegLib.volume.target import beside, check_target, move_together, names_this_program
from SAM2VolumeSegLib.volume.text import plain_text
from SAM2VolumeSegLib.volume.volume import Volume

SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii")
MAX_LABEL = 2**31 - 1
"""The largest label that every reader of NIfTI takes: 32 bits with a sign."""


def check_output(path: str | Path, *inputs: str | Path) -> None:
    """Check that a segmentation could be written to ``path``, before any time is spent on computing it.

    Args:
        path: the file; a result that is there already may be replaced.
        *inputs: files and DICOM folders of the run, which may not.

    Raises:
        InputError: unknown ending; the folder does not exist or cannot be written to; ``path`` is a folder, is
            write-protected, or is one of the inputs; the same for the ``.json`` beside a label map, or it is somebody
            else's.
    """
    path, given = Path(path), [Path(one) for one in inputs]
    suffix = _suffix(path)
    check_target(path, given)
    if path.exists() and not _is_result(path):
        for folder in given:
            if folder.is_dir() and any(parent.samefile(folder) for parent in path.absolute().parents):
                raise InputError(
                    _('"{path}" is a file of the CT\'s folder "{folder}". Give another name.').format(
                        path=path, folder=folder
                    )
                )
    if suffix == ".seg.nrrd":
        return
    note = sidecar(path)
    check_target(note, [*given, *(_stem(one).with_suffix(".json") for one in given)])
    twin = path.with_name(path.name.removesuffix(suffix) + {".nii": ".nii.gz", ".nii.gz": ".nii"}[suffix])
    if note.exists() and (twin.exists() or not _is_note(note)):
        whose = f'goes with "{twin.name}"' if twin.exists() else _("was not written by this program")
        raise InputError(
            _(
                '"{note}" {whose}, and the names of the segments would replace it. Give the result another name, '
                "or write a .seg.nrrd, which needs no .json."
            ).format(note=note, whose=whose)
        )


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
        raise InputError(_("NIfTI cannot hold the sheared grid of this CT. Write a .seg.nrrd instead."))
    segments = list(segments.values() if isinstance(segments, Mapping) else segments)
    owner = np.zeros(volume.voxels.shape, dtype=np.uint16)  # 1 + number of the segment that has the voxel
    for number, segment in enumerate(segments, 1):
        at, inside = segment.found.box.slices, segment.found.inside
        if (hidden := owner[at][inside]).any():
            other = segments[hidden[hidden > 0][0] - 1].name
            raise InputError(
                _(
                    '"{segment}" and "{other}" overlap, which a label map cannot hold. Write a .seg.nrrd instead.'
                ).format(segment=segment.name, other=other)
            )
        owner[at][inside] = number


def write_segmentation(
    path: str | Path,
    volume: Volume,
    segments: Mapping[str, Segment] | Iterable[Segment],
    provenance: Mapping[str, Any],
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
        raise InputError(_("There are no segments to write. Choose at least one."))
    for segment in segments:
        if segment.found.shape != volume.voxels.shape or segment.found.inside.dtype != bool:
            raise ValueError(
                _('The mask of "{segment}" is not boolean on the grid of "{volume}".').format(
                    segment=segment.name, volume=volume.name
                )
            )
    check_output(path)
    check_segments(path, volume, segments)
    segments = [segment.with_name(plain_text(segment.name)) for segment in segments]
    with beside(path) as folder:
        files = [folder / path.name]
        if _suffix(path) == ".seg.nrrd":
            _write_segments(files[0], volume, segments, provenance)
        else:
            note = _write_label_map(files[0], volume, segments) | {"provenance": provenance}
            files.insert(0, folder / sidecar(path).name)
            files[0].write_text(to_json(note, indent=2), encoding="utf-8")
        move_together(files, path.parent)


def sidecar(path: Path) -> Path:
    """Return the ``.json`` that goes with a ``.nii`` or ``.nii.gz``."""
    return path.with_name(path.name.removesuffix(_suffix(path)) + ".json")


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise InputError(
        _('"{file}" is no name for a segmentation file: end it in {suffixes}.').format(
            file=path.name, suffixes=", ".join(SUFFIXES)
        )
    )


def _stem(path: Path) -> Path:
    """Return the path of a file or folder without the endings of images."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return path.with_name(path.name.removesuffix(suffix))
    return path.with_suffix("")


def _is_result(path: Path) -> bool:
    return names_this_program(path) if path.name.endswith(".seg.nrrd") else _is_note(sidecar(path))


def _is_note(path: Path) -> bool:
    """Say whether a ``.json`` is one that goes with a result."""
    try:
        return bool({"labels", "provenance"} <= json.loads(path.read_bytes()).keys())
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _write_segments(path: Path, volume: Volume, segments: list[Segment], provenance: Mapping[str, Any]) -> None:
    """Write a ``.seg.nrrd`` and read it back."""
    write_seg_nrrd(path, volume, segments, provenance)
    try:
        found, ijk_to_ras = read_seg_nrrd(path)
    except InputError as error:
        raise _not_whole() from error
    same = len(found) == len(segments) and volume.same_grid(found[0].found.shape, ijk_to_ras)
    if not same or not all(
        one.found == segment.found and one.name == (segment.name or one.id)
        for one, segment in zip(found, segments, strict=True)
    ):
        raise _not_whole()


def _write_label_map(path: Path, volume: Volume, segments: list[Segment]) -> dict[str, dict[str, str]]:
    """Write the label image and read it back; return the segments' names by label, as the ``.json`` has them."""
    values = _label_values(segments)
    largest = max(values)
    labels = np.zeros(
        volume.voxels.shape, dtype=np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.int32
    )
    for value, segment in zip(values, segments, strict=True):
        labels[segment.found.box.slices][segment.found.inside] = value
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(volume.spacing)
    ijk_to_lps = ras_to_lps(volume.ijk_to_ras)
    image.SetDirection((ijk_to_lps[:3, :3] / volume.spacing).ravel())
    image.SetOrigin(ijk_to_lps[:3, 3])
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd for a CT
            found = read_volume(path)
    except (RuntimeError, InputError) as error:
        raise _not_whole() from error
    if not np.array_equal(found.voxels, labels) or not volume.same_grid(found.voxels.shape, found.ijk_to_ras):
        raise _not_whole()
    return {"labels": {str(value): segment.name for value, segment in zip(values, segments, strict=True)}}


def _not_whole() -> OSError:
    """Return the error for a file that does not read back as written: ITK writes half a file without a word."""
    return OSError(0, _("the disk did not take the whole file, or is full"))


def _label_values(segments: list[Segment]) -> list[int]:
    """Give each segment a label of its own: 22 for "label 22", as a label image names its segments when it is read."""
    values: list[int] = []
    wanted = [int(m[1]) if (m := re.fullmatch(r"label ([1-9][0-9]{0,9})", s.name)) else 0 for s in segments]
    wanted = [value if value <= MAX_LABEL and value not in wanted[:n] else 0 for n, value in enumerate(wanted)]
    for value in wanted:
        free = next(n for n in range(1, MAX_LABEL) if n not in wanted and n not in values)
        values.append(value or free)
    return values
