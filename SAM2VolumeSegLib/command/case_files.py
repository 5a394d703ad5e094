"""The files of a case that is reviewed, and what is in them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.propagation import RECOMMENDED, Settings
from SAM2VolumeSegLib.review import partners
from SAM2VolumeSegLib.seeds import SeedSlice, SlicePlace, find_seeds, is_painted, parse_slice
from SAM2VolumeSegLib.volume import BoxMask, Segment, Volume, read_provenance, read_seeds, read_volume
from SAM2VolumeSegLib.volume.write import SUFFIXES, sidecar


@dataclass(frozen=True)
class Case:
    """The files of a case; None where there is none.

    Attributes:
        name: what it is called.
        ct: a file, or a DICOM folder.
        segmentation: what is judged.
        seeds: what was painted.
        before: an earlier state of the segmentation.
        reference: what is taken for the truth.
        series: which DICOM series of the folder.
    """

    name: str
    ct: Path
    segmentation: Path
    seeds: Path | None = None
    before: Path | None = None
    reference: Path | None = None
    series: str | None = None

    @property
    def sources(self) -> dict[str, str]:
        """The files by what they are, for people."""
        named = {
            "CT": self.ct,
            "Segmentation": self.segmentation,
            "Painted slices": self.seeds,
            "Earlier state": self.before,
            "Reference": self.reference,
        }
        return {what: str(path) for what, path in named.items() if path is not None}


@dataclass(frozen=True, eq=False)
class CaseFiles:
    """What is in the files of a case.

    Attributes:
        case: their names.
        volume: the CT.
        segments: of the segmentation, those that are wanted.
        provenance: how it was made; empty where its file does not say.
    """

    case: Case
    volume: Volume
    segments: Mapping[str, Segment]
    provenance: Mapping[str, Any]

    @classmethod
    def of(cls, case: Case, wanted: Sequence[str] | None) -> CaseFiles:
        """Read the CT and the segmentation.

        Args:
            case: its files.
            wanted: names of segments; None: all.

        Raises:
            InputError: one cannot be read or used, or the segmentation was made from another CT.
        """
        volume = read_volume(case.ct, case.series)
        segments = read_segments(case.segmentation, volume)
        for name in wanted or ():
            if name not in segments:
                raise InputError(f'There is no segment "{name}" in {case.segmentation}. It has: {", ".join(segments)}.')
        provenance = provenance_of(case.segmentation)
        made_from = provenance.get("volume", {}).get("fingerprint", volume.fingerprint())
        if made_from != volume.fingerprint():
            raise InputError(
                f"{case.segmentation} was made from another CT than {case.ct}. Give the one it was made from."
            )
        return cls(case, volume, {name: segments[name] for name in wanted or segments}, provenance)

    @cached_property
    def masks(self) -> dict[str, BoxMask]:
        """The segments' masks by name."""
        return {name: segment.found for name, segment in self.segments.items()}

    @property
    def settings(self) -> Settings:
        """Those of the run that made it; the recommended ones, where its file does not say."""
        return Settings.from_dict(self.provenance["settings"]) if "settings" in self.provenance else RECOMMENDED

    def earlier(self) -> dict[str, BoxMask]:
        """An earlier state of each segment that has one."""
        if self.case.before is None:
            return {}
        earlier = masks_of(self.case.before, self.volume)
        return {name: earlier[other] for name, other in partners(self.masks, earlier).items()}

    def seeds(self) -> dict[str, list[SeedSlice]]:
        """What was painted: in a file of its own, or on the slices that the result's header names.

        Raises:
            InputError: nothing says what was painted, of none of the segments.
        """
        if self.case.seeds is None:
            return self._seeds_of_header()
        painted = read_segments(self.case.seeds, self.volume)
        if len(painted) == len(self.segments) == 1:  # a label image does not keep the name
            painted = dict(zip(self.segments, painted.values(), strict=True))
        used = {name: one for name, one in painted.items() if name in self.segments and not one.is_empty}
        if not used:
            raise InputError(
                f"None of the segments of {self.case.segmentation} ({', '.join(self.segments)}) is painted in "
                f"{self.case.seeds}. It has: {', '.join(painted)}."
            )
        found = {name: find_seeds(one.mask, self.volume) for name, one in used.items()}
        for name, painted_here in found.items():
            self._check_painted(name, painted_here)
        return {name: self._as_in_the_run(name, own) for name, own in found.items()}

    def _check_painted(self, name: str, painted: list[SeedSlice]) -> None:
        """Compare what a file says was painted with the slices that the header names.

        Warns:
            InputWarning: slices that the run did not have, or that only the header names.

        Raises:
            InputError: it is something else: no slice in common, or a Dice of 0.5 or less on those.
        """
        had = [place for place, absent in self._places(name).items() if not absent]
        if not had:
            return
        file, result = self.case.seeds, self.case.segmentation
        common = [seed for seed in painted if (seed.plane, seed.index) in had]
        own = [self._cut(name, (seed.plane, seed.index), absent=False).mask for seed in common]
        both = sum(np.count_nonzero(seed.mask & mask) for seed, mask in zip(common, own, strict=True))
        each = sum(map(np.count_nonzero, [*own, *(seed.mask for seed in common)]))
        if 4 * both <= each:  # a Dice of a half
            raise InputError(
                f'{file} is not what "{name}" of {result} was made from, which was painted on {_words(had)}. Give what '
                "was painted for it, or leave --seeds out: the result has its painted slices."
            )
        here = [(seed.plane, seed.index) for seed in painted]
        if new := [place for place in here if place not in self._places(name)]:
            warnings.warn(
                f'"{name}" is painted on {_words(new)} in {file}, which {result} was made without: not used. To use '
                "it, propagate again.",
                InputWarning,
                stacklevel=3,
            )
        if missing := [place for place in had if place not in here]:
            warnings.warn(
                f'"{name}" is not painted on {_words(missing)} in {file}, but {result} was made with it: taken from '
                "the result.",
                InputWarning,
                stacklevel=3,
            )

    def _as_in_the_run(self, name: str, painted: list[SeedSlice]) -> list[SeedSlice]:
        """The seeds that the run had, where the header says it: some may have been skipped, or declared absent."""
        known = {(seed.plane, seed.index): seed for seed in painted}
        places = self._places(name)
        return [known.get(place) or self._cut(name, place, absent) for place, absent in places.items()] or painted

    def _seeds_of_header(self) -> dict[str, list[SeedSlice]]:
        seeds = {name: self._as_in_the_run(name, []) for name in self.segments}
        seeds = {name: own for name, own in seeds.items() if is_painted(own)}
        if not seeds:
            raise InputError(
                f"{self.case.segmentation} does not say which slices were painted. Give what was painted (--seeds), or "
                "use `sam2-volume-seg audit`, which needs none."
            )
        return seeds

    def _places(self, name: str) -> dict[SlicePlace, bool]:
        """The slices that the header names as painted or absent; whether they are absent."""
        lines = self.provenance.get("segments", {}).get(name, {}).get("seeds", [])
        return {parse_slice(line.split(" ")[0], self.volume): line.endswith(" absent") for line in lines}

    def _cut(self, name: str, place: SlicePlace, absent: bool) -> SeedSlice:
        """A slice of the result: on a painted one it is what was painted."""
        plane, index = place
        mask = self.volume.view(plane).slice(self.masks[name].whole(), index)
        return SeedSlice(plane, index, np.zeros_like(mask) if absent else mask.copy())


