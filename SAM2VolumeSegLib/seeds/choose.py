"""The user's say over the seeds that were found: switch one off, or declare the structure absent on a slice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, describe, paint_seeds
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

SlicePlace = tuple[Plane, int]
"""A plane and the index of a slice along that plane's axis of the volume's array."""


@dataclass(frozen=True)
class Marks:
    """What the user says over found seeds, by the key of a segment.

    Marks outlive what they were set on: one of a slice that was erased since, or that the volume does not have (the CT
    was replaced by a smaller one), counts for nothing. A slice that is both skipped and absent is skipped.

    Attributes:
        absent: slices on which the structure is not.
        skipped: slices that are no seeds, though they are painted or marked absent.
    """

    absent: Mapping[str, Sequence[SlicePlace]] = field(default_factory=dict)
    skipped: Mapping[str, Sequence[SlicePlace]] = field(default_factory=dict)

    def applied(self, key: str, seeds: Sequence[SeedSlice], volume: Volume) -> list[SeedSlice]:
        """Return the seeds that a run takes: those not skipped, and an all-False one for each slice marked absent.

        Args:
            key: whose marks count.
            seeds: what was found in that segment.
            volume: what they were found on.

        Raises:
            InputError: something is painted on a slice marked absent.
        """
        skipped = set(self.skipped.get(key, ()))
        kept = [seed for seed in seeds if (seed.plane, seed.index) not in skipped]
        absent = [
            (plane, index)
            for plane, index in self.absent.get(key, ())
            if (plane, index) not in skipped and 0 <= index < volume.view(plane).count
        ]
        return add_absent(kept, absent, volume) if absent else kept

    def switched(self, key: str, place: SlicePlace, used: bool) -> Marks:
        """Return these marks with a seed switched on (``used``) or skipped."""
        return Marks(self.absent, _with(self.skipped, key, place, not used))

    def declared(self, key: str, place: SlicePlace, absent: bool) -> Marks:
        """Return these marks with a slice declared absent, or no longer (then it is not skipped either)."""
        skipped = self.skipped if absent else _with(self.skipped, key, place, False)
        return Marks(_with(self.absent, key, place, absent), skipped)

    @classmethod
    def from_strings(cls, absent: Iterable[str], skipped: Iterable[str]) -> Marks:
        """Read what ``strings`` wrote; a line that cannot be read (another version's) is left out."""
        return cls(_read(absent), _read(skipped))

    def strings(self) -> tuple[list[str], list[str]]:
        """Return lines such as "axial:34:Segment_1" for (absent, skipped), to be kept in a scene."""
        return _written(self.absent), _written(self.skipped)


def typed_marks(
    skip: Iterable[str], absent: Iterable[str], seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume
) -> Marks:
    """Read marks as they are typed: ``"axial:34"``, with ``"L3=axial:34"`` where there are several segments.

    Args:
        skip: seeds to leave out.
        absent: slices to declare absent.
        seeds: those found, by the name of the segment.
        volume: what they were found on.

    Raises:
        InputError: no such segment or slice; a slice to skip is no seed, the last one, or declared absent as well.
    """
    declared = [typed_slice(text, seeds, volume) for text in absent]
    marks = Marks()
    for name, place in [typed_slice(text, seeds, volume) for text in skip]:
        plane, index = place
        if place not in [(seed.plane, seed.index) for seed in seeds[name]]:
            listed = "; ".join(describe(seed, volume) for seed in seeds[name])
            raise InputError(
                _('{plane}:{index} cannot be skipped, it is not a seed of "{name}". Its seeds are: {listed}.').format(
                    plane=plane.value, index=index, name=name, listed=listed
                )
            )
        if (name, place) in declared:
            raise InputError(
                _("{plane}:{index} is both skipped and declared absent. Leave one of the two out.").format(
                    plane=plane.value, index=index
                )
            )
        marks = marks.switched(name, place, used=False)
        if not marks.applied(name, seeds[name], volume):
            raise InputError(
                _("Every painted slice is skipped, so nothing says where the structure is. Keep at least one.")
            )
    for name, place in declared:
        marks = marks.declared(name, place, absent=True)
    return marks


def typed_slice(text: str, segments: Collection[str], volume: Volume) -> tuple[str, SlicePlace]:
    """Read ``"axial:34"``, with ``"L3=axial:34"`` where there are several segments: the segment's name and the slice.

    Raises:
        InputError: no such segment or slice.
    """
    name, _equals, place = text.rpartition("=")
    if not name and len(segments) > 1:
        raise InputError(
            _('"{text}" could mean any of {segments}: write "{first}={text}".').format(
                text=text, segments=", ".join(segments), first=next(iter(segments))
            )
        )
    name = name or next(iter(segments))
    if name not in segments:
        raise InputError(
            _('"{text}" names no segment. The segments are: {segments}.').format(
                text=text, segments=", ".join(segments)
            )
        )
    return name, parse_slice(place, volume)


def parse_slice(text: str, volume: Volume) -> tuple[Plane, int]:
    """Read a slice such as ``"axial:34"``: a plane and the index along that plane's axis of ``volume``.

    Raises:
        InputError: no such plane, no number, or no such slice in the volume.
    """
    name, _colon, number = text.partition(":")
    try:
        plane = Plane(name.strip().lower())
    except ValueError:
        planes = ", ".join(p.value for p in Plane)
        raise InputError(
            _('"{text}" names no plane. Write one of {planes} and a slice number, as in axial:34.').format(
                text=text, planes=planes
            )
        ) from None
    last = volume.view(plane).count - 1
    try:
        index = int(number)
    except ValueError:
        raise InputError(
            _('"{text}" has no slice number. Write it as {plane}:34, from 0 to {last}.').format(
                text=text, plane=plane.value, last=last
            )
        ) from None
    if not 0 <= index <= last:
        raise InputError(
            _('"{volume}" has no {plane} slice {index}. Choose one from 0 to {last}.').format(
                volume=volume.name, plane=plane.value, index=index, last=last
            )
        )
    return plane, index


def add_absent(seeds: Sequence[SeedSlice], slices: Iterable[tuple[Plane, int]], volume: Volume) -> list[SeedSlice]:
    """Return ``seeds`` and an all-False seed for each of ``slices``: the structure is not there.

    Raises:
        InputError: something is painted on such a slice, be it by a seed of another plane that crosses it.
    """
    painted = paint_seeds(seeds, volume)
    added = []
    for plane, index in dict.fromkeys(slices):
        picture = volume.view(plane).slice(painted, index)
        if picture.any():
            raise InputError(
                _(
                    "{plane}:{index} is declared absent, but {count_nonzero} voxels are painted on it. Erase them, "
                    "or leave the declaration out."
                ).format(plane=plane.value, index=index, count_nonzero=np.count_nonzero(picture))
            )
        added.append(SeedSlice(plane, index, np.zeros(picture.shape, dtype=bool)))
    taken = {(seed.plane, seed.index) for seed in seeds}
    return [*seeds, *(seed for seed in added if (seed.plane, seed.index) not in taken)]


def _with(
    marks: Mapping[str, Sequence[SlicePlace]], key: str, place: SlicePlace, wanted: bool
) -> dict[str, Sequence[SlicePlace]]:
    places = tuple(other for other in marks.get(key, ()) if other != place)
    return {**marks, key: (*places, place) if wanted else places}


def _written(marks: Mapping[str, Sequence[SlicePlace]]) -> list[str]:
    return [f"{plane.value}:{index}:{key}" for key, places in marks.items() for plane, index in places]


def _read(lines: Iterable[str]) -> dict[str, Sequence[SlicePlace]]:
    marks: dict[str, Sequence[SlicePlace]] = {}
    for line in lines:
        plane, _colon, rest = line.partition(":")
        index, _colon, key = rest.partition(":")
        if plane in {p.value for p in Plane} and index.isdigit() and key:
            marks[key] = (*marks.get(key, ()), (Plane(plane), int(index)))
    return marks
