"""The one way to write a file of text beside what is measured: JSON, CSV, Markdown. Whole, or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from SAM2VolumeSegLib.volume.target import beside, check_target, move_together, said_in_words


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with the line ends as they are; its folder is made when it is missing.

    Args:
        path: the file; one that is there is replaced.
        text: what it is to hold.

    Raises:
        InputError: it cannot be written; what was there is kept.
    """
    with said_in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    check_target(path)
    with beside(path) as folder:
        (folder / path.name).write_bytes(text.encode())
        move_together([folder / path.name], path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write plain values as JSON for people too, as `write_text` does."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False))


def to_csv(lines: Sequence[Sequence[Any]]) -> str:
    """Return lines as CSV; floats with six digits, None as an empty cell.

    Args:
        lines: the first one names the columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in lines)
    return text.getvalue()
