"""Following a generator to its end, under a progress bar or with lines for a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

Step = TypeVar("Step")
Answer = TypeVar("Answer")
LINES = 100  # of a log, at most


@dataclass(frozen=True)
class Shown:
    """What a step says. done of total: for the bar; doing: before it, and rest: after it."""

    done: int
    total: int
    doing: str
    rest: str = ""


def follow(run: Generator[Step, None, Answer], show: Callable[[Step], Shown], unit: str, quiet: bool = False) -> Answer:
    """Exhaust a run and return its result; an interrupt closes it.

    quiet: no bar, but up to a hundred lines on stdout. unit: what is counted, in the plural.
    """
    with closing(run), _log(unit) if quiet else _bar(unit) as update:
        while True:
            try:
                step = next(run)
            except StopIteration as end:
                return end.value
            update(show(step))


def duration(seconds: float) -> str:
    """A time for people: "59 s", "3 min 5 s", "2 h 14 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[Shown], None]]:
    from tqdm import tqdm

    form = "{desc}: {n_fmt} of {total_fmt} " + unit + " |{bar}| {postfix}"
    with tqdm(bar_format=form, total=1, leave=False) as bar:

        def update(shown: Shown) -> None:
            bar.total = shown.total
            bar.set_description_str(shown.doing, refresh=False)
            bar.set_postfix_str(shown.rest, refresh=False)
            bar.update(shown.done - bar.n)
            if shown.done == shown.total:
                bar.refresh()  # a run that is quicker than tqdm's interval would show nothing but its beginning

        yield update


@contextmanager
def _log(unit: str) -> Iterator[Callable[[Shown], None]]:
    following = 0

    def update(shown: Shown) -> None:
        nonlocal following
        if shown.done < following:
            return
        # A line for every hundredth of the whole and one at the end, none while nothing moves.
        following = min(shown.done + max(1, math.ceil(shown.total / LINES)), max(shown.total, shown.done + 1))
        parts = (f"{shown.done} of {shown.total} {unit}", shown.rest, shown.doing)
        print("; ".join(part for part in parts if part), flush=True)

    yield update
