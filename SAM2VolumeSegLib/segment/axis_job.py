"""One segment along one axis: every direction and pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.segment.pictures import PlanePictures
from SAM2VolumeSegLib.segment.propagate import Guess, average, extra_prompts, propagate, span_of
from SAM2VolumeSegLib.segment.settings import Settings

STEPS = {"forward": (1,), "backward": (-1,), "forward-backward": (1, -1)}


class AxisJob:
    """Propagates the seeds of one axis. `remaining` bounds the slices left; `guesses` holds the answer (time -> Guess)."""

    def __init__(
        self, tracker: SliceTracker, pictures: PlanePictures, name: str, seeds: Sequence[SeedSlice], settings: Settings
    ):
        self.tracker, self.pictures, self.name, self.settings = tracker, pictures, name, settings
        self.seeds = seeds
        self.prompted = {pictures.times[seed.index]: pictures.mask_to_model(seed.mask) for seed in seeds}
        self.span = span_of(self.prompted, pictures.view.count, settings.extend)
        self.steps = STEPS[settings.direction]
        self.remaining = settings.passes * len(self.steps) * self.span.slices
        self.guesses: dict[int, Guess] = {}

    def run(self) -> Iterator[int]:
        """Propagate; yields the index of each slice that is done."""
        prompted = self.prompted
        for left in reversed(range(self.settings.passes)):
            found = []
            for number, step in enumerate(self.steps, 1):
                guesses = {}
                for time, guess in propagate(
                    self.tracker, self.pictures, prompted, self.span, self.settings.memory, step
                ):
                    self.remaining -= 1
                    if guess is not None:
                        guesses[time] = guess
                    yield self.pictures.index(time)
                found.append(guesses)
                # An extension may have ended early.
                self.remaining = (left * len(self.steps) + len(self.steps) - number) * self.span.slices
            self.guesses = average(found)
            if left:
                prompted = prompted | extra_prompts(prompted, self.guesses, self.tracker.plan.image_size)
