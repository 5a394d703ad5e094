"""How well are the user's own painted slices found again? Each is left out in turn, and compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import Progress, Request, Result
from SAM2VolumeSegLib.review.agreement import dice
from SAM2VolumeSegLib.review.evidence import NEAR_MM, Evidence, SegmentEvidence
from SAM2VolumeSegLib.review.features import features_of
from SAM2VolumeSegLib.seeds import SeedSlice, is_painted, position_text
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, PlaneView, Volume
from SAM2VolumeSegLib.volume.planes import triple

RunAlike = Callable[[Sequence[Request], str, Plane], Generator[Progress, None, list[Result]]]
"""``Segmenter.run_alike``."""
Among = Literal["between", "end", "only"]
SLAB_MM = 6.0
"""How far beside a slice that is left out something is computed: surfaces move to edges in three dimensions."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A painted slice that was left out, and found again or not.

    Attributes:
        segment: its name.
        plane: of the slice.
        index: of the slice in the volume's array.
        position: where it lies, as in "S 12.5 mm".
        among: "between" others on its axis, at an "end" of them, so that it had to be found from one side; or it is the
            "only" one, and had to be found by the other axes.
        dice: of what was found and what was painted on it, 0..1, without the lines of crossing painted slices.
        wrong_mm2: area of what was missed and what was too much.
        features: float32 [n, features], of voxels near the surface that was found, for the calibration.
        wrong: bool [n], whether each of them was.
    """

    segment: str
    plane: Plane
    index: int
    position: str
    among: Among
    dice: float
    wrong_mm2: float
    features: np.ndarray
    wrong: np.ndarray


@dataclass(frozen=True, eq=False)
class SelfCheck:
    """An estimate on this patient, pessimistic in the gaps: each slice was found from fewer than the result has.

    Attributes:
        slices: those that were left out.
        seconds: that it took.
    """

    slices: tuple[LeftOut, ...]
    seconds: float

    def of(self, segment: str) -> tuple[LeftOut, ...]:
        """The slices of one segment."""
        return tuple(one for one in self.slices if one.segment == segment)

    def mean_dice(self, segment: str) -> float | None:
        """Of the slices of one segment; None where none was left out."""
        own = self.of(segment)
        return float(np.mean([one.dice for one in own])) if own else None

    def for_calibration(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Features and errors of slices whose axis still had a vote without them.

        Without the only slice of an axis, too little of the run is left to tell how good it was.
        """
        return [(one.features, one.wrong) for one in self.slices if one.among != "only"]

    def sentences(self, segment: str | None = None, audited: bool = False) -> list[str]:
        """What was found, in words: of the slices between others, of those at the ends, and what that means.

        Args:
            segment: its name; None: of all.
            audited: whether the slices were taken from a segmentation: nobody painted them.
        """
        left_out = self.slices if segment is None else self.of(segment)
        a_slice, several = _("painted slice"), _("painted slices")
        if audited:
            a_slice, several = _("slice of the segmentation"), _("slices of the segmentation")
        if not left_out:
            text = _("Nothing could be checked: that takes two {slices} of a structure, each on its own.")
            return [text.format(slices=several)]
        said = []
        texts: dict[Among, tuple[str, str]] = {
            "between": (
                _("1 {slices} between others, left out, was found again with Dice {dice:.2f}: {worst}."),
                _(
                    "{count} {slices} between others, each left out, were found again with Dice {dice:.2f} on "
                    "average; the worst: {worst}, {lowest:.2f}."
                ),
            ),
            "end": (
                _("1 {slices} at an end, left out, was found again from one side with Dice {dice:.2f}: {worst}."),
                _(
                    "{count} {slices} at the ends, each left out, were found again from one side with Dice "
                    "{dice:.2f} on average; the worst: {worst}, {lowest:.2f}."
                ),
            ),
            "only": (
                _("1 slice, the only one of its axis, was found again by the others with Dice {dice:.2f}: {worst}."),
                _(
                    "{count} slices, each the only one of its axis, were found again by the other axes with Dice "
                    "{dice:.2f} on average; the worst: {worst}, {lowest:.2f}."
                ),
            ),
        }
        for among, (one, many) in texts.items():
            own = [each for each in left_out if each.among == among]
            if own:
                worst = min(own, key=lambda each: each.dice)
                where = f"{worst.plane.value} {worst.position}"
                where = where if segment is not None else f"{worst.segment}, {where}"
                dice = float(np.mean([each.dice for each in own]))
                text, slices = (one, a_slice) if len(own) == 1 else (many, several)
                said.append(text.format(count=len(own), slices=slices, dice=dice, worst=where, lowest=worst.dice))
        if audited:
            meaning = _(
                "This says how well the propagation works on this patient, and not how good the segmentation is: what "
                "was propagated has these slices, so near them it is better, and elsewhere it can be worse."
            )
        else:
            meaning = _(
                "This is an estimate on this patient and no measurement of the whole: the result has these slices, so "
                "near them it is better, and elsewhere it can be worse."
            )
        return [*said, meaning]


