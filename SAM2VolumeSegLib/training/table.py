"""The table of a checkpoint's model card, measured on real CTs: never for choosing, which `validate` is for.

    python -m SAM2VolumeSegLib.training.table scratch/demo/demo.pt

Without --data the case is the CT that the package tptbox brings. Each figure is the mean Dice over the structures, on
the slices without a prompt; each structure has a crop of its own, as in the demo. Copying knows where the structure
ends; the model, from one prompt, has to see it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
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
from SAM2VolumeSegLib.volume import Volume, read_seeds, read_volume

ABLATIONS = {"temporal embeddings permuted": permute_embeddings, "object pointers zeroed": zero_pointers}
ABLATED = SCENARIOS[2]

Method = Callable[[Scenario, Volume, np.ndarray], np.ndarray]


def measure(case: Case, method: Method, scenario: Scenario) -> list[float]:
    """Dice of each structure of a case."""
    volume = read_volume(case.ct)
    labels = read_seeds(case.labels, volume)
    scores = []
    for value in case.names:
        reference = labels[f"label {value}"].mask
        mask = method(scenario, volume, reference)
        scores.append(scenario.dice(mask, reference, volume))
    return scores


def by_model(tracker: SliceTracker) -> Method:
    """The model's mask of a scenario."""

    def method(scenario, volume, reference):
        tracker.forget()
        chosen = replace(scenario, settings=replace(scenario.settings, crop_each=True))
        return chosen.segment(tracker, volume, reference)

    return method


def by_interpolation(scenario, volume, reference):
    """Mask from the prompts' shapes alone."""
    return interpolate_seeds(scenario.seeds(reference, volume), volume)


def by_copying(scenario, volume, reference):
    """Every slice a copy of its nearest prompt."""
    return copied(scenario.seeds(reference, volume), volume, reference)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, help="a folder with torso-ct and spine-ct")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cases = [bundled_case()] if chosen.data is None else shared_cases(chosen.data)
    methods = [("copy nearest", by_copying, SCENARIOS), ("interpolation", by_interpolation, SCENARIOS[2:])]
    for path in chosen.checkpoints:
        methods.append((str(path), by_model(load(path, chosen.size, chosen.device)), SCENARIOS))
        for title, ablate in ABLATIONS.items():
            tracker = load(path, chosen.size, chosen.device)
            ablate(tracker)
            methods.append((f"{path}, {title}", by_model(tracker), (ABLATED,)))
    for case in cases:
        print(f"\n{case.title}: " + ", ".join(case.names.values()))
        for name, method, scenarios in methods:
            print(f"  {name}")
            for scenario in scenarios:
                scores = measure(case, method, scenario)
                each = " ".join(f"{score:.3f}" for score in scores)
                print(f"    {scenario.title:30} {np.mean(scores):.3f}   {each}", flush=True)


if __name__ == "__main__":
    main()
