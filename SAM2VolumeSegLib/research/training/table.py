"""The table of a checkpoint's model card, measured on real CTs: never for choosing, which `validate` is for.

    python -m SAM2VolumeSegLib.research.training.table scratch/demo/demo.pt

Without --data the case is the CT that the package tptbox brings. Each figure is the mean Dice over the structures, on
the slices without a prompt, as mean and standard deviation over harmless changes of the crop (`CROPS`). Copying knows
where the structure ends; the model, from one prompt, has to see it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.research.data.cases import DemoCase, bundled_case, cases_below
from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.training.scenarios import (
    SCENARIOS,
    Scenario,
    copied,
    permute_embeddings,
    zero_pointers,
)
from SAM2VolumeSegLib.research.training.validate import load
from SAM2VolumeSegLib.volume import Box, Volume

ABLATIONS = {"temporal embeddings permuted": permute_embeddings, "object pointers zeroed": zero_pointers}
ABLATED = SCENARIOS[2]

Method = Callable[[Scenario, Volume, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Crop:
    """The reference's box, grown on every side and moved.

    Attributes:
        margin: share of its length by which it is grown.
        shift: voxels [k, j, i] by which it is moved.
    """

    margin: float = 0.25
    shift: tuple[int, int, int] = (0, 0, 0)

    def box(self, reference: np.ndarray, volume: Volume) -> Box:
        """Return the crop; parts may lie outside of the volume.

        Args:
            reference: mask [k, j, i].
            volume: on whose grid it is.
        """
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


def structures(case: DemoCase) -> list[tuple[Volume, np.ndarray]]:
    """The CT and each reference mask [k, j, i] of a case."""
    volume, references = case.load()
    return [(volume, reference) for reference in references.values()]


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


class Trackers:
    """The model as it is and ablated, in this process: what measures one structure after the other."""

    def __init__(self, checkpoint: Path, size: int, device: str):
        self.whole, *self.ablated = (load(checkpoint, size, device) for _ in range(1 + len(ABLATIONS)))
        for tracker, ablate in zip(self.ablated, ABLATIONS.values(), strict=True):
            ablate(tracker)

    def measure(self, sample: tuple[Volume, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Measure a structure, one crop after the other, so that all lines of a crop share its embeddings.

        Args:
            sample: CT and reference.

        Returns:
            Dice of the model [lines, crops], and of copying and interpolation [lines, 2].
        """
        columns = []
        for crop in CROPS:
            trackers = [self.whole] * len(SCENARIOS) + self.ablated
            columns.append(
                [
                    measure([sample], [by_model(tracker, crop)], scenario)[0, 0]
                    for tracker, scenario in zip(trackers, LINES.values(), strict=True)
                ]
            )
            for tracker in trackers:
                tracker.forget()
        free = [measure([sample], [by_copying, by_interpolation], scenario)[:, 0] for scenario in LINES.values()]
        return np.array(columns).T, np.array(free)


LINES: dict[str, Scenario] = {scenario.title: scenario for scenario in SCENARIOS} | {
    f"{ABLATED.title}, {title}": ABLATED for title in ABLATIONS
}
"""Title and scenario of every line of the table."""

_trackers: Trackers


def _begin(*chosen):
    global _trackers  # noqa: PLW0603 (the one way to keep something in a process of a pool)
    torch.set_num_threads(1)
    _trackers = Trackers(*chosen)


def _measure(sample):
    return _trackers.measure(sample)


def main():
    """Measure a checkpoint and print the table, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, help="a folder of labelled CTs, measured besides")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1, help="structures measured at a time, each on one core")
    chosen = parser.parse_args()
    cases = [bundled_case(), *(cases_below(chosen.data)[0] if chosen.data else ())]
    samples_of = {case.title: structures(case) for case in cases}
    samples = [sample for own in samples_of.values() for sample in own]
    with ProcessPoolExecutor(
        chosen.workers, get_context("spawn"), _begin, (chosen.checkpoint, chosen.size, chosen.device)
    ) as pool:
        found = list(tqdm(pool.map(_measure, samples), total=len(samples), unit="structure"))
    columns, first = {}, 0
    for title, own in samples_of.items():
        columns[f"{title} ({len(own)})"] = found[first : first + len(own)]
        first += len(own)
    if len(cases) > 1:
        columns[f"all structures ({len(samples)})"] = found
    print("Mean Dice ± standard deviation over six crops; in brackets copying and interpolation.\n")
    print(" | ".join(["|", *columns, ""]).rstrip())
    print("|---" * (1 + len(columns)) + "|")
    for line, title in enumerate(LINES):
        cells = [_cell([(dice[line], free[line]) for dice, free in column]) for column in columns.values()]
        print(" | ".join([f"| {title}", *cells, ""]).rstrip())


def _cell(structures) -> str:
    model, free = (np.mean(values, axis=0) for values in zip(*structures, strict=True))
    return f"{model.mean():.3f} ± {model.std(ddof=1):.3f} ({free[0]:.3f}, {free[1]:.3f})"


if __name__ == "__main__":
    main()
