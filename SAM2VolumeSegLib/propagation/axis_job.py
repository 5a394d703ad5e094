"""One segment along one axis: every direction and pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from SAM2VolumeSegLib.model.sam2_volume import SliceMemory
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.propagate import Guess, Walk, average, extra_prompts
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.volume import Plane

STEPS = {"forward": (1,), "backward": (-1,), "forward-backward": (1, -1)}


class AxisJob:
    """The seeds of one segment on one axis: the walks that carry them, and what became of them.

    `guesses` holds the answer (time -> Guess) for every slice without a seed, once every pass has ended.
    """

    def __init__(self, tracker: SliceTracker, sight: Sight, name: str, plane: Plane):
        self.tracker, self.name, self.settings = tracker, name, sight.settings
        self.seeds = sight.seeds_on(name, plane)
        self.pictures = pictures = sight.pictures(name, plane)
        self.prompted = {pictures.times[seed.index]: pictures.mask_to_model(seed.mask) for seed in self.seeds}
        self.span = sight.span(name, plane)
        self.steps = STEPS[self.settings.direction]
        self.passes_left = self.settings.passes
        self.guesses: dict[int, Guess] = {}
        self._walks: list[Walk] = []
        self._extra: dict[int, np.ndarray] = {}

    @property
    def remaining(self) -> int:
        """Slices left, at most, in all directions and passes."""
        passes = self.passes_left * len(self.steps) * self.span.slices
        return passes + sum(walk.left for walk in self._walks)

    @property
    def votes(self) -> int:
        """Slices that have a vote; at most, as long as there are slices left."""
        return self.span.slices if self.remaining else len(self.guesses) + len(self.seeds)

    def start_pass(self) -> list[Walk]:
        """The walks of the next pass, one for each direction; a second pass has confident slices of the first as extra
        prompts."""
        if self.guesses:
            self._extra = extra_prompts(self.prompted, self.guesses, self.tracker.plan.image_size)
        prompts = _PromptMemories(self.tracker, self.pictures, self.prompted | self._extra)
        policy, index = self.settings.memory, self.pictures.index
        self._walks = [Walk(prompts, self.span, policy, step, index) for step in self.steps]
        self.passes_left -= 1
        return self._walks

    def end_pass(self) -> None:
        """Take the guesses of the walks, which have arrived. Raises InputError where one is no number."""
        found = []
        for walk in self._walks:
            guesses = walk.guesses
            self.tracker.check_finite(guess.logits for guess in guesses.values())
            found.append({t: replace(guess, weights=(self.weight(t, walk.step),)) for t, guess in guesses.items()})
        # A slice that became a prompt has no new guess; the one that made it a prompt stands.
        self.guesses = average(found) | {time: self.guesses[time] for time in self._extra}
        self._walks = []

    def weight(self, time: int, step: int) -> float:
        """How much the vote of slice `time` counts, when it was reached in direction `step`; 1 for a plain mean.

        By nearness: the inverse of the distance in mm to the seed that the propagation came from, because errors add up
        on the way. A seed itself counts as half a slice away.
        """
        if self.settings.fusion == "mean":
            return 1.0
        passed = [(time - seed) * step for seed in self.prompted if (time - seed) * step >= 0]
        # Beyond the outermost seed, against `step`, it came from that seed.
        slices = min(passed) if passed else min(abs(time - seed) for seed in self.prompted)
        return 1.0 / (max(slices, 0.5) * self.pictures.view.slice_mm)


class _PromptMemories(Mapping):
    """Memories of masks by time, made when they are first looked at: the first slice of a run is not kept waiting."""

    def __init__(self, tracker: SliceTracker, pictures: PlanePictures, masks: Mapping[int, np.ndarray]):
        self._tracker, self._pictures, self._masks = tracker, pictures, masks
        self._made: dict[int, SliceMemory] = {}

    def __getitem__(self, time: int) -> SliceMemory:
        if time not in self._made:
            prediction = self._tracker.prompt(self._pictures, self._pictures.index(time), self._masks[time])
            self._made[time] = prediction.memory
        return self._made[time]

    def __contains__(self, time: object) -> bool:
        return time in self._masks

    def __iter__(self) -> Iterator[int]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)