def self_check(
    request: Request, evidence: Evidence, run_alike: RunAlike, wanted: Sequence[str] | None = None
) -> Generator[Progress, None, SelfCheck]:
    """Leave out each painted slice in turn, and compare what is found there with what was painted.

    Closing the generator cancels it. Slices are encoded once, and along the other axes nothing is predicted again; the
    axis of the slice goes as far as the slice, together with those that leave out another one of it.

    Args:
        request: what the result was made from.
        evidence: what that run kept.
        run_alike: the engine's.
        wanted: names of the segments; None takes all.

    Yields:
        Progress: ``done`` and ``total`` count left-out slices; the time left is that of all of them, None until the
        first is done.

    Returns:
        What was found. A slice without which nothing is painted on the axes of the run is not left out.
    """
    started = time.monotonic()
    seeds = request.named_seeds
    todo: dict[tuple[str, Plane], list[SeedSlice]] = {}
    for name in wanted or seeds:
        for seed in seeds[name]:
            if _can_be_left_out(request, name, seed):
                todo.setdefault((name, seed.plane), []).append(seed)
    total, done = sum(map(len, todo.values())), 0
    found: list[LeftOut] = []
    for (name, plane), own in todo.items():
        each = (time.monotonic() - started) / done if done else None
        progress = Progress(name, plane, own[0].index, done, total, each and each * (total - done))
        yield progress
        parts = []
        for seed in own:
            within = _slab(request.volume, evidence, name, seed)
            others = [other for other, its in evidence.segments.items() if not its.box.meet(within).is_empty]
            parts.append(request.leaving_out(name, (plane, seed.index), within, others))
        steps = Steps(run_alike(parts, name, plane))
        for _step in steps:
            yield progress
        for seed, without in zip(own, steps.result, strict=True):
            compared = _compared(request, evidence, without, name, seed)
            if compared is not None:
                found.append(compared)
        done += len(own)
    return SelfCheck(tuple(found), time.monotonic() - started)


def _can_be_left_out(request: Request, name: str, seed: SeedSlice) -> bool:
    planes = request.settings.planes or tuple(Plane)
    others = [other for other in request.named_seeds[name] if other is not seed and other.plane in planes]
    return not seed.absent and is_painted(others)


def _slab(volume: Volume, evidence: Evidence, name: str, seed: SeedSlice) -> Box:
    """The part of the volume beside a slice in which its segment can be."""
    view = volume.view(seed.plane)
    beside = _slice_of(Box.whole(volume), view, seed.index).grown(SLAB_MM, volume)
    return evidence.segments[name].box.grown(NEAR_MM, volume).meet(beside)


def _slice_of(box: Box, view: PlaneView, index: int) -> Box:
    """The voxels of a box on a slice."""
    lower, upper = list(box.lower), list(box.upper)
    lower[view.axis], upper[view.axis] = index, index + 1
    return Box(triple(lower), triple(upper))


def _compared(request: Request, evidence: Evidence, without: Result, name: str, seed: SeedSlice) -> LeftOut | None:
    """What was found on a slice without its seed, beside what was painted; None where other planes show all of it."""
    volume, view = request.volume, request.volume.view(seed.plane)
    rest = [other for other in request.named_seeds[name] if other is not seed]
    segment = without.segments[name]
    box = segment.box
    inside = segment.found.inside & ~_loose(volume, evidence, name, rest, box)
    kept = SegmentEvidence.of(replace(segment, found=BoxMask(segment.found.shape, box, inside)), rest)
    here = _slice_of(box, view, seed.index)
    painted = np.zeros(here.shape, dtype=bool)
    top, bottom, left, right = view.bounds(here.lower, here.upper)
    view.slice(painted, 0)[...] = seed.mask[top:bottom, left:right]
    answer, known = inside[box.index_of(here)], kept.known(volume, here)
    if not (painted & ~known).any():
        return None
    features = features_of(volume, kept, here)
    near = features.where[box.index_of(here)]
    own = [other.index for other in rest if other.plane is seed.plane and not other.absent]
    wrong = (answer != painted) & ~known
    return LeftOut(
        segment=name,
        plane=seed.plane,
        index=seed.index,
        position=position_text(volume, seed.plane, seed.index),
        among=_among(seed.index, own),
        dice=dice(answer & ~known, painted & ~known),
        wrong_mm2=float(np.count_nonzero(wrong) * view.row_mm * view.col_mm),
        features=features.values,
        wrong=wrong[near],
    )


def _among(index: int, others: Sequence[int]) -> Among:
    if not others:
        return "only"
    return "between" if min(others) < index < max(others) else "end"


def _loose(volume: Volume, evidence: Evidence, name: str, seeds: Sequence[SeedSlice], box: Box) -> np.ndarray:
    """What the run claimed and dropped as a loose part: from a part of the volume nobody could tell."""
    own = evidence.segments[name].with_seeds(seeds)
    claimed = own.on(box, own.fused, -1) > 0
    held = np.zeros(box.shape, dtype=bool)
    for segment in evidence.segments.values():
        held |= segment.found.on(box)
    return claimed & ~held & ~own.known(volume, box)
