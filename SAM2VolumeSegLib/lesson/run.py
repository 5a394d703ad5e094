"""The runs of a lesson, and their answers in a box that stands upright."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.lesson.record import Recorder, WalkRecord
from SAM2VolumeSegLib.lesson.ways import Way, ways_of
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import Progress, Request, Segmenter, SegmentResult, Sight
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT
from SAM2VolumeSegLib.seeds import is_painted
from SAM2VolumeSegLib.volume import Box, Plane, Volume

PLANES = tuple(Plane)


@dataclass(frozen=True)
class LessonStep:
    """Where the making of a lesson is.

    Attributes:
        number: of the run, from 1.
        count: of runs.
        progress: of the run.
    """

    number: int
    count: int
    progress: Progress


class Upright:
    """A box of a volume, with the slices of the axial, coronal and sagittal axis along its three axes, going forward.

    So a page needs to know nothing of how volumes are stored: superior, anterior and right are at the ends.
    """

    def __init__(self, volume: Volume, box: Box):
        self.volume, self.box = volume, box
        self._views = [volume.view(plane) for plane in PLANES]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices of each axis."""
        axial, coronal, sagittal = (self.box.shape[view.axis] for view in self._views)
        return axial, coronal, sagittal

    @property
    def spacing(self) -> list[float]:
        """Distance of the slices of each axis in mm."""
        return [view.slice_mm for view in self._views]

    def indices(self, plane: Plane) -> list[int]:
        """The index in the volume's array of each slice of the box."""
        view = self.volume.view(plane)
        lower, upper = self.box.lower[view.axis], self.box.upper[view.axis]
        return list(range(lower, upper))[:: view.order.step]

    def of(self, values: np.ndarray, box: Box, outside: float) -> np.ndarray:
        """Values of another box [k, j, i] in this one; where they are not, `outside`."""
        whole = box.carried(values, self.box, outside)
        forward = tuple(slice(None, None, view.order.step) for view in self._views)
        return np.ascontiguousarray(whole.transpose([view.axis for view in self._views])[forward])

    def whole(self, values: np.ndarray) -> np.ndarray:
        """The part of a volume's values [k, j, i] that is in the box."""
        return self.of(values, Box.whole(self.volume), 0)


