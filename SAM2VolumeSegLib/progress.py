"""Following a generator to its end, under a progress bar or with lines for a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Step = TypeVar("Step")
Answer = TypeVar("Answer")
LINES = 100  # of a log, at most


@dataclass(frozen=True)
class ProgressLine:
    """What a step says.

    Attributes:
        done: how many of ``total`` are done.
        total: of what is counted.
        doing: what is being done, before the bar.
        rest: what else there is to say, behind it.
    """

    done: int
    total: int
    doing: str
    rest: str = ""


class Steps(Generic[Step, Answer]):
    """What a generator yields: ``for step in steps``. After the loop, what it returns is ``steps.result``."""

    result: Answer

    def __init__(self, run: Generator[Step, None, Answer]):
        self._run = run

    def __iter__(self) -> Iterator[Step]:
        self.result = yield from self._run


def finished(run: Generator[Step, None, Answer]) -> Answer:
    """Exhaust a generator whose steps nobody is shown, and return what it returns."""
    steps = Steps(run)
    for _step in steps:
        pass
    return steps.result


def follow(
    run: Generator[Step, None, Answer], show: Callable[[Step], ProgressLine], unit: str, quiet: bool = False
) -> Answer:
    """Exhaust a run; an interrupt closes it.

    Args:
        run: yields steps, and returns the result.
        show: says a step.
        unit: what is counted, in the plural.
        quiet: no bar, but up to a hundred lines on stdout.

    Returns:
        The result of the run.
    """
    with closing(run), _log(unit) if quiet else _bar(unit) as update:
        while True:
            try:
                step = next(run)
            except StopIteration as end:
                return end.value
            update(show(step))


def duration(seconds: float) -> str:
    """Say how long something takes, to the minute from one minute on: "40 s", "3 min", "1 h 20 min"."""
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[ProgressLine], None]]:
    from tqdm import tqdm

    form = "{desc}: {n_fmt} of {total_fmt} " + unit + " |{bar}| {postfix}"
    with tqdm(bar_format=form, total=1, leave=False) as bar:

        def update(line: ProgressLine) -> None:
            bar.total = line.total
            bar.set_description_str(line.doing, refresh=False)
            bar.set_postfix_str(line.rest, refresh=False)
            bar.update(line.done - bar.n)
            if line.done == line.total:
                bar.refresh()  # a run that is quicker than tqdm's interval would show nothing but its beginning

        yield update


@contextmanager
def _log(unit: str) -> Iterator[Callable[[ProgressLine], None]]:
    following = 0

    def update(line: ProgressLine) -> None:
        nonlocal following
        if line.done < following:
            return
        # A line for every hundredth of the whole and one at the end, none while nothing moves.
        following = min(line.done + max(1, math.ceil(line.total / LINES)), max(line.total, line.done + 1))
        parts = (f"{line.done} of {line.total} {unit}", line.rest, line.doing)
        print("; ".join(part for part in parts if part), flush=True)

    yield update
