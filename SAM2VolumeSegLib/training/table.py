"""The table of a checkpoint's model card, measured on real CTs: never for choosing, which `validate` is for.

    python -m SAM2VolumeSegLib.training.table scratch/demo/demo.pt

Without --data the case is the CT that the package tptbox brings. Each figure is the mean Dice over the structures, on
the slices without a prompt, as mean and standard deviation over harmless changes of the crop (`CROPS`). Copying knows
where the structure ends; the model, from one prompt, has to see it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.study.demo import Case, bundled_case, shared_cases
from SAM2VolumeSegLib.study.interpolate import interpolate_seeds
from SAM2VolumeSegLib.training.scenarios import (
    SCENARIOS,
    Scenario,
    copied,
    permute_embeddings,
    zero_pointers,
)
from SAM2VolumeSegLib.training.validate import load
from SAM2VolumeSegLib.volume import Box, Volume, read_seeds, read_volume

ABLATIONS = {"temporal embeddings permuted": permute_embeddings, "object pointers zeroed": zero_pointers}
ABLATED = SCENARIOS[2]

Method = Callable[[Scenario, Volume, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Crop:
    """The reference's box, grown on every side by a share of its length, and moved by voxels [k, j, i]."""

    margin: float = 0.25
    shift: tuple[int, int, int] = (0, 0, 0)

    def box(self, reference: np.ndarray, volume: Volume) -> Box:
        """The crop around a reference mask [k, j, i]; parts may lie outside of the volume."""
        tight = Box.around(reference, volume, 0.0)
        lower, upper = [], []
        for first, end, shift in zip(tight.lower, tight.upper, self.shift, strict=True):
            margin = int(np.ceil(self.margin * (end - first)))
            lower.append(first - margin + shift)
            upper.append(end + margin + shift)
        return Box(tuple(lower), tuple(upper))


CROPS = (
    *(Crop(shift=shift) for shift in ((0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0))),
    Crop(margin=0.2),
    Crop(margin=0.3),
)


def structures(case: Case) -> Iterator[tuple[Volume, np.ndarray]]:
    """The CT and each reference mask [k, j, i] of a case."""
    volume = read_volume(case.ct)
    labels = read_seeds(case.labels, volume)
    for value in case.names:
        yield volume, labels[f"label {value}"].mask


def by_model(tracker: SliceTracker, crop: Crop) -> Method:
    """The model's mask of a scenario."""

    def method(scenario, volume, reference):
        settings = replace(scenario.settings, roi=crop.box(reference, volume))
        return replace(scenario, settings=settings).segment(tracker, volume, reference)

    return method


def by_interpolation(scenario, volume, reference):
    """Mask from the prompts' shapes alone."""
    return interpolate_seeds(scenario.seeds(reference, volume), volume)


def by_copying(scenario, volume, reference):
    """Every slice a copy of its nearest prompt."""
    return copied(scenario.seeds(reference, volume), volume, reference)


def measure(samples: list[tuple[Volume, np.ndarray]], methods: list[Method], scenario: Scenario) -> np.ndarray:
    """Dice [methods, structures] of the structures of a case."""
    return np.array(
        [
            [scenario.dice(method(scenario, volume, reference), reference, volume) for method in methods]
            for volume, reference in samples
        ]
    ).T


def rows(checkpoint: Path, size: int, device: str) -> Iterator[tuple[str, Scenario, list[Method]]]:
    """Title, scenario and methods (one for each crop) of every line that the model has in the table."""
    tracker = load(checkpoint, size, device)
    for scenario in SCENARIOS:
        yield scenario.title, scenario, [by_model(tracker, crop) for crop in CROPS]
    for title, ablate in ABLATIONS.items():
        tracker = load(checkpoint, size, device)
        ablate(tracker)
        yield f"{ABLATED.title}, {title}", ABLATED, [by_model(tracker, crop) for crop in CROPS]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, help="a folder with torso-ct and spine-ct, measured besides")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cases = [bundled_case(), *(shared_cases(chosen.data) if chosen.data else ())]
    samples = [list(structures(case)) for case in cases]
    titles = [f"{case.title} ({len(case.names)})" for case in cases]
    everything = ["all structures"] if len(cases) > 1 else []
    print("Mean Dice ± standard deviation over six crops; in brackets copying and interpolation.\n")
    print(" | ".join(["|", *titles, *everything, ""]))
    print("|---" * (1 + len(titles) + len(everything)) + "|")
    for title, scenario, methods in rows(chosen.checkpoint, chosen.size, chosen.device):
        found = [measure(own, methods, scenario) for own in samples]
        free = [measure(own, [by_copying, by_interpolation], scenario) for own in samples]
        if everything:
            found.append(np.concatenate(found, axis=1))
            free.append(np.concatenate(free, axis=1))
        cells = [_cell(dice, baselines) for dice, baselines in zip(found, free, strict=True)]
        print(" | ".join([f"| {title}", *cells, ""]).rstrip(), flush=True)


def _cell(dice: np.ndarray, baselines: np.ndarray) -> str:
    means = dice.mean(axis=1)
    copying, interpolation = baselines.mean(axis=1)
    return f"{means.mean():.3f} ± {means.std(ddof=1):.3f} ({copying:.3f}, {interpolation:.3f})"


if __name__ == "__main__":
    main()
