"""The rows of the seed table, and the marks (switched off, absent here) that the user sets on slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.seeds.choose import Marks, SlicePlace, add_absent
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, area_text
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

_DIRECTIONS = {Plane.AXIAL: ("S", 1), Plane.CORONAL: ("A", 1), Plane.SAGITTAL: ("L", -1)}  # letter, sign of RAS


@dataclass(frozen=True)
class SeedRow:
    """One line of the table.

    Attributes:
        plane, index: the slice in the volume's array.
        position: where it lies, see `place_text`.
        area: how much is painted on it, or that the structure is absent there.
        used: whether a run takes it.
        absent: whether it is a slice without the structure.
    """

    plane: Plane
    index: int
    position: str
    area: str
    used: bool
    absent: bool


def place_text(volume: Volume, plane: Plane, index: int) -> str:
    """Say where a slice lies as the bar of a slice view does: "S: 14.25mm", "A: -0.75mm", "L: 33.75mm"."""
    letter, _sign = _DIRECTIONS[plane]
    return f"{letter}: {round(along_mm(volume, plane, index), 2) + 0.0:.2f}mm"  # + 0.0: no "-0.00"


def along_mm(volume: Volume, plane: Plane, index: int) -> float:
    """Return the number in `place_text`, in mm."""
    _letter, sign = _DIRECTIONS[plane]
    return sign * volume.view(plane).position_mm(index)


def along_text(plane: Plane) -> str:
    """Say what `along_mm` is: "S (mm)"."""
    letter, _sign = _DIRECTIONS[plane]
    return f"{letter} (mm)"


def seed_rows(
    seeds: Sequence[SeedSlice], volume: Volume, absent: Iterable[SlicePlace], skipped: Iterable[SlicePlace]
) -> list[SeedRow]:
    """List the painted slices of a segment and those marked absent, by plane and from inferior, posterior, left on."""
    off = set(skipped)
    found: dict[SlicePlace, SeedSlice | None] = {(seed.plane, seed.index): seed for seed in seeds}
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
                    position=place_text(volume, plane, index),
                    area=_("absent here") if seed is None else area_text(seed, volume),
                    used=(plane, index) not in off,
                    absent=seed is None or seed.absent,
                )
            )
    return rows


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
        plane, index = place
        raise InputError(
            _(
                "The {plane} slice at {position} has paint of this segment on it, so it cannot be marked as absent. "
                "Erase the paint first, or go to another slice."
            ).format(plane=plane.value, position=place_text(volume, plane, index))
        ) from None
    return marks.declared(segment_id, place, absent=True)
