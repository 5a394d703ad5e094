"""The time that is left of a run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from math import prod

from SAM2VolumeSegLib.model.pace import DOUBT, Pace, Speed, Work
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.claims import Claim
from SAM2VolumeSegLib.propagation.fuse import Piece
from SAM2VolumeSegLib.propagation.result import Progress, SegmentResult
from SAM2VolumeSegLib.propagation.together import Step
from SAM2VolumeSegLib.propagation.workload import BEYOND, WITHOUT_EDGES, Workload

TELL_AFTER = 0.1  # seconds: often enough for a bar and for Cancel
ENOUGH = 5  # calls of a kind that say how fast it is
TOGETHER = 16  # slices that are gone over between two looks at the clock: a batch of them ends at once
UNSURE = 8.0  # stops beyond the seeds after which what is seen of their number counts as much as what is usual
NOT_DONE = 0.1
"""Of the time that a piece of work has taken, what it takes still at least, when it takes longer than expected."""


class Clock:
    """Counts what a run has done, and says how long the rest takes.

    What is left is known (`Workload`), slices that an earlier run has computed included. How long each kind of it takes
    is first what was expected, and more and more what is seen. So a change of the mix on the way, from encoding and
    predicting to predicting alone, or to votes and surfaces, is foreseen.
    """

    def __init__(
        self, tracker: SliceTracker, jobs: Sequence[AxisJob], work: Workload, expected: Speed, is_measured: bool
    ):
        """Start.

        Args:
            tracker: of the run.
            jobs: all of the run.
            work: what they have to compute.
            expected: how fast all is thought to be.
            is_measured: whether that was measured of the tracker; else a run shows how fast it is.
        """
        self._tracker, self._jobs, self._work = tracker, jobs, work
        self._measured, self._speed = is_measured, expected
        self._before = dict(tracker.beyond)
        tracker.restart_paces()
        now = tracker.now
        self._visit, self._vote, self._edge = (
            Pace(kind, now=now, first_counts=True) for kind in ("visit", "vote", "edge")
        )
        self._computed = {(job.name, job.pictures.view.plane): 0 for job in jobs}
        self._steps = 0
        self._votes, self._surfaces = dict(work.votes), dict(work.surfaces)
        self._told = self._looked = self._began = now()
        self._network = 0.0
        self._said: tuple[float, float | None] | None = None  # when, and how many seconds were left

    def predicted(self, step: Step) -> Progress:
        """Progress after one more slice."""
        plane = step.job.pictures.view.plane
        self._computed[step.job.name, plane] += not step.known
        self._steps += 1
        if self._steps % TOGETHER == 0:
            spent, now = sum(pace.spent(self._speed) for pace in self._paces), self._tracker.now()
            self._visit.add((TOGETHER,), max(0.0, (now - self._looked) - (spent - self._network)))
            self._looked, self._network = now, spent
        return self._progress(step.job.name, step)

    def voting(self, jobs: Sequence[AxisJob], votes: Generator[None, None, Claim]) -> Generator[Progress, None, Claim]:
        """Report while the votes of a segment are taken.

        Args:
            jobs: Those of the segment, which have arrived.
            votes: Does the work, a slice at a time.

        Yields:
            Progress, several times a second.

        Returns:
            What `votes` returns.
        """
        name = jobs[0].name
        self._began = self._tracker.now()
        while True:
            try:
                next(votes)
            except StopIteration as end:
                claim: Claim = end.value
                break
            if self._tracker.now() - self._told > TELL_AFTER:
                yield self._progress(name, began="vote")
        self._vote.add((self._votes.pop(name),), self._tracker.now() - self._began)
        edges = jobs[0].settings.edges
        self._surfaces[name] = prod(claim.box.shape) * (1.0 if edges else WITHOUT_EDGES)
        self._looked = self._tracker.now()
        return claim

    def fusing(
        self, pieces: Generator[Piece, None, dict[str, SegmentResult]]
    ) -> Generator[Progress, None, dict[str, SegmentResult]]:
        """Report while claims become masks.

        Args:
            pieces: Does the work, and says after each piece of it for which segment.

        Yields:
            Progress, several times a second and at the end.

        Returns:
            What `pieces` returns.
        """
        self._began = self._tracker.now()
        name = self._jobs[0].name
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                segments: dict[str, SegmentResult] = end.value
                break
            name = piece.name
            if piece.is_last and (voxels := self._surfaces.pop(name, 0.0)):
                self._edge.add((voxels,), self._tracker.now() - self._began)
                self._began = self._tracker.now()
            if self._tracker.now() - self._told > TELL_AFTER:
                yield self._progress(name, began="edge")
        self._surfaces.clear()
        self._said = None
        yield self._progress(name)
        return segments

    def stop(self) -> dict[str, float]:
        """The run is over, or cancelled.

        Returns:
            Seconds for one of each kind of work that was done often enough to tell, what was known left out.
        """
        for job in self._jobs:
            seen, most = job.ended_beyond
            if most and job.wanted is None:  # a walk through a part ends before the structure does
                self._tracker.beyond[job.pictures.key, job.name] = seen, most
        found: dict[str, float] = {}
        for pace, enough in ((self._vote, 1), (self._edge, 1), *((pace, ENOUGH) for pace in self._paces)):
            if pace.counted >= enough:
                found |= pace.seen(self._speed)
        if self._visit.counted >= ENOUGH:
            found |= self._visit.seen(self._speed)
        return found

    @property
    def _paces(self) -> tuple[Pace, Pace, Pace]:
        """Of the network."""
        return self._tracker.encode_pace, self._tracker.prompt_pace, self._tracker.predict_pace

    def _progress(self, segment: str, step: Step | None = None, began: str = "") -> Progress:
        self._told = now = self._tracker.now()
        remaining = sum(job.remaining for job in self._jobs)
        plane, index = (step.job.pictures.view.plane, step.index) if step else (None, None)
        if self._said is None or now - self._said[0] > TELL_AFTER:
            self._said = now, self._seconds_left(remaining, began)
        at, left = self._said
        left = None if left is None else max(0.0, left - (now - at))
        untold = step.untold if step else 0
        return Progress(segment, plane, index, self._steps, self._steps + remaining + untold, left)

    def _seconds_left(self, to_visit: int, began: str) -> float | None:
        """None as long as too little was done to tell, and nothing was expected.

        Args:
            to_visit: slices, known ones included.
            began: the kind of work that goes on since `_began`, of one segment.
        """
        shares = self._shares_beyond()
        predict = sum((self._left(job, shares[job]) for job in self._jobs), Work())
        encode, prompt, track = self._paces
        if not self._measured and predict.predict and not track.counted:
            return None
        once, speed = self._work.once, self._speed
        left = [
            (encode, Work(encode=min(max(0.0, once.encode - encode.done.encode), self._to_encode(shares)))),
            (prompt, Work(prompt=max(0.0, once.prompt - prompt.done.prompt) if to_visit else 0.0)),
            (track, predict),
            (self._visit, Work(visit=to_visit)),
            (self._vote, Work(vote=sum(self._votes.values()))),
            (self._edge, Work(edge=sum(self._surfaces.values()))),
        ]
        seconds = {pace.kinds[0]: self._ratio(pace) * speed.seconds(work) for pace, work in left}
        if began:  # one of them is done by a part
            spent = self._tracker.now() - self._began
            seconds[began] = max(seconds[began] - spent, NOT_DONE * spent) if seconds[began] else 0.0
        return sum(seconds.values())

    def _shares_beyond(self) -> dict[AxisJob, float]:
        """Of the stops beyond the outermost seeds that could be visited, those that will be.

        An earlier run has shown it for the same segment, or this one does for others.
        """
        ended = [job.ended_beyond for job in self._jobs]
        seen, most = sum(seen for seen, _ in ended), sum(most for _, most in ended)
        usual = (seen + UNSURE * BEYOND) / (most + UNSURE)
        shares = {}
        for job in self._jobs:
            seen, most = self._before.get((job.pictures.key, job.name), (0, 0))
            shares[job] = (seen + usual) / (most + 1)
        return shares

    def _left(self, job: AxisJob, share: float) -> Work:
        """What is left to be predicted of a job."""
        axis, remaining = (job.name, job.pictures.view.plane), job.remaining
        left = min(max(0.0, self._work.axes[axis].predict - self._computed[axis]), remaining)
        if not left:
            return Work()
        return self._work.part(axis, left * len(job.ahead(share)) / remaining)

    def _to_encode(self, shares: Mapping[AxisJob, float]) -> int:
        """Slices that will probably have to be encoded still, each once."""
        wanted = {
            (job.pictures, job.index(stop))
            for job in self._jobs
            if job.remaining
            for stop in set(job.ahead(shares[job]))
        }
        return sum(not self._tracker.is_encoded(*slice_) for slice_ in wanted)

    def _ratio(self, pace: Pace) -> float:
        """How many times as long as expected a kind of work takes."""
        if self._measured:
            return pace.ratio(self._speed, DOUBT)
        if pace.counted or pace not in self._paces:
            return pace.ratio(self._speed)
        # Nobody knows; it is the same computer, and the same network.
        ratios = [other.ratio(self._speed) for other in self._paces if other.counted]
        return sum(ratios) / len(ratios) if ratios else 1.0
