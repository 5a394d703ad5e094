"""Which code decided a result, so that results of older code do not count as done."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARY = Path(__file__).parents[2]
DECIDES = (
    "volume",
    "seeds",
    "model",
    "propagation",
    "panel/next_slice.py",
    "review",
    "scene/slicer_filters.py",
    "research/measures",
    "research/data/digest.py",
    "research/data/structure.py",
    "research/study/case.py",
    "research/study/mending.py",
    "research/study/prediction.py",
    "research/study/prompts.py",
    "research/study/task.py",
)
"""Folders and files of the library through which a task goes. Names and sentences of messages are in them as well:
telling those apart would not be worth its rules."""


@cache
def code_digest() -> str:
    """Return 12 hexadecimal digits of what decides a result: the code of `DECIDES`, and the version of sam2.

    Comments, docstrings, blank lines and line ends do not count, so that explaining the code better invalidates
    nothing. They are cut out by their places, not by way of `ast.dump`, whose text depends on the version of Python.
    torch is not in it: it may move the last digits, as another processor does, and a study may run on several of both.

    The digest is the same on every machine, from a checkout and from an installed package.
    """
    found = hashlib.sha256(f"sam2 {version('sam2')}\n".encode())
    for path in code_files():
        text = path.read_text(encoding="utf-8")
        text = essence(text) if path.suffix == ".py" else text
        found.update(f"{path.relative_to(LIBRARY).as_posix()}\n{text}\n".encode())
    return found.hexdigest()[:12]


def code_files() -> list[Path]:
    """Return the files of `DECIDES`: modules, and the yaml files that networks are built from."""
    found = []
    for name in DECIDES:
        path = LIBRARY / name
        found += [path] if path.is_file() else [one for one in path.rglob("*") if one.suffix in (".py", ".yaml")]
    return sorted(found, key=lambda path: path.relative_to(LIBRARY).as_posix())


def essence(source: str) -> str:
    """Return a module's source without comments, docstrings, blank lines and spaces at line ends."""
    lines = source.split("\n")
    for row, column in _comments(source):
        lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        # A text that stands alone says something to readers only, below a def as below a constant.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _comments(source: str) -> Iterator[tuple[int, int]]:
    """Give row (from 1) and column of every comment."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start
