"""What a run will have to compute: counted from what it is for, or rehearsed with what is known already."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.model.pace import Work
from SAM2VolumeSegLib.model.policy import MemoryPolicy, Place
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT
from SAM2VolumeSegLib.propagation.sight import BAND_MM, Sight, Span
from SAM2VolumeSegLib.seeds import painted_box
from SAM2VolumeSegLib.volume import Box, Plane, SquareWindow, to_unit

if TYPE_CHECKING:  # counting needs no torch: slices are counted before it is installed
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation.axis_job import AxisJob

SAMPLES = 16  # slices of a span on which the memory is counted
BEYOND = 0.6
"""Of the slices beyond the outermost painted ones that could be visited, those that are, before a run has shown it: the
structure mostly ends on the way."""
WITHOUT_EDGES = 0.1  # of the time that a voxel takes with them: islands and contests
SIDE = 32  # voxels along each side of the box in which a surface is tried
BALL = 0.3  # radius of a ball in it, as a share of its side
Axis = tuple[str, Plane]  # a segment and the plane along which it is propagated


@dataclass(frozen=True)
class Workload:
    """What a run computes, at most: beyond the outermost painted slices it stops where the structure does.

    Attributes:
        slices: that it goes over, in all axes, directions and passes, known ones included.
        once: what is done for all axes together: slices encoded, masks remembered.
        axes: what predicting takes, by segment and plane; a call that predicts slices of several has a part in each.
        beyond: how many of the slices that are predicted lie beyond the outermost painted ones, by segment and plane.
        votes: voxels that will have a vote, by segment, over its axes.
        surfaces: voxels in which its surface will be looked for, by segment; as many as take as long.
        known: of the slices, those that an earlier run has predicted.
    """

    slices: int
    once: Work
    axes: dict[Axis, Work]
    beyond: dict[Axis, float]
    votes: dict[str, float]
    surfaces: dict[str, float]
    known: int = 0

    @property
    def predicted(self) -> float:
        """How many slices are predicted at most; those that are known do not count."""
        return sum(work.predict for work in self.axes.values())

    @property
    def whole(self) -> Work:
        """All of it, as it will probably be."""
        steps = Work(visit=self.slices, vote=sum(self.votes.values()), edge=sum(self.surfaces.values()))
        axes = [self.part(axis, work.predict - (1 - BEYOND) * self.beyond[axis]) for axis, work in self.axes.items()]
        return sum(axes, self.once + steps)

    def part(self, axis: Axis, predicted: float) -> Work:
        """What it takes to predict so many slices of an axis."""
        all_of_it = self.axes[axis]
        return all_of_it.times(predicted / all_of_it.predict) if all_of_it.predict else Work()


def work_ahead(tracker: SliceTracker, sight: Sight) -> Generator[None, None, Workload]:
    """What a run has to compute: rehearsed where something is known from before, or a part is asked for; else counted.

    Args:
        tracker: holds what was computed before.
        sight: what the model sees in the run.

    Yields:
        Between pieces of work.

    Returns:
        The workload.

    Raises:
        InputError: as `Sight.crop`.
    """
    if len(tracker.predictions) or sight.is_of_part:  # its walks end early
        return (yield from rehearsal(tracker, sight))
    return workload(sight, tracker.plan.batch_size, tracker.is_encoded)


def workload(
    sight: Sight, batch_size: int = 1, is_encoded: Callable[[PlanePictures, int], bool] | None = None
) -> Workload:
    """Count what a run computes at most, when nothing is known but embeddings.

    Args:
        sight: what the model sees in it.
        batch_size: slices that the network predicts at once.
        is_encoded: whether what the encoder makes of a slice is at hand (`SliceTracker.is_encoded`); None: of none.

    Raises:
        InputError: as `Sight.crop`.
    """
    settings, directions = sight.settings, 2 if sight.settings.direction == "forward-backward" else 1
    encoded, prompts, slices = set(), 0, 0
    axes: dict[Axis, Work] = {}
    beyond: dict[Axis, float] = {}
    together: dict[tuple[tuple[str, ...], Plane], dict[Axis, Work]] = {}  # on the same pictures
    longest: dict[tuple[tuple[str, ...], Plane], int] = {}
    for group, segment in ((names, name) for names in sight.groups for name in names):
        for plane in sight.planes_of(segment):
            view, stops = sight.volume.view(plane), sight.stops(segment, plane)
            seeds = sight.seeds_on(segment, plane)
            indices = [view.order[position] for position in stops.positions]
            if is_encoded is not None:
                pictures = sight.pictures(segment, plane)
                indices = [index for index in indices if not is_encoded(pictures, index)]
            # Another crop may be the same in this plane.
            seen = SquareWindow.of(view, sight.crop(segment) or Box.whole(sight.volume), sight.image_size)
            encoded |= {(seen, plane, index) for index in indices}
            prompted = [stops.number(view.order.index(seed.index)) for seed in seeds]
            prompts += len(seeds)
            slices += stops.span.slices * directions * settings.passes
            predicted = (stops.span.slices - len(seeds)) * directions * settings.passes
            outside = [stop for stop in stops.span.positions if not min(prompted) <= stop <= max(prompted)]
            beyond[segment, plane] = len(outside) * directions * settings.passes
            looked_at = predicted * _memories(prompted, stops.span, settings.memory)
            together.setdefault((group, plane), {})[segment, plane] = Work(predict=predicted, memory=looked_at)
            at_once = settings.passes * (stops.span.slices - len(seeds))
            longest[group, plane] = max(longest.get((group, plane), 0), at_once)
    for key, works in together.items():
        # The longest walk goes on with every call, and takes others along as long as a batch has room.
        share = max(longest[key] / max(sum(work.predict for work in works.values()), 1), 1 / batch_size)
        axes |= {axis: work + Work(call=share * work.predict) for axis, work in works.items()}
    return Workload(slices, Work(encode=len(encoded), prompt=prompts), axes, beyond, *_voxels(sight, list(axes)))


def work_again(sight: Sight, near_mm: float) -> Work:
    """Count what leaving out each painted slice in turn takes at most: its own axis once more; nothing is encoded.

    Along the other axes every prediction is known. Both directions go a little further than the slice, so together they
    visit the axis once, and twice what is near it.

    Args:
        sight: what the model sees in the whole run.
        near_mm: how far on both sides of the slice is looked at.

    Raises:
        InputError: as `Sight.crop`.
    """
    predicted, looked_at = 0.0, 0.0
    for segment in (name for group in sight.groups for name in group):
        for plane in sight.planes_of(segment):
            view, stops, seeds = sight.volume.view(plane), sight.stops(segment, plane), sight.seeds_on(segment, plane)
            near = min(2 * int(near_mm / view.slice_mm) + 1, stops.span.slices)
            again = (stops.span.slices + near) * sum(not seed.absent for seed in seeds) * sight.settings.passes
            prompted = [stops.number(view.order.index(seed.index)) for seed in seeds]
            predicted += again
            looked_at += again * _memories(prompted, stops.span, sight.settings.memory)
    return Work(predict=predicted, memory=looked_at, call=predicted, visit=predicted)


def rehearsal(tracker: SliceTracker, sight: Sight) -> Generator[None, None, Workload]:
    """Find out what a run has to compute, by rehearsing it with what a tracker knows.

    Args:
        tracker: holds what was computed before.
        sight: what the model sees in the run.

    Yields:
        After each slice.

    Returns:
        The workload.

    Raises:
        InputError: as `Sight.crop`.
    """
    from SAM2VolumeSegLib.model.rehearsal import Rehearsal
    from SAM2VolumeSegLib.propagation.axis_job import AxisJob
    from SAM2VolumeSegLib.propagation.together import run_together

    settings = sight.settings
    pretended = Rehearsal(tracker, needs_logits=settings.passes > 1 or "area" in settings.memory.needs)
    slices, known, once = 0, 0, Work()
    axes: dict[Axis, Work] = {}
    beyond: dict[Axis, float] = {}
    for group in sight.groups:
        jobs = [AxisJob(pretended, sight, name, plane) for name in group for plane in sight.planes_of(name)]
        slices += sum(job.remaining for job in jobs)
        known -= sum(len(job.prompted) * len(job.steps) for job in jobs) * settings.passes
        for pictures in dict.fromkeys(job.pictures for job in jobs):
            alike = [job for job in jobs if job.pictures is pictures]
            pretended.work, predicted = Work(), dict.fromkeys([_axis(job) for job in alike], 0.0)
            beyond |= predicted
            for step in run_together(pretended, pictures, alike):
                predicted[_axis(step.job)] += not step.known
                beyond[_axis(step.job)] += not step.known and step.job.is_beyond(step.job.stop_at(step.index))
                known += step.known
                yield
            work = pretended.work
            once = once + Work(encode=work.encode, prompt=work.prompt)
            each = Work(call=work.call, predict=work.predict, memory=work.memory).times(1 / max(work.predict, 1))
            axes |= {axis: each.times(count) for axis, count in predicted.items()}
    return Workload(slices, once, axes, beyond, *_voxels(sight, list(axes)), known)


def edge_seconds(sight: Sight, now: Callable[[], float]) -> Generator[None, None, float]:
    """Seconds for each voxel of a box, in the middle of what is seen, in which a ball's surface moves to the edges.

    As around a bone, most of the box is near the surface.

    Args:
        sight: of what is painted.
        now: the time in seconds.

    Yields:
        Between pieces of work.

    Returns:
        The seconds.
    """
    from SAM2VolumeSegLib.propagation.edges import at_edges  # SciPy, which counting does not need

    volume, crop = sight.volume, sight.crop(sight.groups[0][0]) or Box.whole(sight.volume)
    starts = [max(low, (low + high - SIDE) // 2) for low, high in zip(crop.lower, crop.upper, strict=True)]
    part = tuple(slice(n, min(n + SIDE, high)) for n, high in zip(starts, crop.upper, strict=True))
    image = to_unit(volume.voxels[part], sight.window)
    from_middle = [(np.arange(n) - (n - 1) / 2) / n for n in image.shape]
    distance = sum(along**2 for along in np.meshgrid(*from_middle, indexing="ij"))
    logits = np.where(distance < BALL**2, LOGIT_LIMIT, -LOGIT_LIMIT).astype(np.float32)
    nothing, seconds = np.zeros(image.shape, dtype=bool), 0.0
    steps = at_edges(image, volume.spacing[::-1], logits, nothing, nothing)
    while True:
        started = now()
        ended = next(steps, steps) is steps
        seconds += now() - started
        if ended:
            return seconds / image.size
        yield


def _axis(job: AxisJob) -> Axis:
    return job.name, job.pictures.view.plane


def _memories(prompted: Sequence[int], span: Span, policy: MemoryPolicy) -> float:
    """Slices in memory, on average: the painted ones in reach, and the recent ones."""
    sampled = span.positions[:: max(1, span.slices // SAMPLES)]
    near = [len(policy.choose(Place(now, 1, prompted, {}, span.slices)).spatial) for now in sampled]
    return sum(near) / len(near) + policy.ages


def _voxels(sight: Sight, axes: Sequence[Axis]) -> tuple[dict[str, float], dict[str, float]]:
    """Voxels of the box in which a segment is claimed, over axes and as it takes to find the surface in it."""
    votes, surfaces = {}, {}
    for name in dict.fromkeys(name for name, _ in axes):
        box = painted_box(sight.seeds[name], sight.volume).grown(BAND_MM, sight.volume).meet(sight.reach(name))
        votes[name] = float(prod(box.shape) * [other for other, _ in axes].count(name))
        surfaces[name] = prod(box.shape) * (1.0 if sight.settings.edges else WITHOUT_EDGES)
    return votes, surfaces
