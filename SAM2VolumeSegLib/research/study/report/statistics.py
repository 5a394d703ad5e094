"""Means, and paired differences with an interval, so that nobody reads noise as gain. scipy does the work."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

MIN_CTS = 3
"""Fewer CTs get no interval: with two, nothing but the one, the other and their mean could come out."""
MIN_RANKED = 6
"""Fewer CTs cannot give a two-sided Wilcoxon p below 0.05 (five: 0.0625), so they get no verdict."""
FEW_CTS = 10
"""Intervals of fewer CTs are coarse: resampling few knows only their own spread, and is too narrow for others."""
RESAMPLES = 9999
FEW_RESAMPLES = 999
"""Of figures that are computed anew for each, not for all at once."""
LEVEL = 0.95
Value = TypeVar("Value")
BETTER, WORSE, UNCLEAR, EQUAL, TOO_FEW = "better", "worse", "no clear difference", "identical", "too few CTs"


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
        interval: 95 % confidence interval of it; None where there are too few CTs.
        p: two-sided Wilcoxon signed-rank, Holm-corrected once `correct` was called; None where there are too few CTs.
        towards: sign of the rank sum: 1 where most and the largest differences are positive, -1 negative, else 0.
    """

    pairs: int
    cts: int
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    towards: int = 0

    @property
    def verdict(self) -> str:
        """In words, for a quantity of which more is better.

        Better or worse only where the interval excludes zero, p is below 0.05, and mean and ranks point the same way.
        """
        if self.interval is None or self.p is None:
            return TOO_FEW
        if self.p >= 1 - LEVEL:
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
        p of `scipy.stats.wilcoxon`. Structures of one CT are not independent, so whole CTs are resampled, and the ranks
        are of the mean differences of CTs.
    """
    common = [structure for structure in values if structure in others]
    differences = np.array([values[structure] - others[structure] for structure in common])
    cts = [ct_of[structure] for structure in common]
    found = Comparison(len(common), len(set(cts)))
    if not common:
        return found
    found = replace(found, difference=float(differences.mean()))
    if found.cts < MIN_CTS:
        return found
    sums, sizes = _by_ct(differences, cts)
    found = replace(found, interval=_interval(sums, sizes))
    if found.cts < MIN_RANKED:
        return found
    # Equal differences of rounded figures differ in their last digits, which must not give them ranks.
    p, towards = _wilcoxon(np.round(sums / sizes, 9))
    return replace(found, p=p, towards=towards)


def unpaired_interval(
    first: Sequence[tuple[Hashable, float]], second: Sequence[tuple[Hashable, float]]
) -> tuple[float, float] | None:
    """Return the 95 % interval of the difference of the means of two samples, None where there is too little.

    Whole CTs are resampled (percentile bootstrap); resamples without one of the samples do not count.

    Args:
        first: CT and figure of each structure.
        second: likewise; the CTs may be the same ones.
    """
    if min(len({ct for ct, _ in sample}) for sample in (first, second)) < MIN_CTS:
        return None
    cts = list(dict.fromkeys(ct for ct, _ in (*first, *second)))
    place = {ct: number for number, ct in enumerate(cts)}
    drawn = _generator().multinomial(len(cts), np.full(len(cts), 1 / len(cts)), RESAMPLES)  # how often each CT is there
    means = []
    for sample in (first, second):
        where, values = [place[ct] for ct, _ in sample], [value for _, value in sample]
        sizes = drawn @ np.bincount(where, minlength=len(cts))
        with np.errstate(invalid="ignore"):
            means.append(drawn @ np.bincount(where, values, len(cts)) / sizes)
    lower, upper = np.nanquantile(means[0] - means[1], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(lower), float(upper)


def resampled(
    values: Sequence[tuple[Hashable, Value]], statistic: Callable[[Sequence[Value]], float | None]
) -> tuple[float, float] | None:
    """Return the 95 % interval of any figure of a sample, None where there are too few CTs.

    Whole CTs are resampled (percentile bootstrap); resamples without the figure do not count.

    Args:
        values: CT and value of each structure.
        statistic: gives the figure of some of the values.
    """
    by_ct: dict[Hashable, list[Value]] = {}
    for ct, value in values:
        by_ct.setdefault(ct, []).append(value)
    if len(by_ct) < MIN_CTS:
        return None
    groups, generator = list(by_ct.values()), _generator()
    drawn = generator.integers(len(groups), size=(FEW_RESAMPLES, len(groups)))
    found = [statistic([value for number in numbers for value in groups[number]]) for numbers in drawn]
    known = [one for one in found if one is not None]
    if not known:
        return None
    lower, upper = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(lower), float(upper)


def _by_ct(values: np.ndarray, cts: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of the values of each CT, and how many it has."""
    place = {ct: number for number, ct in enumerate(dict.fromkeys(cts))}
    group = [place[ct] for ct in cts]
    return np.bincount(group, values), np.bincount(group)


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
