"""All that a page says of a lesson, as values that JSON can hold.

Slices are named by their index in the volume's array, as everywhere else. Volumes are those of `Upright`, and lists by
slice go along its axes: `indices` of a plane says which slice has which index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.lesson.compare import PART_BELOW, Parting, dice, dice_of_slices
from SAM2VolumeSegLib.lesson.packing import GREYS, logits_to_bytes, packed, sheet, to_byte
from SAM2VolumeSegLib.lesson.questions import questions
from SAM2VolumeSegLib.lesson.record import Looked, WalkRecord, shown_size
from SAM2VolumeSegLib.lesson.run import PLANES, Lesson, WayRun
from SAM2VolumeSegLib.lesson.ways import told
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT
from SAM2VolumeSegLib.seeds.seed_slice import position_text
from SAM2VolumeSegLib.volume import Plane


def content_of(lesson: Lesson) -> dict[str, Any]:
    """Return the values of a lesson's page."""
    about, looks = lesson.provenance, _looks(lesson)
    return {
        "program": about["program"],
        "date": about["date"],
        "model": about["model"],
        "volume": lesson.request.volume.name,
        "segment": lesson.segment,
        "window": about["window_hu"],
        "shape": list(lesson.upright.shape),
        "spacing": lesson.upright.spacing,
        "ages": lesson.ages,
        "limit": LOGIT_LIMIT,
        "partBelow": PART_BELOW,
        "ct": packed(to_byte(_intensities(lesson), GREYS)),
        "reference": None if lesson.reference is None else packed(lesson.reference),
        "planes": {plane.value: _plane(lesson, plane) for plane in PLANES},
        "walked": [plane.value for plane in lesson.planes],
        "looks": list(looks.values()),
        "ways": [_way(lesson, run, list(looks)) for run in lesson.runs],
        "partings": _partings(lesson.runs),
        "votes": _votes(lesson.runs[0]),
        "questions": questions(lesson),
    }


def _intensities(lesson: Lesson) -> np.ndarray:
    """What the model sees of the box, in 0..1, upright."""
    view = lesson.request.volume.view(Plane.AXIAL)
    voxels = np.zeros(lesson.request.volume.voxels.shape, dtype=np.float32)
    for index in lesson.upright.indices(Plane.AXIAL):
        view.slice(voxels, index)[...] = lesson.sight.intensities.slice(view, index)
    return lesson.upright.whole(voxels)


def _plane(lesson: Lesson, plane: Plane) -> dict[str, Any]:
    """The slices of a plane: what they are called, which of them are painted, and which were visited."""
    indices = lesson.upright.indices(plane)
    visited = {one.index for run in lesson.runs for walk in run.walks_on(plane) for one in walk.seen.values()}
    seeds = [seed for seed in lesson.request.named_seeds[lesson.segment] if seed.plane is plane]
    return {
        "indices": indices,
        "places": [position_text(lesson.request.volume, plane, index) for index in indices],
        "painted": [seed.index for seed in seeds],
        "visited": [index for index in indices if index in visited],
    }


def _looks(lesson: Lesson) -> dict[str, dict[str, Any]]:
    """What the model saw of the slices that were visited, by the key of the pictures.

    Settings with other axes or segments may share other crops, and so see other pictures of the same slice.
    """
    walks: dict[str, list[WalkRecord]] = {}
    for walk in (walk for run in lesson.runs for walk in run.walks.values()):
        walks.setdefault(walk.job.pictures.key, []).append(walk)
    return {key: _look(lesson, alike) for key, alike in walks.items()}


