"""A review that was made by hand, of the phantom, for what a report shows of it."""

from dataclasses import replace

import numpy as np
from propagation_runs import finish
from scipy import ndimage

from SAM2VolumeSegLib.report import Report
from SAM2VolumeSegLib.review import (
    ExpectedDice,
    LeftOut,
    LikelyErrors,
    Review,
    SegmentReview,
    SelfCheck,
    Verdict,
    compare_steps,
    suspects_of,
)
from SAM2VolumeSegLib.review.shape import shape_of
from SAM2VolumeSegLib.seeds import position_text
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Window

NAMES = {"middle": 'L3 <b>&"new"</b>', "above": "L2 größer"}
"""What users call things must neither break a page nor a table."""
SAID = Verdict("fix", 2, "The tip | is; <i>missing</i>,\nsee S 12", "A. Reader", "2026-01-02T03:04:05+00:00", "Slicer")


def a_report_of(phantom, **others) -> Report:
    """Two structures that are moved by a voxel, with a reference, a verdict, and the state before."""
    volume = phantom.volume
    references = {NAMES[name]: BoxMask.of(phantom.references[name]) for name in NAMES}
    moved = {name: BoxMask.of(np.roll(mask.whole(), 1, axis=2)) for name, mask in references.items()}
    first, second = NAMES.values()
    segments = {}
    for name, mask in moved.items():
        errors = likely(volume, mask, references[name])
        suspects = [replace(one, reasons=("the axes disagree",)) for one in suspects_of(name, volume, errors)]
        shape = shape_of(volume, mask, {other: moved[other] for other in moved if other != name})
        expected = ExpectedDice(0.91 if name == first else 0.85, 0.8, 0.96, measured=name == first)
        segments[name] = SegmentReview(name, expected, errors, tuple(suspects), (), shape, ("Names are mixed up?",))
    nothing = np.zeros((0, 5), dtype=np.float32)
    position = position_text(volume, Plane.AXIAL, 14)
    left_out = LeftOut(first, Plane.AXIAL, 14, position, "between", 0.87, 44.0, nothing, nothing[:, 0] > 0)
    report = Report(
        case="patient <1>",
        volume=volume,
        window=Window.named("bone"),
        review=Review(segments, SelfCheck((left_out,), 3.0)),
        verdicts={first: SAID},
        before={first: references[first]},
        reference=finish(compare_steps(volume, moved, references))[1],
        done=["9 painted slices were propagated again."],
        sources={"CT": "ct.nrrd"},
        provenance={"program": "SAM2VolumeSeg", "model": {"name": "demo"}},
    )
    return replace(report, **others)


def likely(volume, mask, reference) -> LikelyErrors:
    """Where a mask differs from its reference is likely wrong, and what is beside that a little."""
    box = Box.around(mask.whole() | reference.whole(), volume, 6.0)
    differs = (mask.on(box) != reference.on(box)).astype(np.float32)
    return LikelyErrors(mask, box, ndimage.gaussian_filter(differs, 0.7))
