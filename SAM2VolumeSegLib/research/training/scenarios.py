"""The ways of prompting that the model is judged by, what it is compared with, and Dice where nothing was painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter, Settings
from SAM2VolumeSegLib.research.measures.metrics import unprompted_dice
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume


@dataclass(frozen=True)
class Scenario:
    """A way of prompting that a model is judged by.

    Attributes:
        title: for people.
        strategy: of `simulate_seeds`.
        planes: that are prompted.
        settings: of the run.
        within: only slices that show the structure count, so that a run that does not see its end is forgiven.
    """

    title: str
    strategy: str
    planes: tuple[Plane, ...]
    settings: Settings = RECOMMENDED
    within: bool = False

    def seeds(self, reference: np.ndarray, volume: Volume) -> list[SeedSlice]:
        """Prompts cut from the reference mask [k, j, i]."""
        return simulate_seeds(reference, volume, self.strategy, self.planes)

    def segment(self, tracker: SliceTracker, volume: Volume, reference: np.ndarray) -> np.ndarray:
        """The model's mask [k, j, i] from those prompts."""
        seeds = {"structure": self.seeds(reference, volume)}
        result = Segmenter(tracker).segment(Request.of(volume, seeds, self.settings))
        return result.segments["structure"].mask

    def dice(self, mask: np.ndarray, reference: np.ndarray, volume: Volume) -> float:
        """Dice of two masks [k, j, i] over the voxels that lie on no prompted slice."""
        counted = np.ones(reference.shape, dtype=bool)
        if self.within:
            (view,) = (volume.view(plane) for plane in self.planes)
            for index in np.flatnonzero(~reference.any(axis=tuple({0, 1, 2} - {view.axis}))):
                view.slice(counted, int(index))[...] = False
        for seed in self.seeds(reference, volume):
            volume.view(seed.plane).slice(counted, seed.index)[...] = False
        return unprompted_dice(mask, reference, ~counted)


_AXIAL = (Plane.AXIAL,)
SCENARIOS = (
    Scenario("middle, axial", "middle", _AXIAL),
    Scenario("middle, axial, to its ends", "middle", _AXIAL, within=True),
    Scenario("first-middle-last, axial", "first-middle-last", _AXIAL),
    Scenario("uniform-7, axial", "uniform-7", _AXIAL),
    Scenario("first-middle-last, three axes", "first-middle-last", tuple(Plane)),
)


def quicker(scenario: Scenario) -> Scenario:
    """The same with one direction where both are not needed: half of the time."""
    if scenario.strategy == "middle":
        return scenario
    return replace(scenario, settings=replace(scenario.settings, direction="forward"))


def copied(seeds: Sequence[SeedSlice], volume: Volume, reference: np.ndarray) -> np.ndarray:
    """Mask [k, j, i]: every slice of the first prompted plane that shows the reference is a copy of its nearest prompt.

    So this baseline is told where the structure begins and ends, which the model has to find out.
    """
    view = volume.view(seeds[0].plane)
    own = [seed for seed in seeds if seed.plane is view.plane]
    result = paint_seeds(seeds, volume)
    others = tuple({0, 1, 2} - {view.axis})
    for index in np.flatnonzero(reference.any(axis=others)):
        nearest = min(own, key=lambda seed: abs(seed.index - index))
        view.slice(result, int(index))[...] |= nearest.mask
    return result


def permute_embeddings(tracker: SliceTracker) -> None:
    """An ablation: every slice in memory gets the temporal embedding of another place in time."""
    rows = tracker.network.maskmem_tpos_enc
    rows.data = rows.data.roll(1, dims=0)
    tracker.forget()


def zero_pointers(tracker: SliceTracker) -> None:
    """An ablation: object pointers say nothing."""
    attend = tracker.network.attend

    def without(top, queries):
        return attend(top, [replace(query, pointers=tuple(map(_silent, query.pointers))) for query in queries])

    tracker.network.attend = without
    tracker.forget()


def _silent(pointer):
    ago, memory = pointer
    return ago, replace(memory, pointer=torch.zeros_like(memory.pointer))
