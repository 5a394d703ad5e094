"""Whether the time left that a run says is true, by a simulated clock: the same on every machine, however busy."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import prod
from unittest.mock import patch

import numpy as np

from SAM2VolumeSegLib.model.pace import Speed, Work
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.panel.measure import measure
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import Request, Segmenter, Sight, edges
from SAM2VolumeSegLib.propagation import segmenter as running
from SAM2VolumeSegLib.propagation.workload import work_ahead
from SAM2VolumeSegLib.research.bench.cases import BenchCase, corrected, tubes

FIRST = 10  # slices before the time left has to be right
SLIGHT = 2.0, 0.05
"""Seconds, and share of the run: what is said may be wrong by the larger of them. A walk that goes on beyond the paint
ends with its structure, and where that is, nobody knows."""
WANTED = 1.5
NOISE = 0.1  # of what a call takes, as the standard deviation of its logarithm
PRICES = {
    "demo": Speed(),
    "large model": Speed(1.2, 0.5, 0.08, 0.5, 0.05, 5e-4, 1e-7, 1.5e-6),
    "fine grid": Speed(0.1, 0.15, 0.02, 0.05, 2e-3, 5e-4, 2.5e-6, 2.5e-5),
}
"""What each kind of work costs on machines that are pretended: as the demo model, a large one, and one whose CT is so
fine that half of the time goes to votes and surfaces."""

fusing = import_module("SAM2VolumeSegLib.propagation.fuse")  # the package has a function of that name


@dataclass
class SimulatedClock:
    """A clock that only the work of a tracker moves.

    Attributes:
        price: seconds for one of each kind of work.
        noise: standard deviation of the logarithm of what each call takes in place of its price.
        busy: calls, by number, during which another program makes everything ten times as slow.
        time: the time in seconds.
    """

    price: Speed
    noise: float = NOISE
    busy: range = range(0)
    time: float = 0.0
    _calls: int = 0
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def spend(self, work: Work) -> None:
        """Let the time go on by what work costs."""
        self._calls += 1
        slow = 10.0 if self._calls in self.busy else 1.0
        self.time += slow * self.price.seconds(work) * float(np.exp(self._random.normal(0, self.noise)))

    @contextmanager
    def of(self, tracker: SliceTracker) -> Iterator[SimulatedClock]:
        """Time a tracker's runs by this clock."""
        network = tracker.network
        methods = {
            "encode": lambda pictures: Work(encode=len(pictures)),
            "prompt": lambda *given: Work(prompt=1),
            "track": lambda levels, queries: Work(
                call=1, predict=len(queries), memory=sum(len(query.spatial) for query in queries)
            ),
        }
        with (
            patch.object(tracker, "now", lambda: self.time),
            patch.object(tracker, "recall", self._paid(tracker.recall, lambda *given: Work(visit=1))),
            patch.object(running, "claim_of", self._in_steps(running.claim_of, _votes_of)),
            patch.object(fusing, "at_edges", self._in_steps(fusing.at_edges, _surface_of)),
            patch.object(edges, "at_edges", self._in_steps(edges.at_edges, _surface_of)),
        ):
            for name, work in methods.items():
                setattr(network, name, self._paid(getattr(network, name), work))
            try:
                yield self
            finally:
                for name in methods:
                    delattr(network, name)

    def _paid(self, compute: Callable, work: Callable[..., Work]) -> Callable:
        def paid(*given):
            answer = compute(*given)
            self.spend(work(*given))
            return answer

        return paid

    def _in_steps(self, generate: Callable[..., Generator], work: Callable[..., Work]) -> Callable[..., Generator]:
        """The same generator, each step of which costs its share."""

        def stepped(*given):
            steps = Steps(generate(*given))
            count = sum(1 for _ in steps)
            for _ in range(count):
                self.spend(work(steps.result, *given).times(1 / count))
                yield
            return steps.result

        return stepped


def _votes_of(claim, volume, seeds, jobs, *others) -> Work:
    return Work(vote=len(jobs) * prod(claim.box.shape))


def _surface_of(found, image, *others) -> Work:
    return Work(edge=image.size)


@dataclass(frozen=True)
class Promise:
    """What a run said of its time.

    Attributes:
        before: factor between the estimate before the run and its true time; None: nobody could tell.
        worst: the largest such factor of the time left, from slice FIRST on, where it is wrong by more than SLIGHT.
        seconds: of the run, simulated.
    """

    before: float | None
    worst: float
    seconds: float


def promise_of(segmenter: Segmenter, clock: SimulatedClock, request: Request, steps: int | None = None) -> Promise:
    """Run, and compare what was said with what came.

    Args:
        segmenter: its tracker is timed by `clock`.
        clock: moves with the run.
        request: of the run.
        steps: cancel it after so many; None: not at all.
    """
    said, started, estimate = [], clock.time, None
    run = segmenter.run(request)
    if segmenter.speed is not None:
        sight = Sight(request.volume, request.named_seeds, request.settings, segmenter.tracker.plan.image_size)
        ahead = Steps(work_ahead(segmenter.tracker, sight))
        for _ in ahead:
            pass
        estimate = segmenter.speed.seconds(ahead.result.whole)
    for number, step in enumerate(run):
        if step.done >= FIRST and step.seconds_left is not None:
            said.append((step.seconds_left, clock.time))
        if number == steps:
            run.close()
    spent = clock.time - started
    seconds, share = SLIGHT
    true = [(left, clock.time - at) for left, at in said]
    factors = [_factor(*both) for both in true if abs(both[0] - both[1]) > max(seconds, share * spent)]
    return Promise(None if estimate is None else _factor(estimate, spent), max(factors, default=1.0), spent)


def ten_corrected() -> BenchCase:
    """Ten tubes, one of which is corrected on a slice after a run."""
    ten = tubes(10)
    first, *others = ten.seeds
    seeds = ten.seeds | {first: corrected(ten.seeds[first])}
    return replace(ten, seeds=seeds, before=ten.seeds)


def promises(tracker: SliceTracker, chosen: BenchCase, price: Speed, noise: float = NOISE) -> dict[str, Promise]:
    """What is said of the runs that a user makes of a case, one after the other.

    Args:
        tracker: forgets what it knows.
        chosen: one with `before`, so that there is something to correct.
        price: of the machine that is pretended.
        noise: see `SimulatedClock`.

    Returns:
        By what the run is.
    """
    assert chosen.before is not None
    first, corrected = (Request.of(chosen.volume, seeds, chosen.settings) for seeds in (chosen.before, chosen.seeds))
    clock = SimulatedClock(price, noise)
    with clock.of(tracker):
        tracker.forget()
        sight = Sight(chosen.volume, first.named_seeds, chosen.settings, tracker.plan.image_size)
        measured = Steps(measure(tracker, sight))
        for _ in measured:
            pass
        found = {}
        for label, speed in (("nothing known", None), ("measured", measured.result)):
            tracker.forget()
            found[label] = promise_of(Segmenter(tracker, speed), clock, first)
        segmenter = Segmenter(tracker, measured.result)
        found["all known"] = promise_of(segmenter, clock, first)
        found["one changed seed"] = promise_of(segmenter, clock, corrected)
        tracker.forget()
        promise_of(segmenter, clock, first, steps=60)
        found["after a cancelled run"] = promise_of(segmenter, clock, first)
    return found


def _factor(one: float, other: float) -> float:
    return max(one, other, 1e-9) / max(min(one, other), 1e-9)
