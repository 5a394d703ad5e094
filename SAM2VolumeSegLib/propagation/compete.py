"""Segments along one axis in lock-step, so that they compete for pixels before a slice is remembered. A prototype.

After `non_overlap_masks_for_mem_enc` of sam2 (`SAM2Base._apply_non_overlapping_constraints`): where another segment's
logit is higher, a segment's is at most -10 in what its memory is made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from SAM2VolumeSegLib.model.network import SlicePrediction
from SAM2VolumeSegLib.model.sam2_volume import VolumeSAM2
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.propagate import Walk
from SAM2VolumeSegLib.propagation.request import Seeds
from SAM2VolumeSegLib.propagation.together import Step
from SAM2VolumeSegLib.volume import Volume

LIMIT = 10.0


class Elsewhere:
    """Voxels that are painted as another segment, and not as this one."""

    def __init__(self, volume: Volume, seeds: Seeds):
        self.painted: dict[str, np.ndarray] = {}
        for name, own in seeds.items():
            mask = np.zeros(volume.voxels.shape, dtype=bool)
            for seed in own:
                volume.view(seed.plane).slice(mask, seed.index)[...] |= seed.mask
            self.painted[name] = mask
        self.count = np.stack(list(self.painted.values())).sum(axis=0, dtype=np.uint8)

    def on(self, job: AxisJob, index: int) -> np.ndarray:
        """Those of a slice, bool (rows, columns)."""
        view = job.pictures.view
        return view.slice(self.count, index) > view.slice(self.painted[job.name], index)


def run_competing(
    tracker: SliceTracker, jobs: Sequence[AxisJob], compete: bool, elsewhere: Elsewhere | None
) -> Iterator[Step]:
    """Propagate jobs along one plane through all passes, slice by slice."""
    while any(job.passes_left for job in jobs):
        walks = [(job, walk) for job in jobs for walk in job.start_pass()]
        done: dict[tuple[int, int, str], np.ndarray] = {}
        for job, walk in walks:
            yield from _over_prompts(job, walk)
        while left := [(job, walk) for job, walk in walks if walk.position is not None]:
            step = left[0][1].step
            same = [(job, walk) for job, walk in left if walk.step == step]
            ahead = [(job, walk) for job, walk in same if walk._stretches[0].step == step]
            moving, way = (ahead, step) if ahead else (same, -step)
            position = way * min(way * _position(job, walk) for job, walk in moving)
            now = [(job, walk) for job, walk in moving if _position(job, walk) == position]
            raw = [_predict(tracker, job, walk) for job, walk in now]
            for (job, _), prediction in zip(now, raw, strict=True):
                if compete:
                    done[step, position, job.name] = _voxels(job, prediction.logits)
            for (job, walk), prediction in zip(now, raw, strict=True):
                index = job.pictures.index(position)
                others = np.zeros(job.pictures._input.shape, dtype=bool)
                if elsewhere is not None:
                    others |= elsewhere.on(job, index)
                painted = others
                if compete:
                    mine = done[step, position, job.name]
                    theirs = [v for (s, p, n), v in done.items() if (s, p) == (step, position) and n != job.name]
                    for rival in jobs:
                        seed = next((s for s in rival.seeds if s.index == index), None)
                        if rival is not job and seed is not None:
                            theirs.append(np.where(seed.mask, LIMIT, -LIMIT))
                    for other in theirs:
                        others = others | (other > mine)
                walk.go_on(_constrained(tracker, job, index, prediction, others, painted))
                yield Step(job, index, False)
                yield from _over_prompts(job, walk)
        for job in jobs:
            job.end_pass()


def _over_prompts(job: AxisJob, walk: Walk) -> Iterator[Step]:
    while walk.position is not None and walk.query() is None:
        index = job.index(walk.position)
        walk.go_on(None)
        yield Step(job, index, True)


def _predict(tracker: SliceTracker, job: AxisJob, walk: Walk) -> SlicePrediction:
    query = walk.query()
    assert query is not None
    return tracker.recall(job.pictures, query) or tracker.track(job.pictures, [query])[0]


def _voxels(job: AxisJob, logits: torch.Tensor) -> np.ndarray:
    values = job.pictures.logits_from_model(logits[0, 0].float().cpu().numpy())
    return np.nan_to_num(values, nan=-np.inf)


def _position(job: AxisJob, walk: Walk) -> int:
    assert walk.position is not None
    return job.stops.position(walk.position)


def _constrained(
    tracker: SliceTracker,
    job: AxisJob,
    index: int,
    prediction: SlicePrediction,
    others: np.ndarray,
    painted: np.ndarray,
) -> SlicePrediction:
    if not others.any():
        return prediction
    pixels = job.pictures._input.to_model(others, 0.0) >= 0.5
    size = pixels.shape[-1]
    high = F.interpolate(prediction.logits, size=(size, size), mode="bilinear", align_corners=False)
    at = torch.from_numpy(np.ascontiguousarray(pixels))[None, None]
    if not (at & (high > -LIMIT)).any():
        return prediction
    identity = prediction.memory.identity + np.packbits(pixels).tobytes()
    identity = hashlib.blake2b(identity, digest_size=16).digest()
    high = torch.where(at, high.clamp(max=-LIMIT), high)
    top = tracker.features(job.pictures, index)[-1]
    network = tracker.network
    assert isinstance(network, VolumeSAM2)
    memory = tracker._call(
        lambda: network.remember(top, high, prediction.object_score[:, None], prediction.memory.pointer, prompted=False)
    )
    memory = replace(memory, features=memory.features.to(torch.bfloat16), identity=identity)
    logits = prediction.logits
    if painted.any():
        share = job.pictures._output.to_model(painted, 0.0) >= 0.5
        logits = torch.where(
            torch.from_numpy(np.ascontiguousarray(share))[None, None], logits.clamp(max=-LIMIT), logits
        )
    return replace(prediction, logits=logits, memory=memory)
