"""Batches of clips by number: batch n of a seed is the same on every machine, with any number of workers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch

from SAM2VolumeSegLib.research.training.clips import Pattern, draw_clip
from SAM2VolumeSegLib.research.training.ct import make_ct
from SAM2VolumeSegLib.research.training.schedule import STAGES, at_step
from SAM2VolumeSegLib.synthetic.volumes import SyntheticVolume

LANES = 8
"""Step n draws from the volumes of lane n % LANES: so 1, 2, 4 or 8 workers never make a volume twice."""

FRESH = 4
"""A new volume in a lane after so many of its steps."""

KEPT = 12
"""Volumes in a lane: the oldest goes when a new one comes."""

PROMPTS = (0.32, 0.16, 0.24, 0.07, 0.06, 0.04, 0.05, 0.03, 0.03)
"""How often a clip has 1, 2, ... 9 prompts."""


@dataclass
class Batch:
    """Clips of one pattern.

    Attributes:
        step: the number of the batch.
        pattern: of its clips.
        pictures: [B, T, S, S].
        masks: [B, T, S, S].
        slices: slice numbers [B, T].
    """

    step: int
    pattern: Pattern
    pictures: torch.Tensor
    masks: torch.Tensor
    slices: torch.Tensor


class Batches(torch.utils.data.Dataset):
    """Batch n of a seed, for n from 0 to the end of the schedule. Volumes are made when they are first drawn."""

    def __init__(self, seed: int, stages=STAGES):
        self.seed, self.stages = seed, stages
        self._volumes: OrderedDict[tuple[int, int], SyntheticVolume] = OrderedDict()

    def __getitem__(self, step: int) -> Batch:
        stage, _ = at_step(step, self.stages)
        rng = np.random.default_rng((self.seed, 0, step))
        while True:
            pattern = draw_pattern(rng, stage.unrolled)
            count, clips = max(1, round(2 * stage.pictures / pattern.cost)), []
            for _ in range(8 * count):  # some objects are too short for the pattern
                volume = self._volume(step % LANES, self._draw_number(rng, step))
                clip = draw_clip(rng, volume, pattern, stage.pixels)
                if clip is not None:
                    clips.append(clip)
                if len(clips) == count:
                    pictures, masks, slices = zip(*clips, strict=True)
                    numbers = torch.tensor(np.stack(slices))
                    return Batch(step, pattern, torch.stack(pictures), torch.stack(masks), numbers)

    @staticmethod
    def _draw_number(rng, step):
        newest = step // LANES // FRESH
        return int(rng.integers(max(0, newest - KEPT + 1), newest + 1))

    def _volume(self, lane, number):
        key = lane, number
        if key not in self._volumes:
            self._volumes[key] = make_ct(np.random.default_rng((self.seed, 1, lane, number)))
            if len(self._volumes) > LANES * KEPT:
                self._volumes.popitem(last=False)
        return self._volumes[key]


def draw_pattern(rng: np.random.Generator, unrolled: bool) -> Pattern:
    """Draw 1 to 9 prompts, one of them before the run as in every propagation, and the parts of the run."""
    prompts = 1 + int(rng.choice(len(PROMPTS), p=PROMPTS))
    before = prompts if prompts == 1 or rng.random() < 0.3 else int(rng.integers(1, prompts))
    passed = int(rng.choice((0, 1, 2, 3, 6), p=(0.5, 0.1, 0.15, 0.1, 0.15)))
    if not unrolled:
        return Pattern(before, prompts - before, 7, passed=passed)
    lead = 0 if rng.random() < 0.5 else int(rng.integers(1, 10))
    return Pattern(before, prompts - before, int(rng.integers(4, 8)), lead, passed)


def stream(batches: Batches, first: int, last: int, workers: int):
    """Batches first ... last - 1 in order, made by `workers` processes (0: in this one)."""
    options = {"prefetch_factor": 4, "worker_init_fn": _one_thread} if workers else {}
    return torch.utils.data.DataLoader(
        batches, batch_size=None, sampler=range(first, last), num_workers=workers, **options
    )


def _one_thread(_):
    torch.set_num_threads(1)
