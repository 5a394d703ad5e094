"""A CT of 1,500 slices must not take more memory than one of 300, beyond its own voxels and masks."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings
from SAM2VolumeSegLib.research.measures.memory import peak_memory_mb, reset_peak_memory
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane, Volume

SIZE, BUDGET = 64, 2_000_000
EMBEDDING_MB = 0.033  # of one slice at SIZE


def run(slices):
    """In a process of its own: peak MB above the start, slices encoded, bytes in memory and slots on disk."""
    tracker = SliceTracker.load(checkpoints.find("demo"), "cpu", SIZE)
    tracker.cache.budget_bytes = tracker.predictions.budget_bytes = BUDGET
    voxels = np.full((slices, 12, 12), -100, dtype=np.int16)
    voxels[:, 4:8, 4:8] = 600
    volume = Volume(voxels, np.eye(4), "rod")
    mask = volume.view(Plane.AXIAL).slice(voxels > 0, 0)
    seeds = {"rod": [SeedSlice(Plane.AXIAL, index, mask) for index in (0, slices // 2, slices - 1)]}
    # What is kept of slices is measured; the edges of a structure take memory with its surface.
    settings = Settings(roi=Box.whole(volume), direction="forward", edges=False)
    one, part = {"rod": seeds["rod"][:1]}, Settings(roi=Box((0, 0, 0), (40, 12, 12)))
    Segmenter(tracker).segment(Request.of(volume, one, part))
    tracker.forget()
    tracker.encoded = 0
    reset_peak_memory()
    before = peak_memory_mb()
    result = Segmenter(tracker).segment(Request.of(volume, seeds, settings))
    assert result.segments["rod"].mask.any(axis=(1, 2)).sum() > 2
    return (
        peak_memory_mb() - before,
        tracker.encoded,
        max(tracker.cache.bytes, tracker.predictions.bytes),
        len(tracker.cache.overflow),
    )


def test_memory_stays_flat_from_300_to_1500_slices(monkeypatch):
    # What is freed goes back to the system at once: else the peak is mostly what glibc's allocator keeps for later.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "8192")
    found = []
    for slices in (300, 1500):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found.append(pool.submit(run, slices).result())
    short, long = found
    assert long[1] == 1500 and long[2] <= BUDGET and long[3] >= 1400
    assert long[0] - short[0] < 0.4 * 1200 * EMBEDDING_MB, (short, long)
