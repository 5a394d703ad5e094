"""Results folders of the study without a run: structures that do not exist, figures that a test decides."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.measures.reviewed import BINS
from SAM2VolumeSegLib.research.study.configuration import Configuration, task_key
from SAM2VolumeSegLib.research.study.experiments import find_experiment
from SAM2VolumeSegLib.research.study.split import SPLIT, Split, write_split
from SAM2VolumeSegLib.research.study.store import FILE, FORMAT

DEMO = {"name": "demo", "image_size": 160, "device": "cpu", "precision": "float32"}


def the_demo_model() -> dict:
    """The demo model as a record states it."""
    return DEMO | {"sha256": checkpoints.verify(checkpoints.find("demo"))}


def some_structures(cts: int, per_ct: int, bones: Iterable[str] = ("Vertebrae", "Rib", "Femur")) -> list[Structure]:
    """Structures of CTs that are nowhere, their classes in turn."""
    bones = list(bones)
    found = []
    for number in range(cts * per_ct):
        case, bone = f"s{number // per_ct:04}", bones[number % len(bones)]
        ct, mask = (hashlib.sha256(text.encode()).hexdigest() for text in (case, f"{case} {number}"))
        found.append(
            Structure(case, f"{bone.lower()}_{number}", bone, f"{case}/ct", f"{case}/{number}", None, ct, mask)
        )
    return found


def a_record(structure: Structure, configuration: Configuration, model: dict | None, dice: float, **more) -> dict:
    """The record of a finished task with this Dice; the other figures follow from it."""
    distance = round(20 * (1 - dice) + 1, 6) if dice else None
    recent = configuration.settings.memory.recent
    ms = 10.0 + 2 * recent
    return {
        "key": task_key(structure, configuration, model),
        "case": structure.case,
        "structure": structure.name,
        "bone": structure.bone,
        "configuration": configuration.name,
        "choices": configuration.choices(),
        "model": model if configuration.method == "sam2" else None,
        "reference_ml": 20.0,
        "seeds": 3,
        "dice": round(dice, 6),
        "iou": round(dice / (2 - dice), 6),
        "unprompted_dice": round(0.95 * dice, 6),
        "hausdorff_mm": distance,
        "hausdorff95_mm": distance and distance / 2,
        "volume_difference_ml": -1.0,
        "slices": 30,
        "encoded": 30 * (recent == 6),
        "seconds": {
            "total": 2.5,
            "encode": 1.6 * (recent == 6),
            "memory attention": 0.2 + 0.05 * recent,
            "mask decoder": 0.15,
            "memory encoder": 0.1,
            "resampling and fusion": 0.3,
        },
        "track_ms": [ms - 2, ms - 1, ms, ms + 1, ms + 30],
        "program": "SAM2VolumeSeg 0.1.0",
        "date": "2026-01-02T03:04:05+00:00",
        **({"reviewed": a_review(dice)} if configuration.mended and not configuration.mended.slices else {}),
    } | more


def a_review(dice: float) -> dict:
    """What a review said of a structure with this Dice, and how it was."""
    return {
        **{"auc": 0.9, "expected": round(0.98 * dice, 6), "lower": round(0.9 * dice, 6), "upper": round(dice, 6)},
        **{"suspects": 0.6, "slices": 0.1, "slabs": 0.4, "checked": 9, "check_seconds": 2.0},
        "reliability": [[100, 10 * n, 10.0 * n] for n in range(len(BINS) - 1)],
    }


def write_results(
    folder: Path,
    structures: list[Structure],
    experiments: Iterable[str],
    dice: Callable[[Structure, str, str], float | str | None],
    model: dict | None = None,
    data: str = "invented structures",
) -> Path:
    """Write a results folder.

    dice: gives the Dice of (structure, experiment, row), the sentence of a failure, or None where there is no result.
    """
    model = model or the_demo_model()
    write_split(folder / SPLIT, Split(data, 0, 50, tuple(structures)))
    records = {}  # by key: rows of several experiments share results
    for name in experiments:
        for configuration in find_experiment(name, model["name"]).configurations:
            if configuration.model not in (None, model["name"]):
                continue
            used = model | {"image_size": configuration.image_size or model["image_size"]}
            for structure in structures:
                value = dice(structure, name, configuration.name)
                if isinstance(value, str):
                    failed = {item: a_record(structure, configuration, used, 0.5)[item] for item in _HEAD}
                    records.setdefault(failed["key"], failed | {"error": value})
                elif value is not None:
                    record = a_record(structure, configuration, used, value)
                    records.setdefault(record["key"], record)
    # Not with ResultsFile, which waits for the disk after each line.
    lines = [{"format": FORMAT, "program": "SAM2VolumeSeg 0.1.0"}, *records.values()]
    (folder / FILE).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


_HEAD = ("key", "case", "structure", "bone", "configuration")


def noisy(effects: dict[str, float], sd: float = 0.02, level: float = 0.7) -> Callable[[Structure, str, str], float]:
    """Dice of a structure: its own level, the effect of the row by name, and noise that the row does not explain."""

    def dice(structure: Structure, experiment: str, row: str) -> float:
        own, noise = (
            np.random.default_rng(int(hashlib.sha256(f"{structure} {text}".encode()).hexdigest()[:8], 16)).normal()
            for text in ("", row)
        )
        return float(np.clip(level + 0.1 * own + effects.get(row, 0.0) + sd * noise, 0.01, 0.99))

    return dice
