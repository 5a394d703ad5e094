"""Judge checkpoints on synthetic CTs that no training has seen: what a checkpoint is chosen by.

    python -m SAM2VolumeSegLib.research.training.validate scratch/demo/demo.pt SAM2VolumeSegLib/model/demo/demo.pt

The volumes, prompts and engine are always the same, so two checkpoints can be compared structure by structure, and the
same checkpoint has the same figures every time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.training.ct import make_ct
from SAM2VolumeSegLib.research.training.scenarios import SCENARIOS, copied, quicker
from SAM2VolumeSegLib.research.training.train import CONFIG
from SAM2VolumeSegLib.synthetic.volumes import touches_the_edge
from SAM2VolumeSegLib.volume import Volume

KINDS = ("spine", "spine", "spine", "beads", "relays", "slanted", "branches", "ribs")
SIZE = 64  # training has cubes of 96, so the shapes differ as well as the seeds
SEED = 987_654_321
VOXEL_MM = 1.5
THICK = 2  # slices of every second volume are that much thicker


@dataclass(frozen=True)
class ValidationCase:
    """A CT and one structure in it.

    Attributes:
        kind: of the objects.
        volume: the CT.
        reference: bool [k, j, i].
    """

    kind: str
    volume: Volume
    reference: np.ndarray


def make_case(number: int) -> ValidationCase:
    """Case `number` of the validation; its structure is the largest one that the volume does not cut off."""
    kind, attempt = KINDS[number % len(KINDS)], 0
    while True:
        made = make_ct(np.random.default_rng((SEED, number, attempt)), SIZE, kind)
        whole = [made.labels == label for label in np.unique(made.labels)[1:]]
        whole = [mask for mask in whole if not touches_the_edge(mask) and mask.sum() > SIZE**2 / 4]
        if whole:
            break
        attempt += 1
    reference, voxels = max(whole, key=np.count_nonzero), made.voxels
    thick = THICK if number % 2 else 1
    voxels = voxels.reshape(-1, thick, SIZE, SIZE).mean(axis=1).round().astype(np.int16)
    reference = reference.reshape(-1, thick, SIZE, SIZE).mean(axis=1) >= 0.5
    ijk_to_ras = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM * thick, 1.0])
    return ValidationCase(kind, Volume(voxels, ijk_to_ras, f"validation {number}"), reference)


def load(checkpoint: Path, size: int = 160, device: str = "cpu") -> SliceTracker:
    """A checkpoint of the demonstration model's architecture, for pictures of `size` pixels."""
    return SliceTracker.load(checkpoints.user_model(checkpoint, CONFIG, size), device)


def validate(tracker: SliceTracker, cases) -> np.ndarray:
    """Dice over the slices without a prompt, [scenarios, cases]."""
    scores = np.zeros((len(SCENARIOS), len(cases)))
    for column, case in enumerate(cases):
        for row, scenario in enumerate(map(quicker, SCENARIOS)):
            mask = scenario.segment(tracker, case.volume, case.reference)
            scores[row, column] = scenario.dice(mask, case.reference, case.volume)
        tracker.forget()
    return scores


def baselines(cases) -> dict[str, np.ndarray]:
    """The same of interpolation and of copying the nearest prompt."""
    names = {"interpolation": lambda s, c: interpolate_seeds(s, c.volume)}
    names["copy nearest"] = lambda s, c: copied(s, c.volume, c.reference)
    scores = {name: np.zeros((len(SCENARIOS), len(cases))) for name in names}
    for column, case in enumerate(cases):
        for row, scenario in enumerate(SCENARIOS):
            seeds = scenario.seeds(case.reference, case.volume)
            for name, make in names.items():
                mask = make(seeds, case)
                scores[name][row, column] = scenario.dice(mask, case.reference, case.volume)
    return scores


def show(name: str, scores: np.ndarray) -> None:
    """Print the mean of each scenario, the mean of all, and each case."""
    print(f"\n{name}: mean {scores.mean():.4f}")
    for scenario, row in zip(SCENARIOS, scores, strict=True):
        print(f"  {scenario.title:30} {row.mean():.3f}   " + " ".join(f"{value:.2f}" for value in row), flush=True)


def main():
    """Print the scores of checkpoints, and of the methods without a model, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cases", type=int, default=len(KINDS))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cases = [make_case(number) for number in range(chosen.cases)]
    print("Dice over the slices without a prompt: " + ", ".join(case.kind for case in cases))
    for name, scores in baselines(cases).items():
        show(name, scores)
    for path in chosen.checkpoints:
        show(str(path), validate(load(path, chosen.size, chosen.device), cases))


if __name__ == "__main__":
    main()
