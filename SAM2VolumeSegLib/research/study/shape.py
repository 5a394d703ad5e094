"""Whether what was read from a JSON file is what belongs there."""

from __future__ import annotations

import re
from typing import Any


def fits(value: Any, shape: Any) -> bool:
    """Return whether a value has a shape.

    Args:
        value: as JSON gives it.
        shape: a function that says it; None; a tuple, one of which must fit; a list, one for each element of a list; a
            dict: names that there must be, with their shapes, beside any others ("...": the shape of all others).
    """
    if shape is None:
        return value is None
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and len(value) == len(shape) and all(map(fits, value, shape))
    if isinstance(shape, dict):
        if not isinstance(value, dict) or not all(is_text(name) for name in value):
            return False
        named = shape.keys() - {...}
        others = [value[name] for name in value.keys() - named] if ... in shape else []
        return (
            named <= value.keys()
            and all(fits(value[name], shape[name]) for name in named)
            and all(fits(one, shape[...]) for one in others)
        )
    return shape(value)


def is_text(value: Any) -> bool:
    """Text that a file can hold: no lone surrogates."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def is_number(value: Any) -> bool:
    """A finite number that a table can show."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12


def is_whole(value: Any) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """A whole number of things that a study can have."""
    return is_whole(value) and 0 <= value < 10**7


def is_share(value: Any) -> bool:
    """A number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


def is_plain(value: Any, depth: int = 8) -> bool:
    """What JSON holds, in a few levels."""
    if isinstance(value, dict):
        return depth > 0 and all(is_text(name) and is_plain(inner, depth - 1) for name, inner in value.items())
    if isinstance(value, list):
        return depth > 0 and all(is_plain(inner, depth - 1) for inner in value)
    return value is None or isinstance(value, bool) or is_number(value) or is_text(value)
