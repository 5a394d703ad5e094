"""Where answers agree with a reference and with each other, slice by slice. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PART_BELOW = 0.9
"""Two answers part on the first slice on which their Dice is below this: by less, any two differ somewhere."""


def dice(one: np.ndarray, other: np.ndarray) -> float | None:
    """Dice of two masks; None where both are empty."""
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / total if total else None


def dice_of_slices(one: np.ndarray, other: np.ndarray, axis: int, told: np.ndarray | None = None) -> list[float | None]:
    """Dice of each slice along an axis.

    Args:
        one: bool, three axes.
        other: likewise.
        axis: of the arrays.
        told: bool by slice; where it is False, nothing was said, and there is no figure.
    """
    slices = zip(np.moveaxis(one, axis, 0), np.moveaxis(other, axis, 0), strict=True)
    found = [dice(mine, theirs) for mine, theirs in slices]
    return found if told is None else [value if said else None for value, said in zip(found, told, strict=True)]


@dataclass(frozen=True)
class Parting:
    """Where two answers part along an axis.

    Attributes:
        dice: of the one and the other, by slice; None where one of them says nothing, or both "nothing".
        first: the first slice, going forward, on which it is below `PART_BELOW`; None: on none.
        most: the slice with most voxels that differ; None: none does.
    """

    dice: list[float | None]
    first: int | None
    most: int | None

    @classmethod
    def of(cls, one: np.ndarray, other: np.ndarray, axis: int, told: np.ndarray) -> Parting:
        """Compare two masks, as `dice_of_slices` does."""
        values = dice_of_slices(one, other, axis, told)
        first = next((n for n, value in enumerate(values) if value is not None and value < PART_BELOW), None)
        differ = np.count_nonzero(one != other, axis=tuple({0, 1, 2} - {axis})) * told
        return cls(values, first, int(differ.argmax()) if differ.any() else None)
