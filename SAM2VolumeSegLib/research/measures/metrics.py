"""How well a mask agrees with a reference (arXiv:2603.23116, appendix B-B), as tables and records have it.

`METRICS` lists every measure once: records, CSV columns, tables, demo and bench take name, title and digits from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.review.agreement import as_masks, dice, hausdorff95_mm, hausdorff_mm, iou, volume_difference_ml
from SAM2VolumeSegLib.volume import Box

NONE = "-"
"""What a table shows where there is no figure."""
CONTACT_MM = 5.0
"""Where structures touch: this near to the reference, and to a neighbour's."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a metric looks at.

    Attributes:
        result: mask [k, j, i].
        reference: mask of the same shape.
        spacing: mm between voxels in array order (k, j, i), that is ``volume.spacing[::-1]``.
        prompted: bool, of the same shape: every voxel of the slices that were given. None: no slice was.
        neighbours: bool, of the same shape: the references of other structures. None: none is known.
    """

    result: np.ndarray
    reference: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    prompted: np.ndarray | None = None
    neighbours: np.ndarray | None = None


@dataclass(frozen=True)
class Metric:
    """One measure. A new one is one more entry of `METRICS`.

    Attributes:
        name: in records, and the column of the CSV tables.
        title: what a table calls it.
        measure: gives the figure; infinity or NaN where it is not defined.
        unit: empty for a share, which lies between 0 and 1.
        digits: behind the point, in the report's tables.
        brief: digits in the short tables of demo and summary; None: it is not shown there.
        better: which of two figures is the better one.
        can_be_undefined: whether there are masks without a figure, as an empty one without a distance.
        needed: whether every record has it; those written before a new metric lack that one.
    """

    name: str
    title: str
    measure: Callable[[Measured], float]
    unit: str = ""
    digits: int = 3
    brief: int | None = None
    better: Literal["higher", "lower", "nearer to zero"] = "higher"
    can_be_undefined: bool = False
    needed: bool = False

    @property
    def heading(self) -> str:
        """Title and unit, over a column."""
        return f"{self.title} {self.unit}".rstrip()

    def of(self, measured: Measured) -> float | None:
        """Return the figure, in six digits (more would only make a file long); None where it is not defined."""
        value = float(self.measure(measured))
        return round(value, 6) if math.isfinite(value) else None

    def text(self, value: float | None, brief: bool = False) -> str:
        """Return a figure as a table shows it."""
        return NONE if value is None else f"{value:.{self.brief if brief else self.digits}f}"

    def best(self, values: Iterable[float]) -> float:
        """Return the best of some figures."""
        choose = {"higher": max, "lower": min, "nearer to zero": lambda all_: min(all_, key=abs)}
        return choose[self.better](values)


def measure(measured: Measured) -> dict[str, float | None]:
    """Return every figure by the name of its metric, as a record holds them."""
    return {name: metric.of(measured) for name, metric in METRICS.items()}


def brief_metrics() -> list[Metric]:
    """Return the metrics of the short tables."""
    return [metric for metric in METRICS.values() if metric.brief is not None]


def unprompted_dice(result: np.ndarray, reference: np.ndarray, prompted: np.ndarray | None) -> float:
    """Return the Dice of two masks over the voxels on which nothing was given.

    Args:
        result: mask [k, j, i].
        reference: mask of the same shape.
        prompted: bool, of the same shape: every voxel of the slices that were prompted, inside the structure and
            outside. None: no slice was.

    Returns:
        As `dice`.
    """
    result, reference = as_masks(result, reference)
    if prompted is None:
        return dice(result, reference)
    return dice(result & ~prompted, reference & ~prompted)


def contact_dice(
    result: np.ndarray,
    reference: np.ndarray,
    neighbours: np.ndarray | None,
    spacing: tuple[float, float, float],
) -> float:
    """Return the Dice of two masks over the contact zone: what is within `CONTACT_MM` of reference and neighbours.

    Args:
        result: mask [k, j, i].
        reference: mask of the same shape.
        neighbours: mask of the same shape, the references of other structures. None: none is known.
        spacing: as in `hausdorff_mm`.

    Returns:
        As `dice`; NaN where no neighbour is near.
    """
    result, reference = as_masks(result, reference)
    if neighbours is None or not (reference.any() and neighbours.any()):
        return math.nan
    # Nothing further away belongs to the zone.
    rim = [math.ceil(CONTACT_MM / mm) for mm in spacing]
    box = Box.of(reference)
    part = tuple(
        slice(max(0, first - more), end + more) for first, end, more in zip(box.lower, box.upper, rim, strict=True)
    )
    result, reference, neighbours = (mask[part] for mask in (result, reference, neighbours))
    if not neighbours.any():
        return math.nan
    zone = _near(reference, spacing) & _near(neighbours, spacing)
    return dice(result & zone, reference & zone) if (reference & zone).any() else math.nan


def swapped_percent(result: np.ndarray, reference: np.ndarray, neighbours: np.ndarray | None) -> float:
    """Return how much of other structures a mask holds, in percent of its reference.

    Args:
        result: mask [k, j, i].
        reference: mask of the same shape.
        neighbours: mask of the same shape, the references of other structures. None: none is known.

    Returns:
        Percent, above 100 where it holds more than the reference's size; NaN where no neighbour is known.
    """
    result, reference = as_masks(result, reference)
    if neighbours is None or not (reference.any() and neighbours.any()):
        return math.nan
    return 100 * np.count_nonzero(result & neighbours & ~reference) / np.count_nonzero(reference)


def _near(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask, sampling=spacing) <= CONTACT_MM


METRICS = {
    metric.name: metric
    for metric in (
        Metric("dice", "Dice", lambda one: dice(one.result, one.reference), brief=3, needed=True),
        Metric("iou", "IoU", lambda one: iou(one.result, one.reference), brief=3, needed=True),
        Metric(
            "hausdorff_mm",
            "HD",
            lambda one: hausdorff_mm(one.result, one.reference, one.spacing),
            unit="mm",
            digits=2,
            brief=1,
            better="lower",
            can_be_undefined=True,
            needed=True,
        ),
        Metric(
            "unprompted_dice",
            "Dice off the prompted slices",
            lambda one: unprompted_dice(one.result, one.reference, one.prompted),
            needed=True,
        ),
        Metric(
            "hausdorff95_mm",
            "HD95",
            lambda one: hausdorff95_mm(one.result, one.reference, one.spacing),
            unit="mm",
            digits=2,
            better="lower",
            can_be_undefined=True,
            needed=True,
        ),
        Metric(
            "volume_difference_ml",
            "volume difference",
            lambda one: volume_difference_ml(one.result, one.reference, one.spacing),
            unit="ml",
            digits=1,
            better="nearer to zero",
            needed=True,
        ),
        Metric(
            "contact_dice",
            "contact Dice",
            lambda one: contact_dice(one.result, one.reference, one.neighbours, one.spacing),
            can_be_undefined=True,
        ),
        Metric(
            "swapped_percent",
            "swapped",
            lambda one: swapped_percent(one.result, one.reference, one.neighbours),
            unit="%",
            digits=2,
            better="lower",
            can_be_undefined=True,
        ),
    )
}
"""Every measure by name, in the order of columns."""

DICE, HAUSDORFF = METRICS["dice"], METRICS["hausdorff_mm"]
"""By these rows are compared with each other."""
