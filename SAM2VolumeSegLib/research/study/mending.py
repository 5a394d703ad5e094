"""The experiment `review`: results are reviewed, and mended slice by slice, as one would who is sent there.

The slice to paint next is said by the review, by the advice that knows the paint alone, by chance, or by somebody who
knows the truth. What is painted is the reference's slice. All structures of a CT get their next slice, and one run
takes them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.panel.next_slice import next_slice
from SAM2VolumeSegLib.progress import finished
from SAM2VolumeSegLib.propagation import Request
from SAM2VolumeSegLib.research.measures.reviewed import least_confident, reviewed
from SAM2VolumeSegLib.research.study.prediction import Prediction, propagate
from SAM2VolumeSegLib.review import Evidence, Review, SelfCheck, review_steps, self_check
from SAM2VolumeSegLib.review.agreement import dice
from SAM2VolumeSegLib.review.error_model import calibrated
from SAM2VolumeSegLib.review.suspects import gains
from SAM2VolumeSegLib.seeds import SeedSlice, SlicePlace
from SAM2VolumeSegLib.volume import Box, Plane, Volume

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.tracker import SliceTracker

ENDLESS = 10**6  # advice that never has enough


@dataclass(frozen=True, eq=False)
class State:
    """A result on the way.

    Attributes:
        request: what it was made from.
        evidence: what the run kept.
        check: the self-check of the first result.
        predictions: by name of the structure, what it is and took.
    """

    request: Request
    evidence: Evidence
    check: SelfCheck
    predictions: Mapping[str, Prediction]

    @cached_property
    def review(self) -> Review:
        """What a review says of it."""
        return finished(review_steps(self.request.volume, self.evidence, self.check))


class Mending:
    """A result of the structures of a CT, and what comes of it with each order of slices.

    Args:
        request: of the first run.
        references: bool [k, j, i] by the name of each structure.
        tracker: the model. It starts without embeddings for the first run.
    """

    def __init__(self, request: Request, references: Mapping[str, np.ndarray], tracker: SliceTracker):
        from SAM2VolumeSegLib.propagation.segmenter import Segmenter

        self._references, self._tracker = references, tracker
        result, predictions = propagate(request, tracker)
        evidence = Evidence.of(request, result)
        check = finished(self_check(request, evidence, Segmenter(tracker).run_alike))
        self._first = State(request, evidence, check, predictions)
        self._states: dict[str, list[State]] = {}

    def after(self, by: str, slices: int) -> dict[str, Prediction]:
        """Return what the structures are after some slices.

        Args:
            by: one of `ORDERS`.
            slices: mended; with 0, the predictions hold what the review said, and how it was.
        """
        if not slices:
            return self._reviewed()
        states = self._states.setdefault(by, [self._first])
        while len(states) <= slices:
            states.append(self._best(states[-1]) if by == BEST else self._mended(states[-1], _picks(states[-1], by)))
        return dict(states[slices].predictions)

    def _reviewed(self) -> dict[str, Prediction]:
        first, check = self._first, self._first.check
        model, seconds = calibrated(check.for_calibration()), check.seconds / len(self._references)
        volume, found = first.request.volume, {}
        for name, prediction in first.predictions.items():
            evidence, review = first.evidence.segments[name], first.review.segments[name]
            truth, left_out = self._references[name], len(check.of(name))
            facts = reviewed(volume, evidence, review, model, truth, left_out, seconds)
            found[name] = replace(prediction, reviewed=dict(facts))
        return found

    def _mended(self, state: State, places: Mapping[str, SlicePlace | None]) -> State:
        """The result with one more painted slice of each structure that has a place for it."""
        request, volume = state.request, state.request.volume
        seeds: dict[str, Sequence[SeedSlice]] = {}
        for name, own in request.named_seeds.items():
            place = places.get(name)
            seeds[name] = own if place is None else (*own, _painted(self._references[name], volume, place))
        mended = Request.of(volume, seeds, request.settings)
        result, predictions = propagate(mended, self._tracker)
        return State(mended, Evidence.of(mended, result), state.check, predictions)

    def _best(self, state: State) -> State:
        """Of each structure, the result with that slice of three that promise much after which its Dice is best.

        They are from up to three runs: a neighbour may have got another slice in the one that a segment is from.
        """
        promising = [_picks(state, SUGGESTED), _picks(state, ADVISED), self._most_wrong(state)]
        tried = [self._mended(state, places) for places in promising]
        best = {
            name: max(tried, key=lambda one, name=name: dice(one.predictions[name].mask, reference))
            for name, reference in self._references.items()
        }
        seeds = {name: one.request.named_seeds[name] for name, one in best.items()}
        request = Request.of(state.request.volume, seeds, state.request.settings)
        segments = {name: one.evidence.segments[name] for name, one in best.items()}
        evidence = replace(state.evidence, segments=segments)
        return State(request, evidence, state.check, {name: one.predictions[name] for name, one in best.items()})

    def _most_wrong(self, state: State) -> dict[str, SlicePlace | None]:
        """The slice that goes through most of what is wrong, and of what is wrong beside it."""
        volume, found = state.request.volume, {}
        for name, evidence in state.evidence.segments.items():
            wrong = self._references[name] != evidence.found.on(Box.whole(volume))
            box = Box.of(wrong)
            ranked = [] if box.is_empty else gains(volume, box, wrong[box.slices].astype(np.float32), evidence.places)
            found[name] = next(((gain.plane, gain.index) for gain in ranked), None)
        return found


def _suggested(state: State, name: str) -> SlicePlace | None:
    best = state.review.segments[name].next
    return best and (best.plane, best.index)


def _advised(state: State, name: str) -> SlicePlace | None:
    return next_slice(state.request.named_seeds[name], state.request.volume, enough=ENDLESS)


def _random(state: State, name: str) -> SlicePlace | None:
    """A slice through the result; the plane is drawn first, so that a long axis is not drawn most of the time."""
    evidence = state.evidence.segments[name]
    places = least_confident(state.request.volume, evidence)
    if not places:
        return None
    # Another slice on each CT, or vertebrae of one name would be mended at one place everywhere.
    generator = np.random.default_rng([*state.request.fingerprint.encode(), len(evidence.places), *name.encode()])
    planes = [plane for plane in Plane if any(own is plane for own, _index in places)]
    plane = planes[generator.integers(len(planes))]
    own = sorted(index for other, index in places if other is plane)
    return plane, own[generator.integers(len(own))]


SUGGESTED, ADVISED, CHANCE, BEST = "review", "largest gap", "chance", "best possible"
_PICK = {SUGGESTED: _suggested, ADVISED: _advised, CHANCE: _random}
TITLES = {
    SUGGESTED: "the review",
    ADVISED: "largest gap in the paint",
    CHANCE: "by chance",
    BEST: "best of three, step by step",
}
ORDERS = tuple(TITLES)
"""What can say which slice is mended next."""


def _picks(state: State, by: str) -> dict[str, SlicePlace | None]:
    return {name: _PICK[by](state, name) for name in state.request.named_seeds}


def _painted(reference: np.ndarray, volume: Volume, place: SlicePlace) -> SeedSlice:
    """What somebody paints there who knows the truth; where nothing is, the slice is marked absent."""
    plane, index = place
    return SeedSlice(plane, index, volume.view(plane).slice(reference, index).copy())
