"""Tables as CSV, the same bytes on every machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

BOM = "\ufeff"
"""At the beginning of a file, by which spreadsheets know that it is UTF-8."""


def to_csv(lines: Sequence[Sequence[Any]]) -> str:
    """Return lines as CSV; floats with six digits, None as an empty cell.

    Args:
        lines: the first one names the columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in lines)
    return text.getvalue()
