"""Labelled CTs that demo, bench and training's table segment: the one that tptbox brings, and those of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.class_table import LabelledCase, read_class_table
from SAM2VolumeSegLib.research.data.layouts import TPTBOX, data_folder

TITLES = {
    "Torso": "torso",
    "Lumbar spine, five vertebrae": "lumbar",
    "Lumbar spine, thick slices": "thick-slices",
    "Lumbar spine": "sub-ct",
}
"""Titles of the cases of the packaged class tables, in the order of the demonstration."""


@dataclass(frozen=True)
class DemoCase:
    """A CT and the labels of the structures to segment in it.

    Attributes:
        title: for people, and in the names of files.
        ct: the image file.
        labels: the label volume.
        names: of the structures by label.
    """

    title: str
    ct: Path
    labels: Path
    names: Mapping[int, str]

    def results(self, out: Path) -> tuple[Path, Path]:
        """Return where the segmentation and the picture are written."""
        stem = self.title.lower().replace(",", "").replace(" ", "-")
        return out / f"{stem}.seg.nrrd", out / f"{stem}.png"


def bundled_case() -> DemoCase:
    """Return vertebrae L2, L3, L4 in the CT of the package tptbox (Apache-2.0).

    Raises:
        InputError: it is not installed.
    """
    (case,) = _cases(data_folder(TPTBOX), TPTBOX)
    return case


def shared_cases(folder: Path) -> list[DemoCase]:
    """Return the labelled CTs below a folder laid out as `torso-ct` and `spine-ct`.

    Raises:
        InputError: none is there.
    """
    found = [case for case in _cases(folder, "shared") if case.ct.exists()]
    if not found:
        raise InputError(f"There is no torso-ct or spine-ct folder with a CT below {folder}.")
    return found


def _cases(folder: Path, table: str) -> list[DemoCase]:
    cases = read_class_table(table).cases(folder)
    return [
        DemoCase(title, folder / case.ct, folder / case.labels, _whole_enough(case))
        for title in TITLES
        for case in cases
        if case.case == TITLES[title]
    ]


def _whole_enough(case: LabelledCase) -> dict[int, str]:
    """Names by label, without the crumbs that the torso's upper edge leaves of ribs and T11."""
    return {value: one.name for value, one in case.studied.items() if one.bone != "Rib" and one.name != "T11"}
