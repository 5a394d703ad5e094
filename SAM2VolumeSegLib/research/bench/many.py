"""Many segments and large CTs: memory, what comes after the last slice, and whether the time left was true."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from SAM2VolumeSegLib.model.devices import main_memory_bytes
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter, Settings
from SAM2VolumeSegLib.research.bench.engines import Networks
from SAM2VolumeSegLib.research.bench.whole_volume import segment_whole
from SAM2VolumeSegLib.research.measures.memory import peak_memory_mb
from SAM2VolumeSegLib.research.measures.timing import ComponentTimes
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

FIRST = 10  # slices before the time left has to be right
SOON = 2.0  # seconds: below that nobody minds what the time left says
BYTES_BEFORE = 14  # for each voxel and segment, at the peak of how it was before


@dataclass(frozen=True)
class ManyRun:
    """One run in a process of its own.

    Attributes:
        seconds: of the whole run.
        tail: seconds from the last slice to the result.
        longest: seconds of a step, without what the network took in it.
        peak_mb: of the process, with torch and the CT.
        worst: largest factor between the time left that was said and the true one, either way (from slice FIRST on, as
            long as more than SOON are left); None: nothing was said.
        digest: of all masks.
    """

    seconds: float
    tail: float
    longest: float
    peak_mb: float
    worst: float | None
    digest: str


def measure_many(networks: Networks, profile: str) -> dict[str, ManyRun | None]:
    """Run a profile with boxes ("now") and with whole arrays ("before").

    Args:
        networks: name, device and input size are taken from it; each run loads its own.
        profile: one of `cases.MANY`.

    Returns:
        By "now" and "before"; None where this machine has too little memory.
    """
    segments, shape, _ = _SIZES[profile]
    runs: dict[str, ManyRun | None] = {}
    for engine in ("now", "before"):
        needed = BYTES_BEFORE * segments * np.prod(shape, dtype=float) if engine == "before" else 0
        if needed > 0.7 * main_memory_bytes():
            runs[engine] = None
            continue
        plan = networks.tracker.plan
        arguments = (engine, networks.name, str(plan.device), plan.image_size, profile, torch.get_num_threads())
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            runs[engine] = pool.submit(_run, *arguments).result()
    return runs


_SIZES = {
    "many-segments": (300, (40, 160, 160), (Plane.AXIAL,)),
    "whole-spine": (24, (400, 512, 512), tuple(Plane)),
}


def title(profile: str) -> str:
    """What a profile is, in words."""
    segments, shape, planes = _SIZES[profile]
    axes = "one axis" if len(planes) == 1 else "three axes"
    return f"{segments} segments, {' x '.join(map(str, shape))} voxels, {axes}"


def many_case(profile: str) -> tuple[Volume, dict[str, list[SeedSlice]], Settings]:
    """Bright ellipsoids in noise, close to each other but apart, painted on their first, middle and last slices."""
    segments, shape, planes = _SIZES[profile]
    # In rows and columns for many, in one column for a spine: cells of the grid, and the ellipsoid's share of one.
    cells = (3, 10, 10) if profile == "many-segments" else (segments, 4, 4)
    noise = np.random.default_rng(0).normal(-50, 40, (8, *shape[1:])).astype(np.int16)
    voxels = np.tile(noise, (-(-shape[0] // 8), 1, 1))[: shape[0]]
    size = np.array(shape) / cells
    centres = [(np.array(cell) + 0.5) * size for cell in np.ndindex(*cells)]
    if profile == "whole-spine":
        centres = [centre for centre in centres if (np.abs(centre[1:] - 1.5 * size[1:]) < 1).all()]
    volume_seeds, radius = {}, 0.42 * np.minimum(size, 60)
    for number, centre in enumerate(centres[:segments], 1):
        lower = np.maximum(np.floor(centre - radius), 0).astype(int)
        upper = np.minimum(np.ceil(centre + radius) + 1, shape).astype(int)
        grid = np.ogrid[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))]
        inside = sum(((along - c) / r) ** 2 for along, c, r in zip(grid, centre, radius, strict=True)) < 1
        voxels[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))][inside] += 600
        volume_seeds[f"Segment {number}"] = (lower, upper, inside)
    volume = Volume(voxels, np.eye(4), profile)
    seeds = {}
    for name, (lower, upper, inside) in volume_seeds.items():
        mask = np.zeros(shape, dtype=bool)
        mask[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))] = inside
        seeds[name] = simulate_seeds(mask, volume, "first-middle-last", planes)
    return volume, seeds, RECOMMENDED


def _run(engine: str, model: str, device: str, image_size: int, profile: str, threads: int) -> ManyRun:
    torch.set_num_threads(threads)
    tracker = Networks.load(model, device, image_size).tracker
    volume, seeds, settings = many_case(profile)
    if engine == "now":
        run = Segmenter(tracker).run(Request.of(volume, seeds, settings))
    else:
        run = segment_whole(tracker, volume, seeds, settings)
    said, longest, last = [], 0.0, 0.0
    started = time.perf_counter()
    with ComponentTimes(tracker) as times:
        while True:
            network, now = sum(times.seconds.values()), time.perf_counter()
            try:
                step = next(run)
            except StopIteration as end:
                result = end.value
                step = None
            longest = max(longest, time.perf_counter() - now - (sum(times.seconds.values()) - network))
            if step is None:
                break
            passed = time.perf_counter() - started
            if engine == "before" or step.plane is not None:
                last = passed
            if engine == "now" and step.done >= FIRST and step.seconds_left is not None:
                said.append((passed, step.seconds_left))
    seconds, peak = time.perf_counter() - started, peak_memory_mb()
    digest = hashlib.blake2b(digest_size=16)
    for name in seeds:
        mask = result[name] if engine == "before" else result.segments[name].mask
        digest.update(np.packbits(mask).data)
    factors = [max(left / (seconds - at), (seconds - at) / max(left, 1e-9)) for at, left in said if seconds - at > SOON]
    return ManyRun(seconds, seconds - last, longest, peak, max(factors, default=None), digest.hexdigest())
