"""One run of the engine on structures of a CT, as the study counts it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.research.study.record import ModelFacts
from SAM2VolumeSegLib.seeds import SeedSlice

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation import Request, Result

REST = "resampling and fusion"


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a configuration makes of a structure, and what it took.

    Attributes:
        mask: bool [k, j, i].
        seeds: what was prompted.
        model: as in a record, and so are all below (`Record`).
        slices: propagated.
        encoded: of these, by this run.
        seconds: by component.
        track_ms: of one slice.
        reviewed: what a review said of the result, and how it was.
    """

    mask: np.ndarray
    seeds: Sequence[SeedSlice]
    model: ModelFacts | None
    slices: int
    encoded: int
    seconds: dict[str, float]
    track_ms: list[float] | None
    reviewed: dict[str, Any] = field(default_factory=dict)


def propagate(request: Request, tracker: SliceTracker) -> tuple[Result, dict[str, Prediction]]:
    """Run a request.

    Args:
        request: what is asked for.
        tracker: the model.

    Returns:
        The result; and by name of the segment what it took, times as an equal share of the run's.
    """
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter
    from SAM2VolumeSegLib.research.measures.timing import ComponentTimes

    slices, encoded = Counter(), Counter()
    before, started = tracker.encoded, time.perf_counter()
    with ComponentTimes(tracker) as times:
        steps = Steps(Segmenter(tracker).run(request))
        for step in steps:
            slices[step.segment] += step.plane is not None
            encoded[step.segment] += tracker.encoded - before
            before = tracker.encoded
    total = time.perf_counter() - started
    seconds = {"total": total, **times.seconds, REST: total - sum(times.seconds.values())}
    seeds = request.named_seeds
    return steps.result, {
        name: Prediction(
            mask=steps.result.segments[name].mask,
            seeds=own,
            model=steps.result.provenance["model"],
            slices=slices[name],
            encoded=encoded[name],
            seconds={part: one / len(seeds) for part, one in seconds.items()},
            track_ms=[float(ms) for ms in np.percentile(times.track_ms, (0, 25, 50, 75, 100))]
            if times.track_ms
            else None,
        )
        for name, own in seeds.items()
    }
