"""A generated data set: synthetic CTs of every kind, with label volumes and a class table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.class_table import FORMAT
from SAM2VolumeSegLib.research.data.layouts import CLASSES
from SAM2VolumeSegLib.synthetic.volumes import KINDS, SyntheticVolume, make_volume

SIZE = 64
SPACING_MM = 1.5
STREAM = 2_603_231_160
"""First word of every phantom's random seed. Training draws from 20260 plus the number of a step, tests and tutorials
from small numbers: no phantom of a study was ever seen in training."""
MIN_OBJECTS = 2


def write_phantoms(folder: Path, count: int = 8, seed: int = 0, size: int = SIZE) -> None:
    """Write `count` CTs "<kind>-<number>-ct.nrrd", their label volumes and classes.json; the kinds take turns.

    The same arguments write the same files. A class is called after its kind ("Phantom column"). A column stands
    upright, as a spine does in a CT; its vertebra-like objects touch, and the volume's ends cut the outermost ones.
    Objects of the other kinds lie in any direction.

    Args:
        folder: made when it is missing.
        count: of the CTs, at least one.
        seed: not negative.
        size: voxels (of 1.5 mm) along each side.

    Raises:
        InputError: a count below one, a negative seed, a folder that has a data set already or cannot be written to.
    """
    if count < 1 or seed < 0:
        raise InputError(f"{count} phantoms with the seed {seed}: give a count of at least 1 and a seed of at least 0.")
    if (folder / CLASSES).exists():
        raise InputError(f'"{folder}" has a data set already, and it is kept. Use it, or choose another folder.')
    tables, cases = {}, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            case = f"{kind}-{number // len(KINDS) + 1}"
            made = _phantom(np.random.default_rng((STREAM, seed, number)), size, kind)
            files = {"ct": f"{case}-ct.nrrd", "labels": f"{case}-labels.nrrd"}
            _write(folder / files["ct"], made.voxels)
            _write(folder / files["labels"], made.labels)
            objects = np.unique(made.labels[made.labels > 0]).tolist()
            tables[case] = {value: {"name": f"{kind} {value}", "bone": f"Phantom {kind}"} for value in objects}
            cases.append({"case": case, **files, "table": case})
        table = {
            "format": FORMAT,
            "data": f"{count} phantoms of {size} voxels, seed {seed}",
            "tables": tables,
            "cases": cases,
        }
        # Last: without it the folder is no data set, so one that was not finished is written again.
        (folder / CLASSES).write_text(json.dumps(table, indent=1), encoding="utf-8")
    except (OSError, RuntimeError) as error:  # RuntimeError: SimpleITK's
        reason = getattr(error, "strerror", None) or "the disk may be full, or the folder read-only"
        raise InputError(f'Phantoms cannot be written to "{folder}" ({reason}). Choose another folder.') from error


def _phantom(rng: np.random.Generator, size: int, kind: str) -> SyntheticVolume:
    """Make phantoms until one has several objects: in a small volume, ribs may all lie outside."""
    while True:
        made = make_volume(rng, size, kind)
        objects = [np.argwhere(made.labels == value) for value in np.unique(made.labels)[1:]]
        if len(objects) >= MIN_OBJECTS:
            break
    if kind != "column":
        return made
    along = int(np.argmax(np.ptp([voxels.mean(axis=0) for voxels in objects], axis=0)))
    return SyntheticVolume(np.moveaxis(made.voxels, along, 0), np.moveaxis(made.labels, along, 0))


def _write(path: Path, array: np.ndarray) -> None:
    """Write an array [k, j, i] around the origin, stored as CTs are: to the left, to posterior, to superior (LPS)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([SPACING_MM] * 3)
    image.SetOrigin([-SPACING_MM * (side - 1) / 2 for side in array.shape[::-1]])
    # Not compressed: CTs with noise hardly get smaller, and every machine writes the same bytes.
    sitk.WriteImage(image, str(path), useCompression=False)