def _words(places: Sequence[SlicePlace]) -> str:
    return ", ".join(f"{plane.value}:{index}" for plane, index in places)


def masks_of(path: Path, volume: Volume) -> dict[str, BoxMask]:
    """Read the masks of a segmentation by name."""
    return {name: one.found for name, one in read_segments(path, volume).items()}


def read_segments(path: Path, volume: Volume) -> dict[str, Segment]:
    """Read a segmentation; a label image of this program has the names of its segments beside it."""
    segments = read_seeds(path, volume)
    names = _note(path).get("labels", {})
    renamed = {}
    for key, segment in segments.items():
        name = str(names.get(key.removeprefix("label "), key))
        renamed[key if name in renamed else name] = segment.with_name(name)
    return renamed


def provenance_of(path: Path) -> dict[str, Any]:
    """How a segmentation was made; empty where its file does not say."""
    if path.name.endswith(".seg.nrrd"):
        return read_provenance(path)
    return dict(_note(path).get("provenance", {}))


def _note(path: Path) -> dict[str, Any]:
    """What lies beside a label image that this program wrote; empty where there is nothing."""
    if path.name.endswith(".seg.nrrd") or not path.name.endswith(SUFFIXES):
        return {}
    try:
        note = json.loads(sidecar(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) and {"labels", "provenance"} <= note.keys() else {}
