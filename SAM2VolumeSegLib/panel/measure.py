"""How fast a model is on this machine, measured on a few slices of the user's own CT before the first run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from SAM2VolumeSegLib.model.network import SliceQuery
from SAM2VolumeSegLib.model.pace import Speed
from SAM2VolumeSegLib.model.policy import PROMPT
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.propagation.workload import edge_seconds
from SAM2VolumeSegLib.volume.planes import Plane

if TYPE_CHECKING:
    import torch

    from SAM2VolumeSegLib.model.tracker import Pictures, SliceTracker

Answer = TypeVar("Answer")
REPEATS = 2  # the faster one counts: other programs only ever make it slower
MANY = 7  # slices in memory; stock SAM2 has six recent ones and a painted one
AT_ONCE = 8  # slices that are predicted at once, to see what that saves
NUM_SLICES = 16  # length of the pretended stack


def measure(tracker: SliceTracker, sight: Sight) -> Generator[None, None, Speed]:
    """Encode and predict a few slices, and move a surface to edges.

    The first of each is not counted: there kernels are chosen and memory is taken. What is encoded stays in the
    tracker's cache, so a run on the same pictures does not do it again. Closing the generator ends the measurement.

    Args:
        tracker: the model.
        sight: what the model sees in the run that comes; two slices at least.

    Yields:
        After each piece of work.

    Returns:
        The speed.
    """
    pictures, indices = needed_first(sight)
    seen: Pictures = pictures
    fresh = [index for index in indices if not tracker.is_encoded(pictures, index)]
    if len(fresh) < REPEATS + 1:
        seen, fresh = _Unknown(pictures), indices
    first, fresh = fresh[0], fresh[1:]
    tracker.features(seen, first)
    yield
    memory = tracker.prompt(seen, first, _disc(tracker.plan.image_size)).memory
    yield
    encode = []
    for position in range(REPEATS):
        share = max(1, min(tracker.plan.batch_size, len(fresh) // (REPEATS - position)))
        batch, fresh = fresh[:share], fresh[share:]
        if not batch:
            break
        before = tracker.encoded
        compute = partial(tracker.features, seen, batch[0], batch)
        seconds = _seconds(tracker, compute, lambda levels: levels[-1])
        encode.append(seconds / (tracker.encoded - before))
        yield
    prompt = _seconds(tracker, partial(tracker.prompt, seen, first, ~_disc(tracker.plan.image_size)), lambda p: p.iou)
    yield
    at_once, found = min(AT_ONCE, tracker.plan.batch_size), {}
    for memories, slices in dict.fromkeys([(1, 1), (MANY, 1), (1, at_once)]):
        query = SliceQuery(first, memories * ((PROMPT, memory),), ((1, memory),), NUM_SLICES)
        each = []
        for _ in range(REPEATS):
            each.append(_seconds(tracker, partial(tracker.track, seen, slices * [query]), lambda found: found[-1].iou))
            yield
        found[memories, slices] = min(each)
    alone = found[1, 1]
    more = max(0.0, found[MANY, 1] - alone) / (MANY - 1)
    # Of what a slice takes without memories, what a second one in the same call takes again.
    again = (found[1, at_once] - alone) / (at_once - 1) - more if at_once > 1 else alone - more
    predict = min(max(again, 0.1 * alone), max(alone - more, 0.1 * alone))
    edge = yield from edge_seconds(sight, tracker.now)
    speed = Speed(min(encode), prompt, max(0.0, alone - more - predict), predict, more)
    return speed.with_edge(edge)


def needed_first(sight: Sight) -> tuple[PlanePictures, list[int]]:
    """What a run needs first: pictures, and the indices of their slices from the middle of what is painted outwards."""
    group = sight.groups[0]
    painted = {plane: [seed.index for name in group for seed in sight.seeds_on(name, plane)] for plane in Plane}
    plane = max(painted, key=lambda plane: len(painted[plane]))
    middle = (min(painted[plane]) + max(painted[plane])) // 2
    pictures = sight.pictures(group[0], plane)
    return pictures, sorted(range(pictures.view.count), key=lambda index: abs(index - middle))


def _seconds(tracker: SliceTracker, compute: Callable[[], Answer], value: Callable[[Answer], torch.Tensor]) -> float:
    """How long a computation takes. A graphics card answers before it is done: asking for a value waits for it."""
    started = tracker.now()
    value(compute()).flatten()[:1].cpu()
    return tracker.now() - started


def _disc(size: int) -> np.ndarray:
    """A mask, bool [size, size], as large as a structure in its crop."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return rows**2 + columns**2 < (size / 4) ** 2


class _Unknown:
    """Pictures under another name, so that those at hand are encoded again."""

    def __init__(self, pictures: PlanePictures):
        self.key = f"{pictures.key} measured {time.monotonic()}"
        self.picture = pictures.picture
