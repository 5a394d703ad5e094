"""One segment along one axis: every direction and pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.segment.pictures import PlanePictures
from SAM2VolumeSegLib.segment.propagate import Guess, average, extra_prompts, propagate, span_of
from SAM2VolumeSegLib.segment.settings import Settings

STEPS = {"forward": (1,), "backward": (-1,), "forward-backward": (1, -1)}


class AxisJob:
    """Propagates the seeds of one axis.

    `remaining` bounds the slices left; `guesses` holds the answer (time -> Guess) for every slice without a seed.
    """

    def __init__(
        self, tracker: SliceTracker, pictures: PlanePictures, name: str, seeds: Sequence[SeedSlice], settings: Settings
    ):
        self.tracker, self.pictures, self.name, self.settings = tracker, pictures, name, settings
        self.seeds = seeds
        self.prompted = {pictures.times[seed.index]: pictures.mask_to_model(seed.mask) for seed in seeds}
        ends = (0, pictures.view.count - 1) if settings.roi is None else pictures.ends
        self.span = span_of(self.prompted, ends, settings.extend)
        self.steps = STEPS[settings.direction]
        self.remaining = settings.passes * len(self.steps) * self.span.slices
        self.guesses: dict[int, Guess] = {}

    def run(self) -> Iterator[int]:
        """Propagate; yields the index of each slice that is done."""
        extra = {}
        runs_left = self.settings.passes * len(self.steps)
        for number in range(self.settings.passes):
            if number:
                extra = extra_prompts(self.prompted, self.guesses, self.tracker.plan.image_size)
            found = []
            for step in self.steps:
                runs_left -= 1
                guesses = {}
                for time, guess, left in propagate(
                    self.tracker, self.pictures, self.prompted | extra, self.span, self.settings.memory, step
                ):
                    self.remaining = runs_left * self.span.slices + left
                    if guess is not None:
                        guesses[time] = replace(guess, weight=self.weight(time, step))
                    yield self.pictures.index(time)
                found.append(guesses)
            # A slice that became a prompt has no new guess; the one that made it a prompt stands.
            self.guesses = average(found) | {time: self.guesses[time] for time in extra}

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