def _look(lesson: Lesson, walks: Sequence[WalkRecord]) -> dict[str, Any]:
    """The pictures that some walks share."""
    pictures, size = walks[0].job.pictures, lesson.sight.image_size
    visited = {one.index for walk in walks for one in walk.seen.values()}
    in_order = sorted(visited, key=pictures.positions.__getitem__)
    parts = size // shown_size(size)
    values: dict[str, Any] = {
        "visited": in_order,
        "pictures": sheet([to_byte(_smaller(pictures.picture(index), parts), GREYS) for index in in_order]),
    }
    if lesson.whole_reference is not None:
        masks = [_as_seen(pictures, pictures.view.slice(lesson.whole_reference, index), size) for index in in_order]
        values["reference"] = packed(np.stack(masks)[:, parts // 2 :: parts, parts // 2 :: parts])
    return values


def _smaller(picture: np.ndarray, parts: int) -> np.ndarray:
    size = len(picture) // parts
    return picture.reshape(size, parts, size, parts).mean(axis=(1, 3))


def _as_seen(pictures: PlanePictures, mask: np.ndarray, size: int) -> np.ndarray:
    try:
        return pictures.mask_to_model(mask)
    except InputError:  # all of it lies outside of what the model sees
        return np.zeros((size, size), dtype=bool)


def _way(lesson: Lesson, run: WayRun, looks: list[str]) -> dict[str, Any]:
    """A setting: what it is, what each slice looked at, its answers as bits of a byte, and how good they are.

    `look` of a plane is the number of its pictures.
    """
    bits = np.zeros(lesson.upright.shape, dtype=np.uint8)
    for number, mask in enumerate([*map(run.answer, PLANES), run.mean > 0, run.final]):
        bits |= mask.astype(np.uint8) << number
    values: dict[str, Any] = {
        "name": run.way.name,
        "choices": told(run.way.settings),
        "edges": run.way.settings.edges,
        "masks": packed(bits),
        "planes": {
            plane.value: {
                "look": looks.index(run.walks_on(plane)[0].job.pictures.key),
                "walks": [_walk(walk) for walk in run.walks_on(plane)],
                "told": run.told(plane).tolist(),
            }
            for plane in run.votes
        },
    }
    if lesson.reference is not None:
        values["dice"] = dice(run.final, lesson.reference)
        values["diceOfSlices"] = {
            plane.value: {
                "axis": dice_of_slices(run.answer(plane), lesson.reference, axis, run.told(plane)),
                "final": dice_of_slices(run.final, lesson.reference, axis),
            }
            for axis, plane in enumerate(PLANES)
        }
    return values


def _walk(walk: WalkRecord) -> dict[str, Any]:
    seen = list(walk.seen.values())
    heats = [looked.heat / looked.heat.max() for one in seen for looked in one.spatial if looked.heat is not None]
    return {
        "step": walk.step,
        "given": walk.given,
        "masks": packed(np.stack([one.mask for one in seen])),
        "heat": packed(to_byte(np.stack(heats), GREYS)) if heats else None,
        "seen": [
            {
                "index": one.index,
                "confidence": None if one.confidence is None else round(one.confidence, 4),
                "pictures": [_looked(looked) for looked in one.spatial],
                "pointers": [[pointed.index, pointed.ago, _rounded(pointed.share)] for pointed in one.pointers],
            }
            for one in seen
        ],
    }


def _looked(looked: Looked) -> list[Any]:
    """Index, age and share. Its heat is brightest where it is highest."""
    return [looked.index, looked.age, _rounded(looked.share)]


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 5)


def _partings(runs: Sequence[WayRun]) -> dict[str, Any]:
    """By two numbers of settings and the plane, where the axis's answers part, and where the final masks do."""
    found: dict[str, Any] = {}
    for b, other in enumerate(runs):
        for a, one in enumerate(runs[:b]):
            for axis, plane in enumerate(PLANES):
                both = one.told(plane) & other.told(plane)
                found[f"{a} {b} {plane.value}"] = {
                    "axis": asdict(Parting.of(one.answer(plane), other.answer(plane), axis, both)),
                    "final": asdict(Parting.of(one.final, other.final, axis, np.ones_like(both))),
                }
    return found


def _votes(run: WayRun) -> dict[str, Any]:
    """The logits of each axis, and what they weigh on each slice: where "it is here" is said, and where "it is not"."""
    found: dict[str, Any] = {"fused": packed(logits_to_bytes(run.fused, LOGIT_LIMIT)), "planes": {}}
    for plane, logits in run.votes.items():
        axis = PLANES.index(plane)
        slices = zip(np.moveaxis(logits, axis, 0), np.moveaxis(run.weights[plane], axis, 0), strict=True)
        found["planes"][plane.value] = {
            "logits": packed(logits_to_bytes(logits, LOGIT_LIMIT)),
            "weights": [[_weight(own[said >= 0]), _weight(own[said < 0])] for said, own in slices],
        }
    return found


def _weight(weights: np.ndarray) -> float | None:
    """The weight that all voxels have; None where there is none."""
    return float(f"{weights.max():.6g}") if weights.size else None
