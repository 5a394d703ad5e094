"""One segment along one axis: every direction and pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from SAM2VolumeSegLib.model.network import SliceMemory
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.propagate import Walk, extra_prompts
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.propagation.vote import Vote, average
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Plane

ABSENT_BEYOND = {"nearness": 0.25, "mean": 1.0}
"""How much "it is not here" counts from an axis beyond its outermost painted slices, by the fusion: there it walks on
until it loses the structure, for good, while other axes still follow it."""
STEPS = {"forward": (1,), "backward": (-1,), "forward-backward": (1, -1)}


class AxisJob:
    """The seeds of one segment on one axis: the walks that carry them, and what became of them.

    Attributes:
        tracker: Computes.
        pictures: The slices of the axis.
        name: Of the segment.
        seeds: Its painted slices on this axis, and those declared empty.
        settings: Of the run.
        stops: The slices that are visited. Walks and votes count in their numbers.
        prompted: Masks of the seeds as the model sees them, by stop.
        wanted: The stops whose votes are asked for; None: all.
        given: The same, with the extra prompts of a second pass.
        passes_left: How many have not begun.
        votes: The answer by stop, for each without a seed, once every pass has ended.
    """

    def __init__(self, tracker: SliceTracker, sight: Sight, name: str, plane: Plane):
        self.tracker, self.name, self.settings = tracker, name, sight.settings
        self.seeds = sight.seeds_on(name, plane)
        self.pictures = pictures = sight.pictures(name, plane)
        self.stops = sight.stops(name, plane)
        self.prompted = {self.stop_of(seed): pictures.mask_to_model(seed.mask) for seed in self.seeds}
        self._painted = min(self.prompted), max(self.prompted)
        self.given = self.prompted
        self.steps = STEPS[self.settings.direction]
        self.wanted = sight.wanted_stops(name, plane) if self.settings.passes == 1 else None
        self.passes_left = self.settings.passes
        self.votes: dict[int, Vote] = {}
        self._gone_over, self._at_most = 0, 0
        self._walks: list[Walk] = []
        self._extra: dict[int, np.ndarray] = {}

    def stop_of(self, seed: SeedSlice) -> int:
        """The stop of a seed."""
        return self.stop_at(seed.index)

    def stop_at(self, index: int) -> int:
        """The stop of a slice, by its index in the volume's array."""
        return self.stops.number(self.pictures.positions[index])

    def index(self, stop: int) -> int:
        """Index of a stop's slice in the volume's array."""
        return self.pictures.index(self.stops.position(stop))

    @property
    def remaining(self) -> int:
        """Slices left, at most, in all directions and passes."""
        passes = self.passes_left * len(self.steps) * self.stops.span.slices
        return passes + sum(walk.left for walk in self._walks)

    def ahead(self, share: float) -> list[int]:
        """The stops that will probably be visited, each as often as it is.

        Args:
            share: of the stops beyond the outermost seeds, those that are visited until the structure is gone.
        """
        found = [stop for walk in self._walks for stop in walk.ahead(share)]
        if self.passes_left:
            (first, last), span = self._painted, self.stops.span
            lower, upper = round(share * (first - span.first)), round(share * (span.last - last))
            found += list(range(first - lower, last + upper + 1)) * (self.passes_left * len(self.steps))
        return found

    def is_beyond(self, stop: int) -> bool:
        """Whether a stop lies beyond the outermost seeds."""
        first, last = self._painted
        return not first <= stop <= last

    @property
    def ended_beyond(self) -> tuple[int, int]:
        """Of the ways beyond the outermost seeds that have ended: stops that were visited, and that there were."""
        visited = sum(walk.gone_over for walk in self._walks)
        return self._gone_over + visited, self._at_most + sum(walk.at_most for walk in self._walks)

    def start_pass(self) -> list[Walk]:
        """The walks of the next pass, one for each direction.

        A second pass has confident slices of the first as extra prompts.
        """
        if self.votes:
            self._extra = extra_prompts(self.prompted, self.votes, self.tracker.plan.image_size)
        self.given = self.prompted | self._extra
        prompts = _PromptMemories(self.tracker, self, self.given)
        policy, limits = self.settings.memory, self.tracker.network.limits
        self._walks = [
            Walk(prompts, self.stops.span, policy, step, self.index, limits, self.wanted) for step in self.steps
        ]
        self.passes_left -= 1
        return self._walks

    def end_pass(self) -> None:
        """Take the votes of the walks, which have arrived.

        Raises:
            InputError: The model answered with something that is no number.
        """
        directions = []
        for walk in self._walks:
            votes = walk.votes
            self.tracker.check_finite(vote.logits for vote in votes.values())
            directions.append({p: replace(vote, weights=(self.weight(p, walk.step),)) for p, vote in votes.items()})
        # A slice that became a prompt has no new vote; the one that made it a prompt stands.
        self.votes = average(directions) | {position: self.votes[position] for position in self._extra}
        self._gone_over, self._at_most = self.ended_beyond
        self._walks = []

    def weights(self, position: int, logits: np.ndarray, weight: float) -> np.ndarray:
        """How much the vote on a slice counts, pixel by pixel: `weight`, and "absent" less beyond the outermost seeds.

        Args:
            position: of the slice.
            logits: what is said of its pixels.
            weight: of the vote.

        Returns:
            float32, of the shape of the logits.
        """
        between = self.stops.position(min(self.prompted)) <= position <= self.stops.position(max(self.prompted))
        absent = 1.0 if between else ABSENT_BEYOND[self.settings.fusion]
        return (weight * np.where(logits < 0, absent, 1.0)).astype(np.float32)

    def weight(self, stop: int, step: int) -> float:
        """How much the vote at a stop counts, when it was reached in direction `step`; 1 for a plain mean.

        By nearness: the inverse of the distance in mm to the seed that the propagation came from, because errors add up
        on the way. A seed itself counts as half a slice away.
        """
        if self.settings.fusion == "mean":
            return 1.0
        ways = [(self.stops.position(stop) - self.stops.position(seed)) * step for seed in self.prompted]
        # Beyond the outermost seed, against `step`, it came from that seed.
        slices = min([way for way in ways if way >= 0] or map(abs, ways))
        return 1.0 / (max(slices, 0.5) * self.pictures.view.slice_mm)


class _PromptMemories(Mapping[int, SliceMemory]):
    """Memories of masks by stop, made when first looked at: the first slice of a run is not kept waiting."""

    def __init__(self, tracker: SliceTracker, job: AxisJob, masks: Mapping[int, np.ndarray]):
        self._tracker, self._job, self._masks = tracker, job, masks
        self._made: dict[int, SliceMemory] = {}

    def __getitem__(self, stop: int) -> SliceMemory:
        if stop not in self._made:
            prediction = self._tracker.prompt(self._job.pictures, self._job.index(stop), self._masks[stop])
            self._made[stop] = prediction.memory
        return self._made[stop]

    def __contains__(self, stop: object) -> bool:
        return stop in self._masks

    def __iter__(self) -> Iterator[int]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)
