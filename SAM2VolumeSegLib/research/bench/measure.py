"""Both engines in turns, with warm-up; medians, ratios, agreement, peak memory."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from SAM2VolumeSegLib.research.bench.cases import BenchCase, case, tubes
from SAM2VolumeSegLib.research.bench.engines import Networks, Ours, Outcome, Stock
from SAM2VolumeSegLib.research.measures.memory import peak_memory_mb, reset_peak_memory
from SAM2VolumeSegLib.research.measures.metrics import dice

ENGINES = {"ours": Ours, "stock": Stock}


@dataclass(frozen=True)
class BenchFigures:
    """One case, measured with both engines ("ours", "stock").

    Attributes:
        title: of the case.
        seconds: of every run, by engine.
        parts: median seconds of every component, by engine.
        dice: mean Dice with the reference, by engine; None with random weights.
        agreement: mean Dice of the two results; None with random weights.
        memory_mb: peak memory above that of the loaded networks in MB, by engine; None: not asked for.
        equal: for a correction, whether ours equals its run from nothing; None for other cases.
    """

    title: str
    seconds: dict[str, list[float]]
    parts: dict[str, dict[str, float]]
    dice: dict[str, float | None]
    agreement: float | None
    memory_mb: dict[str, float | None]
    equal: bool | None = None

    @property
    def ratio(self) -> float:
        """How many times faster than stock."""
        return median(self.seconds["stock"]) / median(self.seconds["ours"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        medians = {engine: median(seconds) for engine, seconds in self.seconds.items()}
        return {**vars(self), "median_seconds": medians, "ratio": self.ratio}


def measure(networks: Networks, chosen: BenchCase, repeats: int, memory: bool = False, key: tuple = ()) -> BenchFigures:
    """Run a case A B A B, after one run of each that is not counted.

    Args:
        networks: of both engines.
        chosen: the case.
        repeats: counted runs of each.
        memory: measure peaks as well, each in a process of its own.
        key: names the case there, see `peak_memory`.
    """
    engines = {name: make(networks) for name, make in ENGINES.items()}
    warm = {name: engine.run(chosen) for name, engine in engines.items()}
    runs: dict[str, list[Outcome]] = {name: [] for name in engines}
    for _ in range(repeats):
        for name, engine in engines.items():
            runs[name].append(engine.run(chosen))
    equal = None
    if chosen.before is not None:
        equal = _equals_run_from_nothing(networks, chosen, runs["ours"][-1])
    plan = networks.tracker.plan
    return BenchFigures(
        title=chosen.title,
        seconds={name: [run.seconds for run in own] for name, own in runs.items()},
        parts={name: {part: median(r.parts[part] for r in own) for part in own[0].parts} for name, own in runs.items()},
        dice={name: _mean_dice(run.masks, chosen.references) if networks.real else None for name, run in warm.items()},
        agreement=_mean_dice(warm["ours"].masks, warm["stock"].masks) if networks.real else None,
        memory_mb={
            name: peak_memory(name, networks.name, str(plan.device), plan.image_size, key) if memory else None
            for name in engines
        },
        equal=equal,
    )


def peak_memory(engine: str, model: str, device: str, image_size: int, key: tuple) -> float:
    """Return the peak MB of one engine on one case above its start, in a fresh process; on a GPU, of the GPU's memory.

    Args:
        engine: "ours" or "stock".
        model: name of a known one.
        device: as PyTorch names it.
        image_size: pixels.
        key: ("profile", name) or ("tubes", segments, slices).
    """
    arguments = (engine, model, device, image_size, key, torch.get_num_threads())
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, *arguments).result()


def _peak(engine, model, device, image_size, key, threads) -> float:
    torch.set_num_threads(threads)
    networks = Networks.load(model, device, image_size)
    chosen = case(key[1]) if key[0] == "profile" else tubes(*key[1:])
    runner = ENGINES[engine](networks)
    if networks.tracker.plan.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.max_memory_allocated()
        runner.run(chosen)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    reset_peak_memory()
    before = peak_memory_mb()
    runner.run(chosen)
    return peak_memory_mb() - before


def _equals_run_from_nothing(networks: Networks, chosen: BenchCase, corrected: Outcome) -> bool:
    fresh = Ours(networks).run(BenchCase(chosen.title, chosen.volume, chosen.seeds, chosen.references, chosen.settings))
    return all(np.array_equal(mask, fresh.masks[name]) for name, mask in corrected.masks.items())


def _mean_dice(masks, references) -> float:
    return float(np.mean([dice(mask, references[name]) for name, mask in masks.items()]))
