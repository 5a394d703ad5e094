"""The questions of a class: each with the place on the page that answers it, and what is seen there.

Their sentences are words of the page. A place is what the page's address says behind the "#".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from SAM2VolumeSegLib.lesson.compare import Parting, dice_of_slices
from SAM2VolumeSegLib.lesson.record import Seen
from SAM2VolumeSegLib.lesson.run import PLANES, Lesson, WayRun
from SAM2VolumeSegLib.model.policy import PROMPT
from SAM2VolumeSegLib.volume import Plane

WRONG_BY = 0.02
"""A slice goes wrong where the one setting has as much less Dice than the other."""
LEAST_AREA = 0.2
"""Slices with less of the structure than this share of its largest one are no question: an end is hard to judge."""
PAPER = {
    "seeds": {"source": "Table VI, experiment 5", "volumes": 500, "near": 0.8480, "all": 0.8236},
    "ages": {"source": "Table VI, experiment 3", "volumes": 500, "is": 0.8546, "plain": 0.7845},
    "stock": {"source": "Table I", "volumes": 2500, "best": 0.841, "stock": 0.804},
    "axes": {"source": "Table VI, experiment 4", "volumes": 500, "three": 0.8658, "one": 0.8569},
    "paint": {"source": "Table V, experiment 3", "volumes": 500, "middle": 0.6086, "three": 0.8236, "seven": 0.8395},
}
"""Dice of the paper, arXiv:2603.23116v1."""


class Answer(NamedTuple):
    """What a question leads to.

    Attributes:
        places: parts of the page's state, by their names.
        words: name of the sentence, "answer.NAME".
        values: of the sentence.
    """

    places: list[dict[str, Any]]
    words: str
    values: dict[str, Any]


def questions(lesson: Lesson) -> list[dict[str, Any]]:
    """Return the five questions."""
    asked: dict[str, Callable[[Lesson], Answer]] = {
        "seeds": _seeds,
        "ages": _ages,
        "stock": _stock,
        "axes": _axes,
        "paint": _paint,
    }
    found = []
    for name, ask in asked.items():
        answer = ask(lesson)
        found.append({"name": name, "paper": PAPER[name], **answer._asdict()})
    return found


def _number(lesson: Lesson, name: str) -> int:
    """Which of the runs has a name; the first where none has, because its settings are those of the first."""
    return next((n for n, run in enumerate(lesson.runs) if run.way.name == name), 0)


def _seeds(lesson: Lesson) -> Answer:
    """Where does it go wrong first when every painted slice is let in, and which of them misled it?"""
    near, afar = _number(lesson, "paper"), _number(lesson, "afar")
    places = [{"view": "compare", "a": near, "b": afar}]
    for plane in _by_difference(lesson, near, afar):
        slices = _goes_wrong(lesson, lesson.runs[near], lesson.runs[afar], plane)
        if not slices:
            continue
        index = lesson.upright.indices(plane)[slices[0]]
        blamed = _let_in_too_much(lesson.runs[near], lesson.runs[afar], plane, index)
        places[0] |= {"plane": plane.value, "index": index}
        values = {"plane": plane.value, "index": index, "dice": _dices(lesson, (near, afar), plane, slices[0])}
        if blamed is None:
            return Answer(places, "seeds.nobody", values)
        step, other, share = blamed
        places.append({"view": "attention", "way": afar, "plane": plane.value, "index": index, "step": step})
        return Answer(places, "seeds", values | {"memory": other, "share": share})
    return Answer(places, "seeds.none", {})


def _ages(lesson: Lesson) -> Answer:
    """What do the two recent slices get when their embeddings are those of their ages?"""
    own, plain = _number(lesson, "paper"), _number(lesson, "ages")
    plane = _by_difference(lesson, own, plain)[0]
    position = Parting.of(
        lesson.runs[own].answer(plane),
        lesson.runs[plain].answer(plane),
        PLANES.index(plane),
        lesson.runs[own].told(plane) & lesson.runs[plain].told(plane),
    ).most
    places = [{"view": "compare", "a": own, "b": plain, "plane": plane.value}]
    if position is None:
        return Answer(places, "ages.none", {})
    index = lesson.upright.indices(plane)[position]
    places[0]["index"] = index
    values: dict[str, Any] = {"plane": plane.value, "index": index}
    values["dice"] = _dices(lesson, (own, plain), plane, position)
    for name, number in (("own", own), ("plain", plain)):
        places.append({"view": "attention", "way": number, "plane": plane.value, "index": index, "step": 1})
        seen = _seen(lesson.runs[number], plane, 1, index)
        values[name] = None if seen is None else _share(seen, lambda age: age != PROMPT)
    return Answer(places, "ages", values)


def _stock(lesson: Lesson) -> Answer:
    """Where do SAM2 as it comes and the paper's best part, and how many memories does each look at there?"""
    stock, best = _number(lesson, "stock"), _number(lesson, "paper")
    plane = next(iter(lesson.runs[stock].votes))
    parting = Parting.of(
        lesson.runs[stock].answer(plane),
        lesson.runs[best].answer(plane),
        PLANES.index(plane),
        lesson.runs[stock].told(plane) & lesson.runs[best].told(plane),
    )
    position = parting.most if parting.first is None else parting.first
    places = [{"view": "compare", "a": stock, "b": best, "plane": plane.value}]
    if position is None:
        return Answer(places, "stock.none", {})
    index = lesson.upright.indices(plane)[position]
    places[0]["index"] = index
    values: dict[str, Any] = {"plane": plane.value, "index": index, "agree": parting.dice[position]}
    for name, number in (("stock", stock), ("best", best)):
        places.append({"view": "slices", "way": number, "plane": plane.value, "index": index, "step": 1})
        seen = _seen(lesson.runs[number], plane, 1, index)
        values[name] = None if seen is None else len(seen.spatial)
    return Answer(places, "stock", values)


