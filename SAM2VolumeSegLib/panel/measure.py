"""How fast a model is on this machine, measured on a few slices of the user's own CT before the first run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from SAM2VolumeSegLib.model.network import SliceQuery
from SAM2VolumeSegLib.model.policy import PROMPT
from SAM2VolumeSegLib.panel.estimate import Speed
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.volume.planes import Plane

if TYPE_CHECKING:
    import torch

    from SAM2VolumeSegLib.model.tracker import Pictures, SliceTracker

Answer = TypeVar("Answer")
REPEATS = 2  # the faster one counts: other programs only ever make it slower
MANY = 7  # slices in memory; stock SAM2 has six recent ones and a painted one
NUM_SLICES = 16  # length of the pretended stack


def measure(tracker: SliceTracker, pictures: PlanePictures, indices: Iterable[int]) -> Generator[None, None, Speed]:
    """Encode and predict a few slices.

    The first of each is not counted: there kernels are chosen and memory is taken. What is encoded stays in the
    tracker's cache, so a run on the same pictures does not do it again. Closing the generator ends the measurement.

    Args:
        tracker: the model.
        pictures: what it is measured on.
        indices: of the slices that may be taken, the first ones first; two at least.

    Yields:
        After each piece of work.

    Returns:
        The speed.
    """
    indices = list(indices)
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
        seconds = _seconds(partial(tracker.features, seen, batch[0], batch), lambda levels: levels[-1])
        encode.append(seconds / (tracker.encoded - before))
        yield
    found = {}
    for count in (1, MANY):
        query = SliceQuery(first, count * ((PROMPT, memory),), ((1, memory),), NUM_SLICES)
        each = []
        for _ in range(REPEATS):
            each.append(_seconds(partial(tracker.track, seen, [query]), lambda found: found[0].iou))
            yield
        found[count] = min(each)
    more = max(0.0, found[MANY] - found[1]) / (MANY - 1)
    return Speed(min(encode), max(found[1] - more, 0.1 * found[1]), more)


def needed_first(sight: Sight) -> tuple[PlanePictures, list[int]]:
    """What a run needs first: pictures, and the indices of their slices from the middle of what is painted outwards."""
    group = sight.groups[0]
    painted = {plane: [seed.index for name in group for seed in sight.seeds_on(name, plane)] for plane in Plane}
    plane = max(painted, key=lambda plane: len(painted[plane]))
    middle = (min(painted[plane]) + max(painted[plane])) // 2
    pictures = sight.pictures(group[0], plane)
    return pictures, sorted(range(pictures.view.count), key=lambda index: abs(index - middle))


def _seconds(compute: Callable[[], Answer], value: Callable[[Answer], torch.Tensor]) -> float:
    """How long a computation takes. A graphics card answers before it is done: asking for a value waits for it."""
    started = time.perf_counter()
    value(compute()).flatten()[:1].cpu()
    return time.perf_counter() - started


def _disc(size: int) -> np.ndarray:
    """A mask, bool [size, size], as large as a structure in its crop."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return rows**2 + columns**2 < (size / 4) ** 2


class _Unknown:
    """Pictures under another name, so that those at hand are encoded again."""

    def __init__(self, pictures: PlanePictures):
        self.key = f"{pictures.key} measured {time.monotonic()}"
        self.picture = pictures.picture
