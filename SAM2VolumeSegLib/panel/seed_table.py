"""The rows of the seed table, and the marks (switched off, absent here) that the user sets on slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds.choose import Marks, SlicePlace, add_absent
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

_LETTERS = {Plane.AXIAL: "SI", Plane.CORONAL: "AP", Plane.SAGITTAL: "RL"}


@dataclass(frozen=True)
class SeedRow:
    """One line of the table. index: of the slice in the volume's array; position in mm along the plane's normal."""

    plane: Plane
    index: int
    position: str
    area: str
    used: bool
    absent: bool


def seed_rows(
    seeds: Sequence[SeedSlice], volume: Volume, absent: Iterable[SlicePlace], skipped: Iterable[SlicePlace]
) -> list[SeedRow]:
    """Rows for one segment: painted slices and slices marked absent, by plane and from inferior, posterior, left on."""
    skipped = set(skipped)
    found = {(seed.plane, seed.index): seed for seed in seeds}
    for plane, index in absent:
        if 0 <= index < volume.view(plane).count:
            found.setdefault((plane, index), None)
    rows = []
    for plane in Plane:
        view = volume.view(plane)
        for index in (index for index in view.order if (plane, index) in found):
            seed = found[plane, index]
            rows.append(
                SeedRow(
                    plane=plane,
                    index=index,
                    position=position_text(volume, plane, index),
                    area="absent here" if seed is None or seed.absent else area_text(seed, volume),
                    used=(plane, index) not in skipped,
                    absent=seed is None or seed.absent,
                )
            )
    return rows


def position_text(volume: Volume, plane: Plane, index: int) -> str:
    """Where a slice lies, as Slicer's slice views show it: "S 12.5 mm", "I 12.5 mm"."""
    millimetres = round(volume.view(plane).position_mm(index), 1)
    letter = _LETTERS[plane][0 if millimetres >= 0 else 1]
    return f"{letter} {abs(millimetres):.1f} mm"


def area_text(seed: SeedSlice, volume: Volume) -> str:
    """How much is painted on a slice: "812 mm²"."""
    view = volume.view(seed.plane)
    area = np.count_nonzero(seed.mask) * view.row_mm * view.col_mm
    return f"{area:.{1 if area < 10 else 0}f} mm²"


def toggle_absent(
    marks: Marks, segment_id: str, place: SlicePlace, seeds: Sequence[SeedSlice], volume: Volume
) -> Marks:
    """Marks with a slice declared empty of the segment, or with that taken back.

    Raises:
        InputError: something is painted on the slice.
    """
    if place in marks.absent.get(segment_id, ()):
        return marks.declared(segment_id, place, absent=False)
    try:
        add_absent(seeds, [place], volume)
    except InputError:
        where = f"{place[0].value} slice at {position_text(volume, *place)}"
        raise InputError(
            f"The {where} has paint of this segment on it, so it cannot be marked as absent. "
            "Erase the paint first, or go to another slice."
        ) from None
    return marks.declared(segment_id, place, absent=True)
