"""How fast something is, from calls that were timed: without warming up, busy moments, and guesses about its parts."""

import numpy as np
import pytest

from SAM2VolumeSegLib.model.pace import KINDS, Pace, Speed, Work

PARTS = "call", "predict", "memory"


def a_pace(*kinds, calls, **options):
    pace = Pace(*kinds, **options)
    for counts, seconds in calls:
        pace.add(counts, seconds)
    return pace


def test_the_first_call_does_not_count():
    """It chooses kernels and takes memory: the first time left was ten times too long."""
    pace = a_pace("encode", calls=[((1,), 20.0)])
    assert pace.counted == 0 and pace.ratio(Speed()) == 1
    pace.add((4,), 8.0)
    assert pace.seen(Speed())["encode"] == pytest.approx(2.0)
    assert pace.done.encode == 5 and pace.spent(Speed()) == 28


def test_a_busy_moment_does_not_count():
    """Another program ran for a minute in the middle of the run."""
    calls = [((1,), 0.5)] * 95 + [((1,), 60.0)] * 5
    assert a_pace("encode", calls=calls).seen(Speed())["encode"] == pytest.approx(0.5)


def test_expectation_gives_way_to_what_is_seen():
    """From the estimate to the truth, within the first slices."""
    speed, pace, ratios = Speed(encode=1.0), Pace("encode", first_counts=True), []
    for _ in range(6):
        pace.add((1,), 4.0)
        ratios.append(pace.ratio(speed, doubt=0.5))
    assert 2 < ratios[0] < ratios[-1] < 4 and ratios[-1] > 4 / 1.2
    assert pace.ratio(speed) == 4


def test_calls_of_different_make_up_tell_their_parts_apart():
    """A batch of eight, and one slice alone; many memories and few."""
    rng = np.random.default_rng(0)
    true = np.array([0.5, 0.2, 0.03])
    calls = [((1, n, n * m), float(true @ [1, n, n * m])) for n, m in rng.integers(1, 9, (200, 2))]
    seen = a_pace(*PARTS, calls=calls).seen(Speed())
    assert [seen[part] for part in PARTS] == pytest.approx(true.tolist(), rel=0.2)


def test_calls_that_are_all_alike_change_the_whole_and_keep_the_parts_sensible():
    """Nothing tells a call from its two predictions: each takes its share of what was wrong, and none is negative."""
    expected = Speed(call=0.4, predict=0.3, memory=0.01)
    for factor in (0.2, 1.0, 3.0):
        calls = [((1, 2, 8), factor * (0.4 + 2 * 0.3 + 8 * 0.01))] * 40
        seen = a_pace(*PARTS, calls=calls).seen(expected)
        assert expected.refined(seen).seconds(Work(call=1, predict=2, memory=8)) == pytest.approx(calls[0][1])
        assert min(seen.values()) > 0


def test_on_a_graphics_card_some_calls_are_waited_for_and_stand_for_all():
    """It answers before it is done: what is timed without waiting is how long it takes to give an order."""
    now, due = [0.0], [0.0]

    def wait():
        now[0] += due[0]
        due[0] = 0.0

    pace = Pace("encode", now=lambda: now[0], wait=wait)
    for _ in range(64):
        with pace.timed(1):
            now[0] += 0.001
            due[0] += 0.5
    assert pace.seen(Speed())["encode"] == pytest.approx(0.501)
    assert pace.spent(Speed()) == pytest.approx(64 * 0.501)
    assert 8 <= pace.counted <= 16


def test_every_kind_of_work_has_a_price():
    assert KINDS == tuple(vars(Speed())) == tuple(vars(Work()))
    assert Speed().seconds(Work(*(1.0,) * len(KINDS))) == pytest.approx(sum(vars(Speed()).values()))
