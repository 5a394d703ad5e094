"""The run: every axis of every segment, fused into masks. A generator that is stepped; closing it cancels."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.model.pace import Speed
from SAM2VolumeSegLib.model.policy import check_fits
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.progress import Steps, finished
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.claims import Claim, claim_of
from SAM2VolumeSegLib.propagation.clock import TELL_AFTER, Clock
from SAM2VolumeSegLib.propagation.cut_off import cut_off
from SAM2VolumeSegLib.propagation.fuse import fuse
from SAM2VolumeSegLib.propagation.request import Request
from SAM2VolumeSegLib.propagation.result import Progress, Result, SegmentResult
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.propagation.together import Listener, run_together
from SAM2VolumeSegLib.propagation.workload import edge_seconds, work_ahead, workload
from SAM2VolumeSegLib.volume import Box, Plane

VOTES_BYTES = 768 << 20  # what segments that are propagated together may have found before their axes are averaged


class Segmenter:
    """Segments volumes with one model.

    What was computed stays in the tracker, so a run after a correction computes only what the correction can have
    changed; its result is that of a run from nothing.

    Attributes:
        tracker: the model, and what it has computed so far.
        speed: how fast it is thought to be; None: nobody knows. A run refines it by what it had to compute, also one
            that is cancelled.
        seen: seconds for one of each kind of work (`Work`) that the last run has computed often enough to tell.
    """

    def __init__(self, tracker: SliceTracker, speed: Speed | None = None):
        self.tracker, self.speed = tracker, speed
        self.seen: dict[str, float] = {}

    def run(
        self, request: Request, keep_votes: bool = False, listener: Listener | None = None, rehearse: bool = True
    ) -> Generator[Progress, None, Result]:
        """Segment every structure of a request.

        Closing the generator cancels the run between two steps.

        A voxel that an axis does not reach has no vote of that axis; a voxel without any vote is background. Where two
        structures whose seeds do not overlap claim one voxel, the higher fused logit wins (see `fuse`). Votes are
        weighted, and parts that connect to nothing painted dropped, as the settings say.

        Args:
            request: what the run is for.
            keep_votes: for those who look into a result. It then has the logits of each axis and what they weigh, and
                all logits in reach of the model; without it, those of the box in which some axis votes for the segment.
            listener: is told of every slice that a walk has passed, with what it looked at.
            rehearse: find out first what is known already, for the time left. False: who asks does not show it.

        Yields:
            Progress after each slice, and several times a second while votes become masks.

        Returns:
            The result (the value of StopIteration, or of `yield from`).

        Raises:
            InputError: the region of interest holds no voxel, or misses a painted slice; or the network has not what
                the memory policy asks for.
        """
        started = time.monotonic()
        check_fits(request.settings.memory, self.tracker.network.limits, self.tracker.name)
        sight = self._sight(request)
        portions: list[list[AxisJob]] = []
        for group in sight.groups:
            portions += _portions([self._jobs(sight, name) for name in group])
        clock = yield from self._clock(sight, [job for portion in portions for job in portion], rehearse)
        try:
            segments = yield from self._computed(request, sight, portions, clock, keep_votes, listener)
        finally:
            self.seen = clock.stop()
            if self.seen:
                self.speed = (self.speed or Speed()).refined(self.seen)
        seconds = time.monotonic() - started
        return Result(segments, self._provenance(request, sight, segments, seconds))

    def _computed(
        self,
        request: Request,
        sight: Sight,
        portions: list[list[AxisJob]],
        clock: Clock,
        keep_votes: bool,
        listener: Listener | None,
    ) -> Generator[Progress, None, dict[str, SegmentResult]]:
        """Walk, vote, fuse."""
        volume, seeds = request.volume, request.named_seeds
        claims: dict[str, Claim] = {}
        while portions:
            jobs = portions.pop(0)
            for pictures in dict.fromkeys(job.pictures for job in jobs):
                own = [job for job in jobs if job.pictures is pictures]
                for step in run_together(self.tracker, pictures, own, listener):
                    yield clock.predicted(step)
            for name in dict.fromkeys(job.name for job in jobs):
                own = [job for job in jobs if job.name == name]
                claims[name] = yield from clock.voting(
                    own, claim_of(volume, seeds[name], own, sight.reach(name), keep_votes, request.within)
                )
                for job in own:
                    job.votes.clear()
        claims = {name: claims[name] for name in seeds}  # the order of the user's
        window = sight.window if request.settings.edges else None
        segments = yield from clock.fusing(fuse(volume, claims, request.settings.drop_islands, window))
        if request.within is not None:
            return segments
        return {name: replace(found, cut_off=cut_off(found.found, sight, name)) for name, found in segments.items()}

    def _clock(self, sight: Sight, jobs: Sequence[AxisJob], rehearse: bool) -> Generator[Progress, None, Clock]:
        """Find out what the run has to compute, and how fast that may be."""
        if not rehearse:
            return Clock(self.tracker, jobs, workload(sight), self.speed or Speed(), self.speed is not None)
        told, slices = self.tracker.now(), sum(job.remaining for job in jobs)
        ahead, edge = Steps(work_ahead(self.tracker, sight)), Steps(edge_seconds(sight, self.tracker.now))
        for _ in chain(ahead, edge if self.speed is None and sight.settings.edges else ()):
            if self.tracker.now() - told > TELL_AFTER:
                told = self.tracker.now()
                yield Progress(jobs[0].name, None, None, 0, slices, None)
        usual = Speed().with_edge(edge.result) if hasattr(edge, "result") else Speed()
        return Clock(self.tracker, jobs, ahead.result, self.speed or usual, is_measured=self.speed is not None)

    def run_alike(
        self, requests: Sequence[Request], name: str, plane: Plane
    ) -> Generator[Progress, None, list[Result]]:
        """Run requests that differ in the seeds of one segment on one plane.

        What they predict along it is predicted for all of them together, in batches; each alone would fill none.

        Args:
            requests: about the same pictures, as those that `Request.leaving_out` makes.
            name: of the segment.
            plane: of the seeds.

        Yields:
            Progress of what is at work; its time left is none that anybody should be shown.

        Returns:
            The results.

        Raises:
            InputError: as `run`.
        """
        sights = [self._sight(request) for request in requests]
        jobs = [AxisJob(self.tracker, sight, name, plane) for sight in sights if plane in sight.planes_of(name)]
        for step in run_together(self.tracker, jobs[0].pictures, jobs) if jobs else ():
            yield Progress(name, plane, step.index, 0, len(requests), None)
        results = []
        for request in requests:
            results.append((yield from self.run(request, rehearse=False)))
        return results

    def segment(self, request: Request) -> Result:
        """`run` to its end, for a script that shows no progress."""
        return finished(self.run(request))

    def _sight(self, request: Request) -> Sight:
        size, stride = self.tracker.plan.image_size, self.tracker.network.logit_stride
        return Sight(
            request.volume, request.named_seeds, request.settings, size, stride, request.around, request.within
        )

    def _jobs(self, sight: Sight, name: str) -> list[AxisJob]:
        """The axes of a segment: one job for each on which it is painted."""
        return [AxisJob(self.tracker, sight, name, plane) for plane in sight.planes_of(name)]

    def _provenance(
        self, request: Request, sight: Sight, segments: Mapping[str, SegmentResult], seconds: float
    ) -> dict[str, Any]:
        plan = self.tracker.plan
        return {
            "program": f"SAM2VolumeSeg {__version__}",
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "volume": {"name": request.volume.name, "fingerprint": request.fingerprint},
            "model": {
                "name": self.tracker.name,
                "sha256": self.tracker.checkpoint_sha256,
                "image_size": plan.image_size,
                "device": str(plan.device),
                "precision": str(plan.dtype).removeprefix("torch."),
            },
            "settings": request.settings.to_dict(),
            "window_hu": [sight.window.lower, sight.window.upper],
            "crops": [{"segments": list(group), **_corners(sight.crop(group[0]))} for group in sight.groups],
            "segments": {
                name: {
                    "seeds": [f"{seed.plane.value}:{seed.index}{' absent' * seed.absent}" for seed in own],
                    "mean_confidence": round(segments[name].mean_confidence, 4),
                    "cut_off": [one.side for one in segments[name].cut_off],
                }
                for name, own in request.named_seeds.items()
            },
            "versions": {"python": platform.python_version()}
            | {package: _version(package) for package in ("torch", "sam2", "numpy")},
        }


def _corners(box: Box | None) -> dict[str, list[int]]:
    """A crop's voxels [k, j, i], the upper end exclusive, as JSON can hold them."""
    return {} if box is None else {"lower": list(box.lower), "upper": list(box.upper)}


def _version(package: str) -> str:
    """Of an installed package. One that was copied without its metadata is no reason to lose a result."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _portions(segments: Sequence[list[AxisJob]]) -> list[list[AxisJob]]:
    """Jobs of segments that are propagated together: as many as have room for what they find, until they have voted."""
    portions: list[list[AxisJob]] = []
    room = 0
    for jobs in segments:
        size = sum(job.remaining * job.pictures.logits_bytes for job in jobs)
        if room < size or not portions:
            portions.append([])
            room = VOTES_BYTES
        portions[-1] += jobs
        room -= size
    return portions
