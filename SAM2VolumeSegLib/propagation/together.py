"""Many segments along one axis, together: slices are encoded once, and predicted in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from SAM2VolumeSegLib.model.network import SlicePrediction, SliceQuery
from SAM2VolumeSegLib.model.policy import Memories
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.propagate import Walk


@dataclass(frozen=True)
class Step:
    """A slice that is done.

    Attributes:
        job: Whose.
        index: Of the slice in the volume's array.
        known: It was predicted in an earlier run, or is prompted, so it took no time.
        untold: How many slices were done together with it, and are told after it.
    """

    job: AxisJob
    index: int
    known: bool
    untold: int = 0


@dataclass(frozen=True, eq=False)
class Visit:
    """A slice that a walk has passed: what it looked at, and what it answered.

    Attributes:
        job: Whose. It says what a stop is, and which masks were given.
        step: Of the walk, 1 forward or -1 backward.
        stop: Where it was.
        memories: What the slice looked at, by stop; None where its mask was given.
        prediction: The answer, on its device; None likewise.
    """

    job: AxisJob
    step: int
    stop: int
    memories: Memories | None
    prediction: SlicePrediction | None


Listener = Callable[[Visit], None]
"""Is told of each slice when it is done. It changes nothing."""


def run_together(
    tracker: SliceTracker, pictures: PlanePictures, jobs: Sequence[AxisJob], listener: Listener | None = None
) -> Iterator[Step]:
    """Propagate jobs through all passes.

    The walk with most slices left goes on, and takes along others that look at as many memories, whatever slice they
    are on. So segments and both directions of each keep step: were one direction to go first, it would be out of step
    with the other from the first slice where they look at different numbers of memories, and go alone to its end.

    Args:
        tracker: Computes.
        pictures: Of the axis.
        jobs: Those on these pictures.
        listener: Is told of each slice of each walk.

    Yields:
        Each slice of each job when it is done.

    Raises:
        InputError: The network has not what the memory policy asks for, or answers with something that is no number.
    """
    while any(job.passes_left for job in jobs):
        walks = [_Waiting(job, walk, listener) for job in jobs for walk in job.start_pass()]
        for waiting in walks:
            yield from waiting.advance(tracker, pictures)
        while walks := sorted((w for w in walks if w.query is not None), key=_Waiting.order):
            batch = [w for w in walks if w.shape == walks[0].shape][: tracker.plan.batch_size]
            ahead = zip_longest(*(w.walk.upcoming(tracker.plan.batch_size) for w in batch))
            upcoming = [index for indices in ahead for index in indices if index is not None]
            answers = tracker.track(pictures, [w.query for w in batch if w.query is not None], upcoming)
            # All of them at once, so that what is left is true when the first is told.
            done = [waiting.take(found, pictures) for waiting, found in zip(batch, answers, strict=True)]
            for told, step in enumerate(done, 1):
                yield replace(step, untold=len(done) - told)
            for waiting in batch:
                yield from waiting.advance(tracker, pictures)
        for job in jobs:
            job.end_pass()


class _Waiting:
    """A walk and the query that it waits for; None when it has arrived."""

    def __init__(self, job: AxisJob, walk: Walk, listener: Listener | None):
        self.job, self.walk, self.listener = job, walk, listener
        self.query: SliceQuery | None = None

    @property
    def shape(self) -> tuple[int, int] | None:
        return None if self.query is None else self.query.shape

    def order(self) -> tuple[int, int]:
        return -self.walk.left, -self.walk.step

    def advance(self, tracker: SliceTracker, pictures: PlanePictures) -> Iterator[Step]:
        """Go on over what is prompted or known already, up to the next slice that has to be computed."""
        self.query = None
        while self.walk.position is not None:
            query = self.walk.query()
            prediction = None if query is None else tracker.recall(pictures, query)
            if query is not None and prediction is None:
                self.query = query
                return
            yield self.take(prediction, pictures, known=True)

    def take(self, prediction: SlicePrediction | None, pictures: PlanePictures, known: bool = False) -> Step:
        """Give the walk, which has not arrived, its answer."""
        position = self.walk.position
        assert position is not None
        if self.listener is not None:
            self.listener(Visit(self.job, self.walk.step, position, self.walk.chosen, prediction))
        self.walk.go_on(prediction)
        return Step(self.job, self.job.index(position), known)
