"""Auditing a segmentation that this project did not make: is it what its own slices lead to?"""

from __future__ import annotations

from collections.abc import Mapping

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import BoxMask, Plane, Volume

STRATEGY = "quarters"
"""Where slices are taken: inside. Ends are where segmentations differ most, so they are to be judged, not believed."""

AGREEMENT_MEANS = (
    _(
        "What agrees: each structure was propagated again from slices of its own, up to nine on three axes, and SAM2 "
        "came to the same surface. So the segmentation fits together, and follows what can be seen in the CT."
    ),
    _(
        "What that does not say: that it is right. The slices that were taken are believed. A mistake that they have, "
        "too, is carried on and agrees: a wrong level, a name on the wrong structure, a surface that is too wide "
        "everywhere."
    ),
    _("What does not agree need not be wrong: the propagation errs as well. It is where a person should look first."),
)


def audit_seeds(masks: Mapping[str, BoxMask], volume: Volume) -> dict[str, list[SeedSlice]]:
    """Take slices of masks as if they had been painted: a quarter, half and three quarters of the way on each axis.

    Args:
        masks: by name; empty ones are left out.
        volume: the CT.

    Returns:
        Seeds by name.
    """
    return {
        name: simulate_seeds(mask.whole(), volume, STRATEGY, tuple(Plane))
        for name, mask in masks.items()
        if mask.inside.any()
    }