@dataclass(frozen=True, eq=False)
class WayRun:
    """One of the settings, and what became of it.

    Attributes:
        way: the settings.
        walks: by plane and direction, what each slice looked at.
        confidence: see `SegmentResult`.
        final: bool, the mask, upright as all arrays here.
        fused: float32, the logits that it was made from, see `SegmentResult`.
        mean: float32, the weighted mean of the axes; -LOGIT_LIMIT where there is no vote.
        votes: float32 by plane, NaN where that axis says nothing.
        weights: float32 by plane, what these count.
    """

    way: Way
    walks: dict[tuple[Plane, int], WalkRecord]
    confidence: dict[Plane, dict[int, float]]
    final: np.ndarray
    fused: np.ndarray
    mean: np.ndarray
    votes: dict[Plane, np.ndarray]
    weights: dict[Plane, np.ndarray]

    @classmethod
    def of(cls, way: Way, found: SegmentResult, recorder: Recorder, upright: Upright) -> WayRun:
        """Bring a result into the lesson's box."""
        votes = {plane: upright.of(logits, found.box, np.nan) for plane, logits in found.plane_logits.items()}
        weights = {plane: upright.of(counts, found.box, 0) for plane, counts in found.plane_weights.items()}
        total = sum(np.where(weights[plane] > 0, votes[plane], 0) * weights[plane] for plane in votes)
        weight = sum(weights.values())
        mean = np.divide(total, weight, out=np.full(upright.shape, -LOGIT_LIMIT, dtype=np.float32), where=weight > 0)
        return cls(
            way,
            recorder.walks,
            found.confidence,
            upright.of(found.found.inside, found.box, False),
            upright.of(found.logits, found.box, -LOGIT_LIMIT),
            mean,
            votes,
            weights,
        )

    def walks_on(self, plane: Plane) -> list[WalkRecord]:
        """The walks along an axis; none where it does not go."""
        return [walk for (on, _step), walk in self.walks.items() if on is plane]

    def answer(self, plane: Plane) -> np.ndarray:
        """What the axis alone says, bool."""
        votes = self.votes.get(plane)
        return np.zeros(self.final.shape, dtype=bool) if votes is None else votes > 0

    def told(self, plane: Plane) -> np.ndarray:
        """On which of its slices the axis says anything, bool."""
        axis, votes = PLANES.index(plane), self.votes.get(plane)
        others = tuple({0, 1, 2} - {axis})
        return np.zeros(self.final.shape[axis], dtype=bool) if votes is None else (~np.isnan(votes)).any(axis=others)


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a page is made from.

    Attributes:
        request: what it is about.
        segment: the name of the structure that is shown.
        sight: what the model saw.
        upright: the box that is shown.
        runs: one for each of the settings; the votes of the first are shown.
        reference: what is right, bool, upright; None: nobody knows.
        whole_reference: the same on the volume's grid.
        ages: recent slices that the network has embeddings for.
        provenance: of the first run.
    """

    request: Request
    segment: str
    sight: Sight
    upright: Upright
    runs: list[WayRun]
    reference: np.ndarray | None
    whole_reference: np.ndarray | None
    ages: int
    provenance: dict[str, Any]

    @property
    def planes(self) -> list[Plane]:
        """The axes along which any of the runs went."""
        return [plane for plane in PLANES if any(plane in run.votes for run in self.runs)]


def lesson_of(
    tracker: SliceTracker,
    request: Request,
    segment: str,
    reference: np.ndarray | None = None,
    more: Iterable[Way] = (),
) -> Generator[LessonStep, None, Lesson]:
    """Run the model under the settings of a lesson, and note what every slice looked at. Closing it cancels.

    Args:
        tracker: the model.
        request: what the lesson is about; its settings come first.
        segment: the name of the one that is shown. Those beside it run along, because they contest its voxels.
        reference: what is right, bool [k, j, i] of the volume; None: nobody knows.
        more: settings beside those that are taught.

    Yields:
        After each slice.

    Raises:
        InputError: there is no such segment, or as `Segmenter.run`.
    """
    seeds = request.named_seeds
    if segment not in seeds:
        raise InputError(
            _('There is no painted segment "{name}". Painted are: {names}.').format(
                name=segment, names=", ".join(seeds)
            )
        )
    ways = ways_of(request.settings, seeds[segment], more)
    found: list[SegmentResult] = []
    recorders = [Recorder(segment) for _way in ways]
    provenance: dict[str, Any] = {}
    with tracker.watching_attention():
        for way, recorder in zip(ways, recorders, strict=True):
            own = Request.of(request.volume, _painted_for(way, request), way.settings)
            steps = Steps(Segmenter(tracker).run(own, keep_votes=True, listener=recorder))
            for progress in steps:
                yield LessonStep(len(found) + 1, len(ways), progress)
            found.append(steps.result.segments[segment])
            provenance = provenance or steps.result.provenance
    sight = Sight(request.volume, seeds, request.settings, tracker.plan.image_size, tracker.network.logit_stride)
    crop = sight.crop(segment)
    assert crop is not None  # it is painted
    upright = Upright(request.volume, Box.around_boxes([crop, *(result.box for result in found)]))
    runs = [WayRun.of(*one, upright) for one in zip(ways, found, recorders, strict=True)]
    truth = None if reference is None else upright.whole(reference)
    ages = tracker.network.limits.ages
    return Lesson(request, segment, sight, upright, runs, truth, reference, ages, provenance)


def _painted_for(way: Way, request: Request) -> dict[str, Sequence]:
    """The seeds of the segments that a setting can carry: those painted on its axes."""
    planes = way.settings.planes or PLANES
    named = request.named_seeds.items()
    return {name: own for name, own in named if is_painted(seed for seed in own if seed.plane in planes)}