def _axes(lesson: Lesson) -> Answer:
    """Where do the three axes disagree most, and who is right?"""
    run = lesson.runs[0]
    if len(run.votes) < 2:
        return Answer([{"view": "votes"}], "axes.none", {})
    logits = np.stack(list(run.votes.values()))
    apart = np.where(np.isnan(logits).any(axis=0), -1, logits.max(axis=0) - logits.min(axis=0))
    if lesson.reference is not None and ((run.final == lesson.reference) & (apart > 0)).any():
        apart[run.final != lesson.reference] = -1  # the mean was right, and one axis was not
    # Of many places that are as far apart, the one where most of the mean's neighbourhood is: the middle of them.
    best = np.argwhere(apart >= apart.max() - 0.05)
    point = best[np.abs(best - best.mean(axis=0)).sum(axis=1).argmin()]
    says = {plane.value: float(votes[tuple(point)]) for plane, votes in run.votes.items()}
    mean = float(run.mean[tuple(point)])
    alone = max(says, key=lambda name: abs(says[name] - mean))
    place = {"view": "votes", "point": [int(n) for n in point]}
    return Answer(
        [place], "axes", {"says": says, "alone": alone, "mean": mean, "inside": bool(run.final[tuple(point)])}
    )


def _paint(lesson: Lesson) -> Answer:
    """Which slice would you paint next?"""
    run, worst = lesson.runs[0], None
    for axis, plane in enumerate(PLANES):
        if plane not in run.votes:
            continue
        structure = run.final if lesson.reference is None else lesson.reference
        area = np.count_nonzero(structure, axis=tuple({0, 1, 2} - {axis}))
        indices = lesson.upright.indices(plane)
        figures = dice_of_slices(run.final, structure, axis) if lesson.reference is not None else None
        for position, index in enumerate(indices):
            figure = run.confidence[plane].get(index) if figures is None else figures[position]
            large = area[position] >= LEAST_AREA * area.max()
            if figure is not None and large and (worst is None or figure < worst[0]):
                worst = figure, plane, index
    if worst is None:
        return Answer([{"view": "slices"}], "paint.none", {})
    figure, plane, index = worst
    view = lesson.request.volume.view(plane)
    painted = [seed.index for seed in lesson.request.named_seeds[lesson.segment] if seed.plane is plane]
    away = min(abs(index - other) for other in painted) * view.slice_mm
    at = {"plane": plane.value, "index": index}
    places = [{"view": "slices", "way": 0, **at}]
    if lesson.reference is not None:
        places.insert(0, {"view": "compare", "a": 0, "b": min(1, len(lesson.runs) - 1), **at, "by": "final"})
    values = at | {"figure": figure, "away": away}
    return Answer(places, "paint" if lesson.reference is not None else "paint.confidence", values)


def _by_difference(lesson: Lesson, one: int, other: int) -> list[Plane]:
    """Planes that both settings go along, those first on which their answers differ in most voxels."""
    a, b = lesson.runs[one], lesson.runs[other]
    shared = [plane for plane in PLANES if plane in a.votes and plane in b.votes]
    return sorted(shared, key=lambda plane: -int(np.count_nonzero(a.answer(plane) != b.answer(plane))))


def _goes_wrong(lesson: Lesson, good: WayRun, bad: WayRun, plane: Plane) -> list[int]:
    """Slices on which the second is worse than the first, forward; without a reference, on which they part."""
    axis, told = PLANES.index(plane), good.told(plane) & bad.told(plane)
    if lesson.reference is None:
        parting = Parting.of(good.answer(plane), bad.answer(plane), axis, told)
        return [] if parting.first is None else [parting.first]
    right, wrong = (dice_of_slices(run.answer(plane), lesson.reference, axis, told) for run in (good, bad))
    pairs = enumerate(zip(right, wrong, strict=True))
    return [n for n, (a, b) in pairs if a is not None and b is not None and b < a - WRONG_BY]


def _dices(lesson: Lesson, numbers: tuple[int, int], plane: Plane, position: int) -> list[float | None]:
    """Dice of an axis's answers on a slice, with the reference; without one, with each other."""
    one, other = (lesson.runs[number].answer(plane) for number in numbers)
    axis = PLANES.index(plane)
    pairs = [(one, other)] if lesson.reference is None else [(one, lesson.reference), (other, lesson.reference)]
    return [dice_of_slices(*pair, axis)[position] for pair in pairs]


def _seen(run: WayRun, plane: Plane, step: int, index: int) -> Seen | None:
    walk = run.walks.get((plane, step)) or next((one for (on, _), one in run.walks.items() if on is plane), None)
    return None if walk is None else next((one for one in walk.seen.values() if one.index == index), None)


def _share(seen: Seen, counts: Callable[[int], bool]) -> float | None:
    shares = [looked.share for looked in seen.spatial if counts(looked.age)]
    return None if None in shares else sum(share for share in shares if share is not None)


def _let_in_too_much(near: WayRun, afar: WayRun, plane: Plane, index: int) -> tuple[int, int, float] | None:
    """Of the painted slices that only the second looked at, that with most attention: direction, index, share."""
    found = []
    for step in (1, -1):
        one, other = (_seen(run, plane, step, index) for run in (near, afar))
        if one is None or other is None:
            continue
        known = {looked.index for looked in one.spatial}
        found += [
            (looked.share, step, looked.index)
            for looked in other.spatial
            if looked.age == PROMPT and looked.index not in known and looked.share is not None
        ]
    if not found:
        return None
    share, step, other_index = max(found)
    return step, other_index, share
