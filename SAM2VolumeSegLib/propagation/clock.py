"""The time that is left of a run."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import TypeVar

from SAM2VolumeSegLib.model.pace import Pace
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.result import Progress
from SAM2VolumeSegLib.volume import Plane

Answer = TypeVar("Answer")
VOTE_SHARE, FUSE_SHARE = 0.3, 0.5
"""Of the time that a prediction takes: bringing its vote into the volume's grid, and a step of `fuse`. Taken as long as
none was timed."""
PREDICTION = {True: 0.6, False: 3.6}
"""In prompts, how long a prediction takes, in batches and alone (demo at 64 and 160 px, tiny at 512, on a CPU)."""
FUSE_STEPS = 10  # about what `fuse` makes for each segment
TELL_AFTER = 0.1  # seconds: often enough for a bar and for Cancel


class Clock:
    """Counts what a run has done, and says how long the rest takes.

    Encoding a slice (each once), predicting it (for every segment, direction and pass), its vote, and what is done to
    each segment in the end take different times, and the mix of them changes on the way: hence a pace for each. Slices
    that are known from an earlier run take no time; how many of those left are known, nobody knows yet, so the time
    left can only be shorter than it says.
    """

    def __init__(self, tracker: SliceTracker, jobs: Sequence[AxisJob]):
        self._tracker, self._jobs = tracker, jobs
        tracker.restart_paces()
        self._started, self._since = time.monotonic(), 0
        wanted = {(job.pictures, job.index(stop)) for job in jobs for stop in job.stops.span.positions}
        # Segments on one crop share pictures, and each slice is encoded once.
        self._encoded_at_end = tracker.encoded + sum(not tracker.is_encoded(*slice_) for slice_ in wanted)
        self._predicted, self._told, self._beside = 0, time.monotonic(), 0.0
        self._unvoted, self._vote_pace = list(jobs), Pace()
        self._unfused, self._fuse_pace = FUSE_STEPS * len({job.name for job in jobs}), Pace()

    def predicted(self, segment: str, plane: Plane, index: int) -> Progress:
        """Progress after one more slice."""
        self._predicted += 1
        return self._progress(segment, plane, index)

    def voting(
        self, jobs: Sequence[AxisJob], votes: Generator[None, None, Answer]
    ) -> Generator[Progress, None, Answer]:
        """Report while the votes of a segment are taken.

        Args:
            jobs: Those of the segment, which have arrived.
            votes: Does the work, a slice at a time.

        Yields:
            Progress, several times a second.

        Returns:
            What `votes` returns.
        """
        while True:
            with self._vote_pace.timed(1):
                try:
                    next(votes)
                except StopIteration as end:
                    self._unvoted = [job for job in self._unvoted if job not in jobs]
                    return end.value
            if time.monotonic() - self._told > TELL_AFTER:
                yield self._progress(jobs[0].name)

    def fusing(self, segments: Generator[str, None, Answer]) -> Generator[Progress, None, Answer]:
        """Report while claims become masks.

        Args:
            segments: Does the work; yields the name of a segment after each piece of it.

        Yields:
            Progress, several times a second and at the end.

        Returns:
            What `segments` returns.
        """
        while True:
            with self._fuse_pace.timed(1):
                try:
                    name = next(segments)
                except StopIteration as end:
                    answer = end.value
                    break
            self._unfused = max(self._unfused - 1, 0)
            if time.monotonic() - self._told > TELL_AFTER:
                yield self._progress(name)
        self._unfused = 0
        yield self._progress(name)
        return answer

    def _progress(self, segment: str, plane: Plane | None = None, index: int | None = None) -> Progress:
        self._told = time.monotonic()
        remaining = sum(job.remaining for job in self._jobs)
        done = self._predicted
        return Progress(segment, plane, index, done, done + remaining, self._seconds_left(remaining))

    def _seconds_left(self, to_predict: int) -> float | None:
        """None as long as too little was done to tell."""
        paces = self._tracker.encode_pace, self._tracker.prompt_pace, self._tracker.predict_pace
        encode, predict, prompt = paces[0].each, paces[2].each, paces[1].fastest
        spent = time.monotonic() - sum(pace.total for pace in paces)
        if predict is None:  # up to the first predictions memory is taken, files are opened, masks are remembered
            self._started, self._since = spent, self._predicted
        elif to_predict:  # what lies between the calls of the network
            self._beside = max(0.0, spent - self._started) / max(self._predicted - self._since, 1)
        if predict is None and prompt:  # many segments have many prompts before the first prediction
            predict = prompt * PREDICTION[self._tracker.plan.batch_size > 1]
        if predict is None and to_predict:
            return None
        predict = predict or 0.0  # nothing was predicted and nothing has to be: all is known
        work = [
            (self._encoded_at_end - self._tracker.encoded, encode or predict),
            (to_predict, predict + self._beside),
            (sum(job.vote_count for job in self._unvoted), self._vote_pace.each or VOTE_SHARE * predict),
            (self._unfused, self._fuse_pace.each or FUSE_SHARE * predict),
        ]
        return sum((count * each for count, each in work if count > 0), 0.0)
