"""The run: every axis of every segment, fused into masks. A generator that is stepped; closing it cancels."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds
from SAM2VolumeSegLib.segment.axis_job import AxisJob
from SAM2VolumeSegLib.segment.fuse import Votes, fuse
from SAM2VolumeSegLib.segment.pictures import PlanePictures
from SAM2VolumeSegLib.segment.result import Progress, Result
from SAM2VolumeSegLib.segment.settings import Settings
from SAM2VolumeSegLib.volume import Box, Plane, Volume

Seeds = Mapping[str, Sequence[SeedSlice]]


class Segmenter:
    """Segments volumes with one model. Embeddings stay in the tracker's cache, so a second run after a correction is
    faster than the first."""

    def __init__(self, tracker: SliceTracker):
        self.tracker = tracker

    def run(
        self, volume: Volume, seeds: Seeds, settings: Settings, keep_planes: bool = False
    ) -> Generator[Progress, None, Result]:
        """Segment every structure of `seeds` (name -> painted slices) in `volume`.

        Yields Progress after each slice and returns the Result (the value of StopIteration, or of `yield from`). Closing
        the generator cancels the run between two slices.

        A voxel that an axis does not reach has no vote of that axis; a voxel without any vote is background. Where two
        structures whose seeds do not overlap claim one voxel, the higher fused logit wins.

        Raises InputError when there is nothing to propagate.
        """
        seeds = _checked(volume, seeds, settings)
        started = time.monotonic()
        window = settings.window_for(volume.voxels)
        jobs = []
        for names, box in _crops(volume, seeds, settings):
            for plane in settings.planes or Plane:
                pictures = PlanePictures(
                    volume, plane, box, self.tracker.plan.image_size, window, settings.clahe
                )
                for name in names:
                    own = [seed for seed in seeds[name] if seed.plane is plane]
                    if any(not seed.absent for seed in own):
                        jobs.append(AxisJob(self.tracker, pictures, name, own, settings))
        votes = {name: Votes(volume, [job for job in jobs if job.name == name], keep_planes) for name in seeds}
        done = 0
        while jobs:
            job = jobs.pop(0)
            for index in job.run():
                done += 1
                remaining = job.remaining + sum(later.remaining for later in jobs)
                left = (time.monotonic() - started) / done * remaining
                yield Progress(job.name, job.pictures.view.plane, index, done, done + remaining, left)
            votes[job.name].add(job)
        segments = fuse(volume, seeds, votes)
        return Result(segments, self._provenance(volume, seeds, settings, segments, time.monotonic() - started))

    def _provenance(self, volume, seeds, settings, segments, seconds) -> dict[str, Any]:
        plan = self.tracker.plan
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


def _checked(volume: Volume, seeds: Seeds, settings: Settings) -> dict[str, list[SeedSlice]]:
    """Seeds by name, or an InputError that says which segment has nothing to propagate."""
    if not seeds:
        raise InputError("There are no seeds: paint the structure on at least one slice and try again.")
    planes = settings.planes or tuple(Plane)
    for name, own in seeds.items():
        if not any(not seed.absent for seed in own):
            raise InputError(f'"{name}" is not painted on any slice: paint it on at least one, or leave it out.')
        if not any(seed.plane in planes and not seed.absent for seed in own):
            axes = ", ".join(plane.value for plane in planes)
            raise InputError(f'"{name}" has no painted {axes} slice, and only these axes are switched on.')
        for seed in own:
            view = volume.view(seed.plane)
            if seed.mask.shape != view.shape or not 0 <= seed.index < view.count:
                raise InputError(
                    f'A seed of "{name}" ({seed.plane.value} slice {seed.index}) does not lie on the grid of "{volume.name}".'
                )
    return {name: list(own) for name, own in seeds.items()}


def _crops(volume: Volume, seeds: Seeds, settings: Settings) -> list[tuple[list[str], Box]]:
    """Which segments share a crop, and the crop."""
    groups = [[name] for name in seeds] if settings.crop_each else [list(seeds)]
    if settings.roi is not None:
        return [(names, settings.roi) for names in groups]
    masks = {name: paint_seeds(own, volume) for name, own in seeds.items()}
    return [(names, Box.around([masks[name] for name in names], volume, settings.margin_mm)) for names in groups]
