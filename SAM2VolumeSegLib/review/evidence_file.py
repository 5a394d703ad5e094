"""What a run kept, in a file beside its result, so that a review can go on another day: numpy's .npz, compressed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review.evidence import Evidence, SegmentEvidence
from SAM2VolumeSegLib.seeds import SlicePlace
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Window
from SAM2VolumeSegLib.volume.planes import triple
from SAM2VolumeSegLib.volume.target import beside, check_own, move_together

SUFFIX = ".evidence.npz"
_HEAD = "SAM2VolumeSeg_Evidence"
"""Name of the first array, which the file's first bytes show: JSON as UTF-8."""
_FORMAT = 2
_KINDS = {"fused": np.int8, "voted": np.int8, "spread": np.uint8}


def evidence_path(result: Path) -> Path:
    """Where the evidence of a result lies: "case.evidence.npz" beside "case.seg.nrrd"."""
    name = result.name
    for ending in (".seg.nrrd", ".nii.gz", ".nii"):
        name = name.removesuffix(ending)
    return result.with_name(name + SUFFIX)


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write evidence to a file, whole or not at all; one that this program wrote is replaced.

    Raises:
        InputError: it cannot be written there, or the file is somebody else's.
    """
    check_own(path)
    with beside(path) as folder:
        made = folder / path.name
        made.write_bytes(to_bytes(evidence))
        move_together([made], path.parent)


def read_evidence(path: Path) -> Evidence:
    """Read evidence from a file.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            _('"{path}" cannot be read ({reason}). Propagate again, and keep the evidence with the result.').format(
                path=path, reason=error.strerror
            )
        ) from error
    try:
        return from_bytes(data)
    except InputError as error:
        raise InputError(_('"{path}" cannot be used. {reason}').format(path=path, reason=error)) from error


def to_bytes(evidence: Evidence) -> bytes:
    """Evidence as the bytes of a file, for a scene to keep."""
    head: dict[str, Any] = {
        "format": _FORMAT,
        "fingerprint": evidence.fingerprint,
        "run": evidence.run,
        "window_hu": [evidence.window.lower, evidence.window.upper],
        "segments": [
            {
                "name": name,
                "shape": own.found.shape,
                "lower": own.box.lower,
                "upper": own.box.upper,
                "painted": _written(own.painted),
                "absent": _written(own.absent),
                "confidence": {
                    Plane(plane).value: {str(index): value for index, value in slices.items()}
                    for plane, slices in own.confidence.items()
                },
            }
            for name, own in evidence.segments.items()
        ],
    }
    arrays: dict[str, Any] = {_HEAD: np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), dtype=np.uint8)}
    for number, own in enumerate(evidence.segments.values()):
        arrays |= {f"mask{number}": own.found.inside}
        arrays |= {f"{name}{number}": getattr(own, name) for name in _KINDS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes) -> Evidence:
    """Evidence of `to_bytes`.

    Raises:
        InputError: it is something else, or damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            head = json.loads(arrays[_HEAD].tobytes().decode())
            if head["format"] != _FORMAT:
                raise InputError(
                    _("The evidence was written by another version of this program. Propagate again to review.")
                )
            segments = {}
            for number, about in enumerate(head["segments"]):
                box = Box(triple(about["lower"]), triple(about["upper"]))
                kept = {name: _array(arrays[f"{name}{number}"], box, kind) for name, kind in _KINDS.items()}
                segments[str(about["name"])] = SegmentEvidence(
                    found=BoxMask(triple(about["shape"]), box, _array(arrays[f"mask{number}"], box, np.bool_)),
                    confidence={
                        Plane(plane): {int(index): float(value) for index, value in slices.items()}
                        for plane, slices in about["confidence"].items()
                    },
                    painted=_read(about["painted"]),
                    absent=_read(about["absent"]),
                    **kept,
                )
            window = Window(*map(float, head["window_hu"]))
            return Evidence(str(head["fingerprint"]), window, segments, str(head["run"]))
    except InputError:
        raise
    except Exception as error:  # a damaged archive raises whatever zipfile, zlib, json and numpy come upon in it
        raise InputError(
            _("The evidence of the result is damaged, or the file is something else. Propagate again to review.")
        ) from error


def _array(values: np.ndarray, box: Box, kind: Any) -> np.ndarray:
    if values.shape != box.shape or values.dtype != kind:
        raise ValueError("an array is not on its box")
    return values


def _written(places: tuple[SlicePlace, ...]) -> list[list[Any]]:
    return [[plane.value, index] for plane, index in places]


def _read(places: list[list[Any]]) -> tuple[SlicePlace, ...]:
    return tuple((Plane(plane), int(index)) for plane, index in places)
