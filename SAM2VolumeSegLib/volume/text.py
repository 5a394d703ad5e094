"""Text that files and messages can hold: names from anywhere, and sizes."""

from __future__ import annotations

from collections.abc import Iterable


def valid_text(text: str) -> str:
    """Return text as valid Unicode. Lone surrogates, the bytes of a name that Python could not read, become "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def plain_text(text: str) -> str:
    """Return text that every file here can hold and give back: valid Unicode, no carriage returns, no outer spaces."""
    return valid_text(text).replace("\r", " ").strip()


def size_text(numbers: Iterable[float]) -> str:
    """Return "512 x 512 x 90" for the numbers of voxels along i, j, k, or "0.8 x 0.8 x 2.5" for their sizes."""
    return " x ".join(f"{number:.4g}" if isinstance(number, float) else str(number) for number in numbers)
