"""One segment along one axis: every direction and pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from SAM2VolumeSegLib.model.network import SliceMemory
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.propagate import Walk, extra_prompts
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.propagation.vote import Vote, average
from SAM2VolumeSegLib.volume import Plane

STEPS = {"forward": (1,), "backward": (-1,), "forward-backward": (1, -1)}


class AxisJob:
    """The seeds of one segment on one axis: the walks that carry them, and what became of them.

    Attributes:
        tracker: Computes.
        pictures: The slices of the axis.
        name: Of the segment.
        seeds: Its painted slices on this axis, and those declared empty.
        settings: Of the run.
        prompted: Masks of the seeds as the model sees them, by position.
        span: What is propagated through.
        passes_left: How many have not begun.
        votes: The answer by position, for every slice without a seed, once every pass has ended.
    """

    def __init__(self, tracker: SliceTracker, sight: Sight, name: str, plane: Plane):
        self.tracker, self.name, self.settings = tracker, name, sight.settings
        self.seeds = sight.seeds_on(name, plane)
        self.pictures = pictures = sight.pictures(name, plane)
        self.prompted = {pictures.positions[seed.index]: pictures.mask_to_model(seed.mask) for seed in self.seeds}
        self.span = sight.span(name, plane)
        self.steps = STEPS[self.settings.direction]
        self.passes_left = self.settings.passes
        self.votes: dict[int, Vote] = {}
        self._walks: list[Walk] = []
        self._extra: dict[int, np.ndarray] = {}

    @property
    def remaining(self) -> int:
        """Slices left, at most, in all directions and passes."""
        passes = self.passes_left * len(self.steps) * self.span.slices
        return passes + sum(walk.left for walk in self._walks)

    @property
    def vote_count(self) -> int:
        """Slices that have a vote, seeds included; at most, as long as there are slices left."""
        return self.span.slices if self.remaining else len(self.votes) + len(self.seeds)

    def start_pass(self) -> list[Walk]:
        """The walks of the next pass, one for each direction.

        A second pass has confident slices of the first as extra prompts.
        """
        if self.votes:
            self._extra = extra_prompts(self.prompted, self.votes, self.tracker.plan.image_size)
        prompts = _PromptMemories(self.tracker, self.pictures, self.prompted | self._extra)
        policy, limits, index = self.settings.memory, self.tracker.network.limits, self.pictures.index
        self._walks = [Walk(prompts, self.span, policy, step, index, limits) for step in self.steps]
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
        self._walks = []

    def weight(self, position: int, step: int) -> float:
        """How much the vote at a position counts, when it was reached in direction `step`; 1 for a plain mean.

        By nearness: the inverse of the distance in mm to the seed that the propagation came from, because errors add up
        on the way. A seed itself counts as half a slice away.
        """
        if self.settings.fusion == "mean":
            return 1.0
        passed = [(position - seed) * step for seed in self.prompted if (position - seed) * step >= 0]
        # Beyond the outermost seed, against `step`, it came from that seed.
        slices = min(passed) if passed else min(abs(position - seed) for seed in self.prompted)
        return 1.0 / (max(slices, 0.5) * self.pictures.view.slice_mm)


class _PromptMemories(Mapping[int, SliceMemory]):
    """Memories of masks by position, made when first looked at: the first slice of a run is not kept waiting."""

    def __init__(self, tracker: SliceTracker, pictures: PlanePictures, masks: Mapping[int, np.ndarray]):
        self._tracker, self._pictures, self._masks = tracker, pictures, masks
        self._made: dict[int, SliceMemory] = {}

    def __getitem__(self, position: int) -> SliceMemory:
        if position not in self._made:
            prediction = self._tracker.prompt(self._pictures, self._pictures.index(position), self._masks[position])
            self._made[position] = prediction.memory
        return self._made[position]

    def __contains__(self, position: object) -> bool:
        return position in self._masks

    def __iter__(self) -> Iterator[int]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)
