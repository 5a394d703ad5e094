"""Labelled CTs that demo, bench and training's table segment: the one that tptbox brings, and those of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.class_table import read_class_table
from SAM2VolumeSegLib.research.data.layouts import CLASSES, TPTBOX, DataSet, LeftOut, data_folder, open_data
from SAM2VolumeSegLib.research.data.structure import MORE_THAN_SLICES, Candidate
from SAM2VolumeSegLib.volume import Plane, Volume, read_seeds, read_volume

SHARED = "shared"
TITLES = {
    "torso": "Torso",
    "lumbar": "Lumbar spine, five vertebrae",
    "thick-slices": "Lumbar spine, thick slices",
    "sub-ct": "Lumbar spine",
}
"""Titles of the cases of the packaged class tables, in the order of the demonstration."""


class Reference(NamedTuple):
    """Where the reference of a structure is.

    Attributes:
        file: its mask, or a label volume.
        label: its value there; None: all that is in the file.
    """

    file: Path
    label: int | None


@dataclass(frozen=True)
class DemoCase:
    """A CT and the structures to segment in it.

    Attributes:
        title: for people, and in the names of files.
        ct: the image file, or the folder of its DICOM series.
        references: by the name of the structure.
    """

    title: str
    ct: Path
    references: Mapping[str, Reference]

    def results(self, out: Path) -> tuple[Path, Path]:
        """Return where the segmentation and the picture are written."""
        stem = self.title.lower().replace(",", "").replace(" ", "-")
        return out / f"{stem}.seg.nrrd", out / f"{stem}.png"

    def load(self) -> tuple[Volume, dict[str, np.ndarray]]:
        """Return the CT, and the masks [k, j, i] of the structures that are large enough to be measured.

        One that is not in the CT at all has an empty mask or no voxel with its label, and is left out, as is one on
        `MORE_THAN_SLICES` axial slices or fewer.

        Raises:
            InputError: a file is missing, unreadable or on another grid, or no structure is left.
        """
        volume = read_volume(self.ct)
        found: dict[str, np.ndarray] = {}
        for file in dict.fromkeys(reference.file for reference in self.references.values()):
            try:
                segments = read_seeds(file, volume)
            except InputError:
                if read_volume(file).voxels.any():
                    raise
                continue
            for name, (own, label) in self.references.items():
                masks = [one.mask for key, one in segments.items() if label is None or key == f"label {label}"]
                if own == file and masks and _is_large(mask := np.any(masks, axis=0), volume):
                    found[name] = mask
        if not found:
            raise InputError(
                f'No structure of "{self.title}" is on more than {MORE_THAN_SLICES} axial slices of its CT. Check its '
                "labels."
            )
        return volume, {name: found[name] for name in self.references if name in found}


def bundled_case() -> DemoCase:
    """Return vertebrae L2, L3, L4 in the CT of the package tptbox (Apache-2.0).

    Raises:
        InputError: it is not installed.
    """
    (case,) = _cases(open_data(TPTBOX), TITLES)
    return case


def cases_below(folder: Path, classes: str | None = None) -> tuple[list[DemoCase], tuple[LeftOut, ...]]:
    """Return the labelled CTs of a folder in any layout that the study reads, and the cases that lack files.

    Args:
        folder: the data folder; one laid out as `torso-ct` and `spine-ct` needs no class table.
        classes: as in `open_data`.

    Raises:
        InputError: as `open_data`.
    """
    own = data_folder(folder) / CLASSES
    shared = read_class_table(SHARED).cases(data_folder(folder))
    if classes is None and not own.is_file() and any((own.parent / case.ct).exists() for case in shared):
        classes = SHARED
    data = open_data(folder, classes)
    return _cases(data, TITLES if classes == SHARED or str(folder) == TPTBOX else {}), data.left_out


def _cases(data: DataSet, titles: Mapping[str, str]) -> list[DemoCase]:
    """Return the cases with titles in the order of these, then the others by name."""
    names = dict.fromkeys(one.case for one in data.candidates)
    order = [*(name for name in titles if name in names), *(name for name in names if name not in titles)]
    return [
        DemoCase(
            titles.get(case, case),
            data.folder / next(one.ct for one in data.candidates if one.case == case),
            {
                one.name: Reference(data.folder / one.mask, one.label)
                for one in data.candidates
                if one.case == case and not (case in titles and _is_crumb(one))
            },
        )
        for case in order
    ]


def _is_crumb(one: Candidate) -> bool:
    """Say whether a structure is what the upper edge of the packaged table's torso leaves of ribs and T11."""
    return one.bone == "Rib" or one.name == "T11"


def _is_large(mask: np.ndarray, volume: Volume) -> bool:
    others = tuple({0, 1, 2} - {volume.view(Plane.AXIAL).axis})
    return np.count_nonzero(mask.any(axis=others)) > MORE_THAN_SLICES
