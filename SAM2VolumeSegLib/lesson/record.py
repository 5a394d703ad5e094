"""A listener that notes what every slice of a segment looked at, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from SAM2VolumeSegLib.model.network import SlicePrediction
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.together import Visit
from SAM2VolumeSegLib.propagation.vote import Found
from SAM2VolumeSegLib.volume import Plane

SHOWN_PX = 160
"""Side of a picture on the page, at most: a hundred and more slices of three planes have to fit into one file."""
HEAT_SIDE = 16  # of the map of attention over a remembered picture, at most


def shown_size(size: int) -> int:
    """Side in pixels at which a page shows pictures of `size` pixels: the largest whole part up to SHOWN_PX."""
    return next(size // parts for parts in range(1, size + 1) if size % parts == 0 and size // parts <= SHOWN_PX)


@dataclass(frozen=True, eq=False)
class Looked:
    """A remembered picture that a slice looked at.

    Attributes:
        index: of its slice in the volume's array.
        age: under which temporal embedding, as in `model.policy`.
        share: of all attention to memory, 0..1; None where the network does not tell.
        heat: the same by its places, float32 [H, H]; None likewise.
    """

    index: int
    age: int
    share: float | None
    heat: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Pointed:
    """An object pointer that a slice looked at.

    Attributes:
        index: of its slice in the volume's array.
        ago: how many slices ago it was passed.
        share: as of `Looked`.
    """

    index: int
    ago: int
    share: float | None


@dataclass(frozen=True, eq=False)
class Seen:
    """A slice that a walk has passed.

    Attributes:
        index: in the volume's array.
        mask: as the model has it, bool [P, P]: the answer, or what was given.
        confidence: 0..1; None where the mask was given.
        spatial: remembered pictures that it looked at, in SAM2's order.
        pointers: likewise.
    """

    index: int
    mask: np.ndarray
    confidence: float | None
    spatial: tuple[Looked, ...] = ()
    pointers: tuple[Pointed, ...] = ()


@dataclass(eq=False)
class WalkRecord:
    """What was seen along one axis in one direction, in the last pass.

    Attributes:
        step: 1 forward, -1 backward.
        job: whose walk it was.
        seen: by stop, in the order of the visits.
        given: indices of the slices whose masks were given.
    """

    step: int
    job: AxisJob
    seen: dict[int, Seen] = field(default_factory=dict)

    @property
    def given(self) -> list[int]:
        """Indices of the slices whose masks were given, in order."""
        return [self.job.index(stop) for stop in sorted(self.job.given)]


class Recorder:
    """Notes the visits of one segment: give it to `Segmenter.run` as its listener.

    Attributes:
        segment: its name.
        walks: by plane and direction.
    """

    def __init__(self, segment: str):
        self.segment = segment
        self.walks: dict[tuple[Plane, int], WalkRecord] = {}

    def __call__(self, visit: Visit) -> None:
        """Note a visit."""
        if visit.job.name != self.segment:
            return
        key = visit.job.pictures.view.plane, visit.step
        walk = self.walks.get(key)
        if walk is None or visit.stop in walk.seen:  # a second pass begins
            walk = self.walks[key] = WalkRecord(visit.step, visit.job)
        walk.seen[visit.stop] = _seen(visit)


def _seen(visit: Visit) -> Seen:
    job, index = visit.job, visit.job.index(visit.stop)
    size = job.tracker.plan.image_size
    if visit.prediction is None or visit.memories is None:
        parts = size // shown_size(size)
        return Seen(index, job.given[visit.stop][parts // 2 :: parts, parts // 2 :: parts], None)
    answer = visit.prediction
    larger = F.interpolate(answer.logits.float(), size=[shown_size(size)] * 2, mode="bilinear", align_corners=False)
    shares = _Shares(answer, len(visit.memories.spatial), len(visit.memories.pointers))
    spatial = [
        Looked(job.index(stop), age, shares.of_picture(n), shares.heat(n))
        for n, (stop, age) in enumerate(visit.memories.spatial)
    ]
    pointers = [
        Pointed(job.index(stop), ago, shares.of_pointer(n)) for n, (stop, ago) in enumerate(visit.memories.pointers)
    ]
    confidence = float(Found.of(answer).confidence)
    return Seen(index, (larger[0, 0] > 0).cpu().numpy(), confidence, tuple(spatial), tuple(pointers))


class _Shares:
    """The attention of one prediction, by what it went to."""

    def __init__(self, answer: SlicePrediction, pictures: int, pointers: int):
        self._tokens = None if answer.attention is None else answer.attention[0].cpu()
        self._side = answer.memory.features.shape[-1]
        self._pictures, self._pointers = pictures, pointers

    @cached_property
    def _maps(self) -> torch.Tensor:
        assert self._tokens is not None
        return self._tokens[: self._pictures * self._side**2].reshape(self._pictures, self._side, self._side)

    def of_picture(self, number: int) -> float | None:
        return None if self._tokens is None else float(self._maps[number].sum())

    def of_pointer(self, number: int) -> float | None:
        if self._tokens is None:
            return None
        pieces = self._tokens[self._pictures * self._side**2 :].reshape(self._pointers, -1)
        return float(pieces[number].sum()) if pieces.shape[1] else 0.0

    def heat(self, number: int) -> np.ndarray | None:
        if self._tokens is None:
            return None
        side = next(
            self._side // parts
            for parts in range(1, self._side + 1)
            if self._side % parts == 0 and self._side // parts <= HEAT_SIDE
        )
        return F.adaptive_avg_pool2d(self._maps[number][None, None], side)[0, 0].numpy()
