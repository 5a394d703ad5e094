"""The rows of the seed table, and the marks (switched off, absent here) that the user sets on slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds.choose import add_absent
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

SlicePlace = tuple[Plane, int]
_LETTERS = {Plane.AXIAL: "SI", Plane.CORONAL: "AP", Plane.SAGITTAL: "RL"}


@dataclass(frozen=True)
class SeedRow:
    """One line of the table.

    Attributes:
        plane, index: the slice in the volume's array.
        position: where it lies, see `position_text`.
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


def seed_rows(
    seeds: Sequence[SeedSlice], volume: Volume, absent: Iterable[SlicePlace], skipped: Iterable[SlicePlace]
) -> list[SeedRow]:
    """List the painted slices of a segment and those marked absent, by plane and from inferior, posterior, left on."""
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
    """Say where a slice lies, as Slicer's slice views show it: "S 12.5 mm", "I 12.5 mm"."""
    millimetres = round(volume.view(plane).position_mm(index), 1)
    towards, away = _LETTERS[plane]
    letter = towards if millimetres >= 0 else away
    return f"{letter} {abs(millimetres):.1f} mm"


def area_text(seed: SeedSlice, volume: Volume) -> str:
    """Say how much is painted on a slice: "812 mm²"."""
    view = volume.view(seed.plane)
    area = np.count_nonzero(seed.mask) * view.row_mm * view.col_mm
    return f"{area:.{1 if area < 10 else 0}f} mm²"


@dataclass
class Marks:
    """Slices that the user switched off or marked absent, by segment ID; plain strings in a scene."""

    absent: dict[str, list[SlicePlace]] = field(default_factory=dict)
    skipped: dict[str, list[SlicePlace]] = field(default_factory=dict)

    @classmethod
    def from_strings(cls, absent: Iterable[str], skipped: Iterable[str]) -> Marks:
        """Read what `strings` wrote; a line that cannot be read (another version's) is left out."""
        return cls(_read(absent), _read(skipped))

    def strings(self) -> tuple[list[str], list[str]]:
        """Write lines such as "axial:34:Segment_1" for (absent, skipped)."""
        return _write(self.absent), _write(self.skipped)

    def switch(self, segment_id: str, place: SlicePlace, used: bool) -> None:
        """Switch a seed on or off."""
        _set(self.skipped, segment_id, place, not used)

    def mark_absent(self, segment_id: str, place: SlicePlace, seeds: Sequence[SeedSlice], volume: Volume) -> bool:
        """Mark a slice as empty of the segment, or take the mark back.

        Returns:
            Whether it is marked now.

        Raises:
            InputError: something is painted on the slice.
        """
        if place in self.absent.get(segment_id, ()):
            _set(self.absent, segment_id, place, False)
            _set(self.skipped, segment_id, place, False)
            return False
        try:
            add_absent(seeds, [place], volume)
        except InputError:
            where = f"{place[0].value} slice at {position_text(volume, *place)}"
            raise InputError(
                f"The {where} has paint of this segment on it, so it cannot be marked as absent. "
                "Erase the paint first, or go to another slice."
            ) from None
        _set(self.absent, segment_id, place, True)
        return True


def _set(marks: dict[str, list[SlicePlace]], segment_id: str, place: SlicePlace, wanted: bool) -> None:
    places = [other for other in marks.get(segment_id, []) if other != place]
    marks[segment_id] = [*places, place] if wanted else places


def _write(marks: dict[str, list[SlicePlace]]) -> list[str]:
    return [f"{plane.value}:{index}:{segment}" for segment, places in marks.items() for plane, index in places]


def _read(lines: Iterable[str]) -> dict[str, list[SlicePlace]]:
    marks: dict[str, list[SlicePlace]] = {}
    for line in lines:
        plane, _, rest = line.partition(":")
        index, _, segment = rest.partition(":")
        if plane in {p.value for p in Plane} and index.isdigit() and segment:
            marks.setdefault(segment, []).append((Plane(plane), int(index)))
    return marks
