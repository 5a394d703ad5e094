"""The run: every axis of every segment, fused into masks. A generator that is stepped; closing it cancels."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import numpy as np

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.model.devices import DevicePlan
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.segment.axis_job import AxisJob
from SAM2VolumeSegLib.segment.check import Seeds, check_seeds
from SAM2VolumeSegLib.segment.fuse import Votes, fuse
from SAM2VolumeSegLib.segment.pictures import LOGIT_STRIDE, Intensities, PlanePictures, crops
from SAM2VolumeSegLib.segment.result import Progress, Result
from SAM2VolumeSegLib.segment.settings import RECOMMENDED, Settings
from SAM2VolumeSegLib.segment.together import Step, run_together
from SAM2VolumeSegLib.volume import Plane, Volume

GUESSES_BYTES = 256 << 20  # what segments that are propagated together may have found before it is fused


class Steps:
    """The progress of a run, slice by slice: ``for progress in steps``. After the loop ``steps.result`` is there."""

    result: Result

    def __init__(self, run: Generator[Progress, None, Result]):
        self._run = run

    def __iter__(self) -> Iterator[Progress]:
        self.result = yield from self._run


class Segmenter:
    """Segments volumes with one model. What was computed stays in the tracker, so a run after a correction computes
    only what the correction can have changed; its result is that of a run from nothing."""

    def __init__(self, tracker: SliceTracker):
        self.tracker = tracker

    def run(
        self, volume: Volume, seeds: Seeds, settings: Settings, keep_planes: bool = False
    ) -> Generator[Progress, None, Result]:
        """Segment every structure of `seeds` (name -> painted slices) in `volume`.

        Yields Progress after each slice and returns the Result (the value of StopIteration, or of `yield from`).
        Closing the generator cancels the run between two slices.

        A voxel that an axis does not reach has no vote of that axis; a voxel without any vote is background. Where two
        structures whose seeds do not overlap claim one voxel, the higher fused logit wins (see `fuse`). Votes are
        weighted, and parts that connect to nothing painted dropped, as `settings` say.

        Raises InputError when there is nothing to propagate.
        """
        seeds = check_seeds(volume, seeds, settings)
        started = time.monotonic()
        intensities = Intensities(volume, settings.window_for(volume.voxels), settings.clahe)
        groups = []  # jobs that share pictures
        for names, box in crops(volume, seeds, settings):
            for plane in settings.planes or Plane:
                pictures = PlanePictures(intensities, plane, box, self.tracker.plan.image_size)
                jobs = []
                for name in names:
                    own = [seed for seed in seeds[name] if seed.plane is plane]
                    if any(not seed.absent for seed in own):
                        jobs.append(AxisJob(self.tracker, pictures, name, own, settings))
                groups += [(pictures, some) for some in _portions(jobs, self.tracker.plan)]
        votes = {
            name: Votes(volume, [job for _, jobs in groups for job in jobs if job.name == name], keep_planes)
            for name in seeds
        }
        clock = _Clock()
        while groups:
            pictures, jobs = groups[0]
            for step in run_together(self.tracker, pictures, jobs):
                remaining = sum(job.remaining for _, jobs in groups for job in jobs)
                yield clock.progress(step, remaining)
            for job in jobs:
                votes[job.name].add(job)
            groups.pop(0)
        segments = fuse(volume, seeds, votes, settings.drop_islands)
        return Result(segments, self._provenance(volume, seeds, settings, segments, time.monotonic() - started))

    def segment(self, volume: Volume, seeds: Seeds, settings: Settings = RECOMMENDED) -> Result:
        """`run` to its end, for a script that shows no progress."""
        steps = Steps(self.run(volume, seeds, settings))
        for _ in steps:
            pass
        return steps.result

    def _provenance(self, volume, seeds, settings, segments, seconds) -> dict[str, Any]:
        plan = self.tracker.plan
        window = settings.window_for(volume.voxels)
        return {
            "program": f"SAM2VolumeSeg {__version__}",
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "volume": {"name": volume.name, "fingerprint": volume.fingerprint()},
            "model": {
                "name": self.tracker.name,
                "sha256": self.tracker.checkpoint_sha256,
                "image_size": plan.image_size,
                "device": str(plan.device),
                "precision": str(plan.dtype).removeprefix("torch."),
            },
            "settings": settings.to_dict(),
            "window_hu": [window.lower, window.upper],
            "segments": {
                name: {
                    "seeds": [f"{seed.plane.value}:{seed.index}{' absent' * seed.absent}" for seed in own],
                    "mean_confidence": round(segments[name].mean_confidence, 4),
                }
                for name, own in seeds.items()
            },
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in ("torch", "sam2", "numpy")},
        }


class _Clock:
    """Progress with the time left, from what computed slices took: how many of those left are known, nobody knows yet,
    so the time left can only be shorter than it says."""

    def __init__(self):
        self._started = time.monotonic()
        self._done = self._computed = 0

    def progress(self, step: Step, remaining: int) -> Progress:
        self._done += 1
        self._computed += not step.known
        left = (time.monotonic() - self._started) / (self._computed or self._done) * remaining
        plane = step.job.pictures.view.plane
        return Progress(step.job.name, plane, step.index, self._done, self._done + remaining, left)


def _portions(jobs: list[AxisJob], plan: DevicePlan) -> list[list[AxisJob]]:
    """Jobs that are propagated together: as many as have room for what they find, until it is fused."""
    portions, room = [], 0
    for job in jobs:
        size = job.remaining * (plan.image_size // LOGIT_STRIDE) ** 2 * np.dtype(np.float32).itemsize
        if room < size or not portions:
            portions.append([])
            room = GUESSES_BYTES
        portions[-1].append(job)
        room -= size
    return portions
