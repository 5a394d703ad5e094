"""Means, and paired differences with an interval, so that nobody reads noise as gain. scipy does the work."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

MIN_PAIRS = 6
"""Fewer pairs cannot give a two-sided Wilcoxon p below 0.05 (five: 0.0625), so they get no interval either."""
MIN_CTS = 10
"""From this many CTs on, CTs are resampled, because structures of one CT are not independent; below, structures are."""
RESAMPLES = 9999
LEVEL = 0.95
BETTER, WORSE, UNCLEAR, EQUAL, TOO_FEW = "better", "worse", "no clear difference", "identical", "too few structures"


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation.

    Attributes:
        n: values.
        mean: of them.
        sd: of the sample; None for a single value.
    """

    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True)
class Comparison:
    """A row against another one, over the structures that both have.

    Attributes:
        pairs: structures.
        cts: CTs that they are from.
        difference: mean of row minus other; None without a pair.
        interval: 95 % confidence interval of it; None where there are too few pairs.
        p: two-sided Wilcoxon signed-rank, Holm-corrected once `correct` was called; None where there are too few pairs.
        units: what was resampled and ranked, "CTs" or "structures".
        towards: sign of the rank sum: 1 where most and the largest differences are positive, -1 negative, else 0.
    """

    pairs: int
    cts: int
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    units: str = "structures"
    towards: int = 0

    @property
    def verdict(self) -> str:
        """In words, for a quantity of which more is better.

        Better or worse only where the interval excludes zero, p is below 0.05, and mean and ranks point the same way.
        """
        if self.interval is None:
            return TOO_FEW
        if self.p is None or self.p >= 1 - LEVEL:
            return EQUAL if self.interval == (0.0, 0.0) else UNCLEAR
        if self.interval[0] > 0 and self.towards > 0:
            return BETTER
        return WORSE if self.interval[1] < 0 and self.towards < 0 else UNCLEAR


def spread(values: Sequence[float]) -> Spread | None:
    """Return mean and standard deviation, None where there is no value."""
    if not len(values):
        return None
    return Spread(len(values), float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def compare(
    values: Mapping[Hashable, float], others: Mapping[Hashable, float], ct_of: Mapping[Hashable, Hashable]
) -> Comparison:
    """Compare two rows over the structures that both have.

    Args:
        values: structure -> figure of the row.
        others: structure -> figure of the row that it is compared with.
        ct_of: structure -> its CT.

    Returns:
        The mean difference with a BCa bootstrap interval (`scipy.stats.bootstrap`, 9,999 resamples, fixed seed) and the
        p of `scipy.stats.wilcoxon`. With at least ten CTs, whole CTs are resampled, and the ranks are of the mean
        differences of CTs; with fewer, structures take their place, and the interval is too narrow by as much as the
        structures of one CT resemble each other.
    """
    common = [structure for structure in values if structure in others]
    differences = np.array([values[structure] - others[structure] for structure in common])
    cts = [ct_of[structure] for structure in common]
    found = Comparison(len(common), len(set(cts)))
    if not common:
        return found
    by_ct = found.cts >= MIN_CTS
    found = replace(found, difference=float(differences.mean()), units="CTs" if by_ct else "structures")
    if found.pairs < MIN_PAIRS:
        return found
    _, group = np.unique(cts, return_inverse=True) if by_ct else (None, np.arange(len(common)))
    sums, sizes = np.bincount(group, differences), np.bincount(group)
    # Equal differences of rounded figures differ in their last digits, which must not give them ranks.
    p, towards = _wilcoxon(np.round(sums / sizes, 9))
    return replace(found, interval=_interval(sums, sizes), p=p, towards=towards)


def unpaired_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the difference of the means of two independent samples, None where one is too small.

    Structures are resampled (percentile bootstrap: BCa is for one sample in scipy's older versions).
    """
    if min(len(first), len(second)) < MIN_PAIRS:
        return None
    from scipy.stats import bootstrap

    def difference(one, other, axis=-1):
        return np.mean(one, axis=axis) - np.mean(other, axis=axis)

    found = bootstrap((first, second), difference, **_BOOTSTRAP, method="percentile", random_state=_generator())
    return tuple(float(side) for side in found.confidence_interval)


def correct(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Correct the p of comparisons that belong together by Holm's step-down method; those without a p do not count."""
    tested = sorted((one.p, number) for number, one in enumerate(comparisons) if one.p is not None)
    corrected, floor = list(comparisons), 0.0
    for rank, (p, number) in enumerate(tested):
        floor = min(1.0, max(floor, p * (len(tested) - rank)))
        corrected[number] = replace(comparisons[number], p=floor)
    return corrected


_BOOTSTRAP = {"n_resamples": RESAMPLES, "confidence_level": LEVEL, "vectorized": True, "batch": 500}


def _generator() -> np.random.Generator:
    return np.random.default_rng(0)


def _interval(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Interval of the mean over all structures, when groups of them (sum of differences, number) are resampled."""
    from scipy.stats import bootstrap

    means = np.round(sums / sizes, 9)
    if np.ptp(means) == 0:  # nothing varies, and BCa would divide by zero
        return float(means[0]), float(means[0])

    def mean(sums, sizes, axis=-1):
        return sums.sum(axis=axis) / sizes.sum(axis=axis)

    found = bootstrap((sums, sizes), mean, paired=True, method="BCa", random_state=_generator(), **_BOOTSTRAP)
    return tuple(float(side) for side in found.confidence_interval)


def _wilcoxon(differences: np.ndarray) -> tuple[float, int]:
    """Return p, and the sign of the sum of signed ranks."""
    from scipy.stats import rankdata, wilcoxon

    nonzero = differences[differences != 0]
    if not nonzero.size:
        return 1.0, 0
    ranks = rankdata(np.abs(nonzero))
    # The exact distribution is that of ranks without ties.
    exact = nonzero.size <= 50 and len(np.unique(ranks)) == len(ranks)
    p = wilcoxon(nonzero, method="exact" if exact else "approx").pvalue
    return float(p), int(np.sign(np.sum(np.sign(nonzero) * ranks)))
