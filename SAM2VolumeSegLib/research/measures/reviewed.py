"""How right a review is, where the truth is known: what the experiment `review` measures of a structure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import numpy as np
from scipy.stats import rankdata

from SAM2VolumeSegLib.review import SegmentEvidence, SegmentReview
from SAM2VolumeSegLib.review.error_model import ErrorModel
from SAM2VolumeSegLib.review.features import features_of
from SAM2VolumeSegLib.review.suspects import REACH_MM
from SAM2VolumeSegLib.seeds import SlicePlace
from SAM2VolumeSegLib.volume import Box, Plane, Volume

FIRST = 5
"""Suspects that somebody looks at, and slices."""
BINS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the chance of an error; most voxels near a surface are right."""


class Reviewed(TypedDict):
    """What a review said of a structure, and how it was.

    Attributes:
        auc: area under the ROC curve of the chance of an error, over the voxels within 10 mm of the result's surface
            and on no painted slice; None where none of them, or all are wrong.
        reliability: for each bin of `BINS`: voxels, how many of them were wrong, and the sum of their chances.
        expected: Dice.
        lower: of its interval.
        upper: likewise.
        suspects: share of all wrong voxels that the first five suspects hold; None where none is wrong.
        slices: likewise five slices through the result on which SAM2 was least confident.
        slabs: likewise what is as near to these slices as a suspect is to its own, which is fairer.
        checked: slices that were left out.
        check_seconds: that the self-check of a structure took; an equal share of the CT's.
    """

    auc: float | None
    reliability: list[list[float]]
    expected: float
    lower: float
    upper: float
    suspects: float | None
    slices: float | None
    slabs: float | None
    checked: int
    check_seconds: float


def reviewed(
    volume: Volume,
    evidence: SegmentEvidence,
    review: SegmentReview,
    model: ErrorModel,
    reference: np.ndarray,
    checked: int,
    check_seconds: float,
) -> Reviewed:
    """Compare what a review says of a segment with its reference.

    Args:
        volume: the CT.
        evidence: what the run kept of the segment.
        review: what was made of it.
        model: that the review went by.
        reference: bool [k, j, i].
        checked: as in `Reviewed`.
        check_seconds: as in `Reviewed`.
    """
    features = features_of(volume, evidence)
    wrong = reference != evidence.found.on(Box.whole(volume))
    chance, near = model.chance(features.values), wrong[features.box.slices][features.where]
    bins = np.clip(np.digitize(chance, BINS) - 1, 0, len(BINS) - 2)
    each = zip(
        *(np.bincount(bins, values, len(BINS) - 1).tolist() for values in (np.ones(len(near)), near, chance)),
        strict=True,
    )
    doubtful = least_confident(volume, evidence)[:FIRST]
    regions = [suspect.region for suspect in review.suspects[:FIRST]]
    dice, lower, upper, _measured = review.expected
    return {
        "auc": _rounded(area_under_roc(chance, near)),
        "reliability": [[int(number), int(false), round(total, 4)] for number, false, total in each],
        **{name: round(value, 6) for name, value in (("expected", dice), ("lower", lower), ("upper", upper))},
        "suspects": _share(wrong, ((region.box, region.inside) for region in regions)),
        "slices": _share(wrong, ((box, True) for box in _slabs(volume, doubtful, 0.0))),
        "slabs": _share(wrong, ((box, True) for box in _slabs(volume, doubtful, REACH_MM))),
        "checked": checked,
        "check_seconds": round(check_seconds, 3),
    }


def area_under_roc(chance: np.ndarray, wrong: np.ndarray) -> float | None:
    """Return how often a wrong voxel has a higher chance than a right one (Mann and Whitney's U over its maximum).

    Args:
        chance: [n].
        wrong: bool [n].

    Returns:
        0..1, ties as one half; None where there are no wrong ones, or no others.
    """
    false = np.count_nonzero(wrong)
    right = len(wrong) - false
    if not false or not right:
        return None
    return float((rankdata(chance)[wrong].sum() - false * (false + 1) / 2) / (false * right))


def least_confident(volume: Volume, evidence: SegmentEvidence) -> list[SlicePlace]:
    """Return the slices through a result that were not painted, those first on which SAM2 was least confident.

    Beyond the result it is confident of nothing, which would come first and hold nothing.
    """
    box = evidence.found.trimmed().box
    found = [
        (evidence.confidence.get(view.plane, {}).get(index, 0.0), (view.plane, index))
        for view in map(volume.view, Plane)
        for index in range(box.lower[view.axis], box.upper[view.axis])
        if (view.plane, index) not in evidence.places and view.plane in evidence.confidence
    ]
    return [place for _confidence, place in sorted(found, key=lambda one: one[0])]


def _slabs(volume: Volume, places: Iterable[SlicePlace], reach_mm: float) -> Iterable[Box]:
    """What lies within a distance of slices."""
    for plane, index in places:
        view, whole = volume.view(plane), Box.whole(volume)
        width = int(reach_mm / view.slice_mm)
        lower, upper = list(whole.lower), list(whole.upper)
        lower[view.axis], upper[view.axis] = max(0, index - width), min(view.count, index + width + 1)
        yield Box(tuple(lower), tuple(upper))


def _share(wrong: np.ndarray, parts: Iterable[tuple[Box, np.ndarray | bool]]) -> float | None:
    """Share of the wrong voxels that lie in any of some parts."""
    everything = np.count_nonzero(wrong)
    if not everything:
        return None
    held = np.zeros_like(wrong)
    for box, inside in parts:
        held[box.slices] |= inside
    return _rounded(np.count_nonzero(held & wrong) / everything)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
