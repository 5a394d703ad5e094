"""All that a review says of a result."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review.error_model import PRIOR, calibrated
from SAM2VolumeSegLib.review.evidence import Evidence
from SAM2VolumeSegLib.review.expected import ExpectedDice, expected_dice
from SAM2VolumeSegLib.review.likely_errors import LikelyErrors
from SAM2VolumeSegLib.review.names import mix_ups
from SAM2VolumeSegLib.review.reasons import reasons_of
from SAM2VolumeSegLib.review.self_check import SelfCheck
from SAM2VolumeSegLib.review.shape import Shape, shape_of
from SAM2VolumeSegLib.review.suspects import Gain, Suspect, gains, suspects_of
from SAM2VolumeSegLib.volume import Volume


@dataclass(frozen=True, eq=False)
class SegmentReview:
    """What a review says of a segment.

    Attributes:
        name: of the segment.
        expected: its Dice.
        errors: where it is likely wrong.
        suspects: regions, the largest expected wrong volume first.
        next: the slice on which correcting it is expected to save most; None where every slice is painted.
        shape: of its mask.
        remarks: sentences: the name does not fit the place.
    """

    name: str
    expected: ExpectedDice
    errors: LikelyErrors
    suspects: tuple[Suspect, ...]
    next: Gain | None
    shape: Shape
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Review:
    """What a review says of a result.

    Attributes:
        segments: by name.
        check: the self-check that it was calibrated with; None: with phantoms alone.
    """

    segments: Mapping[str, SegmentReview]
    check: SelfCheck | None


def review_steps(volume: Volume, evidence: Evidence, check: SelfCheck | None = None) -> Generator[str, None, Review]:
    """Review a result.

    Args:
        volume: the CT that it was made from.
        evidence: what the run kept.
        check: calibrates for this patient; None takes what was found on phantoms.

    Yields:
        The name of a segment after each piece of work.

    Returns:
        The review.

    Raises:
        InputError: the evidence is of another volume.
    """
    if volume.fingerprint() != evidence.fingerprint:
        raise InputError(
            _(
                'The result was made from another volume than "{volume}". Choose the volume that it was made from, or '
                "propagate on this one first."
            ).format(volume=volume.name)
        )
    model = PRIOR if check is None else calibrated(check.for_calibration())
    masks = {name: own.found for name, own in evidence.segments.items()}
    remarks = mix_ups(volume, masks)
    reviews = {}
    for name, own in evidence.segments.items():
        errors = LikelyErrors.of(volume, own, model)
        yield name
        shape = shape_of(volume, own.found, {other: mask for other, mask in masks.items() if other != name})
        yield name
        suspects = []
        for suspect in suspects_of(name, volume, errors, own.places):
            reasons = reasons_of(volume, evidence, name, suspect.region, shape)
            suspects.append(replace(suspect, reasons=reasons))
            yield name
        expected = expected_dice(errors, model)
        best = next(iter(gains(volume, errors.box, errors.to_gain, own.places)), None)
        reviews[name] = SegmentReview(name, expected, errors, tuple(suspects), best, shape, remarks.get(name, ()))
    return Review(reviews, check)
