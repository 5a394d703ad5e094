"""Intervals and tests of paired differences, on samples whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from SAM2VolumeSegLib.research.study.report.statistics import (
    BETTER,
    EQUAL,
    TOO_FEW,
    UNCLEAR,
    WORSE,
    Comparison,
    compare,
    correct,
    spread,
    unpaired_interval,
)


def paired(differences, cts=None):
    """Compare a row with another one that has these differences; every structure is of its own CT unless said."""
    names = range(len(differences))
    cts = cts if cts is not None else names
    return compare(dict(zip(names, differences, strict=True)), dict.fromkeys(names, 0.0), dict(enumerate(cts)))


def test_a_clear_gain_is_better_and_its_opposite_worse():
    gain = np.random.default_rng(0).normal(0.05, 0.05, 30)
    found = paired(gain)
    assert found.verdict == BETTER
    assert found.difference == pytest.approx(gain.mean())
    assert found.interval[0] < 0.05 < found.interval[1]
    assert found.p == pytest.approx(stats.wilcoxon(gain).pvalue)
    assert paired(-gain).verdict == WORSE


def test_noise_is_seldom_called_a_gain():
    noise = np.random.default_rng(1).normal(0, 0.05, (200, 20))
    assert sum(paired(sample).verdict != UNCLEAR for sample in noise) < 16  # 5 % of 200, and three sigma more


def test_one_outlier_makes_no_gain():
    assert paired([0.9] + [-0.001, 0.001] * 6).verdict == UNCLEAR


def test_structures_of_few_cts_do_not_count_as_if_they_were_independent():
    """Twelve CTs with twenty structures each that all move together are twelve observations."""
    by_ct = np.random.default_rng(3).normal(0, 0.05, 12)
    cts = np.repeat(np.arange(12), 20)
    together = paired(by_ct[cts], cts)
    assert (together.pairs, together.cts) == (240, 12)
    assert together.interval == pytest.approx(paired(by_ct).interval, abs=1e-4)  # sums of floats
    assert together.p == pytest.approx(paired(by_ct).p)


def test_intervals_of_few_cts_are_over_cts_and_have_no_verdict():
    """Four CTs of fifty structures each are four observations, however alike the fifty are."""
    by_ct = np.array([0.01, 0.02, 0.04, 0.09])
    cts = np.repeat(np.arange(4), 50)
    four = paired(by_ct[cts], cts)
    assert four.interval == pytest.approx(paired(by_ct).interval, abs=1e-4)  # sums of floats
    assert four.interval[1] - four.interval[0] > 0.03
    assert (four.verdict, four.p) == (TOO_FEW, None)
    assert paired(by_ct[cts[:100]], cts[:100]).interval is None, "two CTs have no spread to speak of"


def test_the_interval_of_cts_of_unequal_size_is_around_the_mean_over_structures():
    rng = np.random.default_rng(4)
    cts = np.repeat(np.arange(15), rng.integers(1, 9, 15))
    differences = rng.normal(0.1, 0.03, cts.size)
    found = paired(differences, cts)
    assert found.difference == pytest.approx(differences.mean())
    assert found.interval[0] < differences.mean() < found.interval[1]


def test_equal_rows_are_identical_and_few_pairs_say_nothing():
    assert paired([0.0] * 8).verdict == EQUAL
    five = paired([0.1, 0.2, 0.3, 0.4, 0.5])
    assert (five.verdict, five.p) == (TOO_FEW, None) and five.interval[0] < 0.3 < five.interval[1]
    assert paired([0.1, 0.2]).interval is None
    assert compare({"a": 0.5}, {"b": 0.5}, {"a": 1, "b": 2}) == Comparison(0, 0)
    assert paired([0.1] * 7).interval == pytest.approx((0.1, 0.1))


def test_only_structures_that_both_have_are_compared():
    values, others = dict.fromkeys(range(8), 0.9), dict.fromkeys(range(2, 12), 0.5)
    found = compare(values, others, {name: name for name in range(12)})
    assert (found.pairs, found.difference) == (6, pytest.approx(0.4))


def test_holm_gives_the_figures_of_a_textbook():
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02 (R: p.adjust, method holm)."""
    given = [Comparison(9, 9, 0.1, (0.0, 0.2), p) for p in (0.01, 0.04, 0.03, 0.005)]
    given.insert(2, Comparison(3, 3, 0.1))
    assert [one.p for one in correct(given)] == [
        *map(pytest.approx, (0.03, 0.06)),
        None,
        *map(pytest.approx, (0.06, 0.02)),
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5).map(lambda x: round(x, 3)), min_size=6, max_size=25))
def test_any_differences_have_an_interval_and_swapping_the_rows_turns_it_round(differences):
    one, other = paired(differences), paired([-x for x in differences])
    assert one.interval[0] <= one.interval[1]
    assert one.difference == pytest.approx(-other.difference)
    assert one.p == pytest.approx(other.p)
    assert (one.verdict == BETTER) == (other.verdict == WORSE) or abs(one.interval[0]) < 0.01  # resampling differs


def test_the_spread_is_that_of_a_sample():
    assert spread([1.0, 3.0]).sd == pytest.approx(np.sqrt(2))
    assert spread([1.0]).sd is None
    assert spread([]) is None


def test_two_samples_that_differ_have_an_interval_without_zero():
    rng = np.random.default_rng(5)
    first, second = (list(enumerate(rng.normal(mean, 0.02, count))) for mean, count in ((0.1, 12), (0, 30)))
    lower, upper = unpaired_interval(first, second)
    assert 0 < lower < 0.1 < upper + 0.02
    assert unpaired_interval(first[:2], second) is None


def test_two_samples_of_the_same_cts_are_resampled_by_ct():
    """Each structure five times is no more knowledge; and what moves a whole CT cancels out."""
    rng = np.random.default_rng(6)
    first, second = (list(enumerate(rng.normal(mean, 0.02, 10))) for mean in (0.1, 0))
    assert unpaired_interval(first * 5, second * 5) == pytest.approx(unpaired_interval(first, second))
    moved = [[(ct, value + ct) for ct, value in sample] for sample in (first, second)]
    assert unpaired_interval(*moved) == pytest.approx(unpaired_interval(first, second))
