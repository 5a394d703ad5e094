"""The time left, against a simulated clock: as a user's runs come one after the other, on pretended computers."""

from dataclasses import replace

import numpy as np
import pytest
from propagation_runs import finish

from SAM2VolumeSegLib.model.pace import Speed
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter
from SAM2VolumeSegLib.research.bench.cases import BenchCase
from SAM2VolumeSegLib.research.bench.time_left import PRICES, WANTED, SimulatedClock, promise_of, promises
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

WRONG = 2.0  # an estimate before a run, which does not know how far beyond the paint it goes


def some_balls(count: int) -> BenchCase:
    """Balls in rows of five, painted on three slices in each view; to be corrected in the middle of the first."""
    side = 22
    k, j, i = np.indices((side, side * -(-count // 5), side * min(count, 5)))
    masks = {}
    for n in range(count):
        row, column = side * (n // 5) + 11, side * (n % 5) + 11
        masks[f"Ball {n + 1}"] = (k - 11) ** 2 + (j - row) ** 2 + (i - column) ** 2 < 8**2
    voxels = np.where(np.any(list(masks.values()), axis=0), 600, -50).astype(np.int16)
    volume = Volume(voxels, np.eye(4), "balls")
    before = {name: simulate_seeds(mask, volume, "quarters", list(Plane)) for name, mask in masks.items()}
    first, middle, *others = before["Ball 1"]
    hole = middle.mask.copy()
    hole[10:13, 10:13] = False
    after = before | {"Ball 1": [first, replace(middle, mask=hole), *others]}
    return BenchCase("balls", volume, after, masks, RECOMMENDED, before)


@pytest.mark.parametrize(("count", "machine"), [*((1, machine) for machine in PRICES), (10, "large model")])
def test_the_time_left_is_true_within_a_factor_from_slice_10_on(a_fast_tracker, count, machine):
    """ "34 min" at slice 5 was "4 min" at slice 29; after one corrected slice, "13 s" took 62 s."""
    found = promises(a_fast_tracker, some_balls(count), PRICES[machine])
    assert list(found) == ["nothing known", "measured", "all known", "one changed seed", "after a cancelled run"]
    assert {label: promise.worst for label, promise in found.items() if promise.worst > WANTED} == {}
    assert {label: promise.before for label, promise in found.items() if (promise.before or 1) > WRONG} == {}
    assert found["one changed seed"].seconds < found["measured"].seconds


def test_a_busy_moment_and_a_wrong_memory_do_not_last(a_fast_tracker):
    """What is said comes from what is seen, and the speed that is kept is that of the computer when it is not busy."""
    case, price = some_balls(1), PRICES["large model"]
    wrong = Speed(*(4 * seconds for seconds in vars(price).values()))
    clock = SimulatedClock(price, busy=range(100, 110))
    with clock.of(a_fast_tracker):
        segmenter = Segmenter(a_fast_tracker, wrong)
        promise = promise_of(segmenter, clock, Request.of(case.volume, case.seeds, case.settings))
    assert promise.before > 2
    for kind in ("encode", "predict", "call", "memory", "prompt"):
        assert 1 / WANTED < segmenter.seen[kind] / getattr(price, kind) < WANTED, kind


def test_a_run_that_computes_nothing_says_nothing_about_the_network(a_fast_tracker):
    """A run with all in its cache was taken for a fast computer."""
    case = some_balls(1)
    request, segmenter = Request.of(case.volume, case.seeds, case.settings), Segmenter(a_fast_tracker)
    finish(segmenter.run(request))
    assert {"encode", "prompt", "call", "predict", "memory", "visit", "vote", "edge"} == set(segmenter.seen)
    known = segmenter.speed
    finish(segmenter.run(request))
    assert set(segmenter.seen) == {"visit", "vote", "edge"} and segmenter.speed.predict == known.predict
    run = segmenter.run(request)
    run.close()  # before it began
    assert segmenter.speed.predict == known.predict


def test_looking_up_what_is_known_is_part_of_a_run_and_can_be_cancelled(a_fast_tracker, monkeypatch):
    """On a large scan it takes seconds: the window lives meanwhile."""
    monkeypatch.setattr("SAM2VolumeSegLib.propagation.segmenter.TELL_AFTER", 0.0)
    case = some_balls(1)
    request, segmenter = Request.of(case.volume, case.seeds, case.settings), Segmenter(a_fast_tracker)
    finish(segmenter.run(request))
    run = segmenter.run(request)
    step = next(run)
    assert (step.plane, step.done, step.seconds_left) == (None, 0, None) and step.total > 0
    run.close()
    steps, result = finish(segmenter.run(request))
    assert steps[-1].seconds_left == 0 and result.segments["Ball 1"].mask.any()
