"""All that a review says of a result."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review.error_model import PRIOR, calibrated
from SAM2VolumeSegLib.review.evidence import Evidence
from SAM2VolumeSegLib.review.expected import ExpectedDice, expected_dice
from SAM2VolumeSegLib.review.likely_errors import LikelyErrors
from SAM2VolumeSegLib.review.names import mix_ups
from SAM2VolumeSegLib.review.reasons import reasons_of
from SAM2VolumeSegLib.review.self_check import SelfCheck
from SAM2VolumeSegLib.review.shape import Shape, shape_of
from SAM2VolumeSegLib.review.suspects import Gain, Sign, Suspect, sign_of, suspects_of
from SAM2VolumeSegLib.review.to_mend import to_mend
from SAM2VolumeSegLib.volume import BoxMask, Volume

FOUND: dict[Sign, str] = {
    "too much": _("the propagation finds less here"),
    "missing": _("the propagation finds more here"),
    "both": _("the propagation finds another one"),
}
DIFFERS = 0.25
"""Share of a region, from which on its words begin with what the propagation says of it."""


@dataclass(frozen=True, eq=False)
class SegmentReview:
    """What a review says of a segment.

    Attributes:
        name: of the segment.
        expected: its Dice.
        errors: where it is likely wrong.
        suspects: regions, the largest expected wrong volume first.
        to_mend: the slices on which correcting it is expected to save most, one after another; none where every slice
            is painted.
        shape: of its mask.
        remarks: sentences: the name does not fit the place.
    """

    name: str
    expected: ExpectedDice
    errors: LikelyErrors
    suspects: tuple[Suspect, ...]
    to_mend: tuple[Gain, ...]
    shape: Shape
    remarks: tuple[str, ...] = ()

    @property
    def next(self) -> Gain | None:
        """The first of these slices."""
        return next(iter(self.to_mend), None)


@dataclass(frozen=True, eq=False)
class Review:
    """What a review says of a result.

    Attributes:
        segments: by name.
        check: the self-check that it was calibrated with; None: with phantoms alone.
    """

    segments: Mapping[str, SegmentReview]
    check: SelfCheck | None


def review_steps(
    volume: Volume,
    evidence: Evidence,
    check: SelfCheck | None = None,
    masks: Mapping[str, BoxMask] | None = None,
) -> Generator[str, None, Review]:
    """Review a result; or other masks of the same structures, by what the run knows.

    Args:
        volume: the CT that it was made from.
        evidence: what the run kept.
        check: calibrates for this patient; None takes what was found on phantoms.
        masks: by name, what is judged: the result after it was corrected, or a segmentation of somebody else. Those
            without evidence count as neighbours. None: the masks of the run.

    Yields:
        The name of a segment after each piece of work.

    Returns:
        The review.

    Raises:
        InputError: the evidence is of another volume.
    """
    evidence.check_about(volume)
    model = PRIOR if check is None else calibrated(check.for_calibration())
    masks = {name: own.found for name, own in evidence.segments.items()} if masks is None else masks
    remarks = mix_ups(volume, masks)
    reviews = {}
    for name, own in evidence.segments.items():
        if name not in masks:
            continue
        found = masks[name]
        errors = LikelyErrors.of(volume, own, model)
        errors = errors if found == own.found else errors.judging(found)
        yield name
        shape = shape_of(volume, found, {other: mask for other, mask in masks.items() if other != name})
        yield name
        suspects = []
        for suspect in suspects_of(name, volume, errors, own.places):
            reasons = reasons_of(volume, evidence, name, suspect.region, shape)
            suspects.append(_beside_the_run(replace(suspect, reasons=reasons), found, own.found))
            yield name
        expected = expected_dice(errors, model)
        best = to_mend(volume, errors, own.places)
        yield name
        reviews[name] = SegmentReview(name, expected, errors, tuple(suspects), best, shape, remarks.get(name, ()))
    return Review(reviews, check)


def _beside_the_run(suspect: Suspect, judged: BoxMask, found: BoxMask) -> Suspect:
    """A suspect with what the propagation says of it first, where it says something else than the mask."""
    region, box = suspect.region.inside, suspect.region.box
    mine, theirs = judged.on(box)[region], found.on(box)[region]
    surplus, missed = float(np.mean(mine & ~theirs)), float(np.mean(theirs & ~mine))
    if surplus + missed < DIFFERS:
        return suspect
    sign = sign_of(surplus, missed)
    return replace(suspect, sign=sign, reasons=(FOUND[sign], *suspect.reasons))
