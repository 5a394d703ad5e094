"""Where a result ends because nobody looked further, and not because the structure does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.volume import BoxMask, Plane

SIDES = {
    Plane.AXIAL: (_("inferior"), _("superior")),
    Plane.CORONAL: (_("posterior"), _("anterior")),
    Plane.SAGITTAL: (_("left"), _("right")),
}
"""Of a result along each axis: where the axis begins, and where it ends. Left is the patient's."""


@dataclass(frozen=True)
class CutOff:
    """One side on which a result may be cut off.

    Attributes:
        side: one of `SIDES`.
        in_crop: it ends where the crop does, so a larger margin lets the model see more; else where an axis ends that
            goes on a little beyond its painted slices, whatever the margin.
    """

    side: str
    in_crop: bool


def cut_off(found: BoxMask, sight: Sight, segment: str) -> tuple[CutOff, ...]:
    """Return the sides on which a result reaches the edge of where it was looked for.

    Not where the user said that the structure ends, by a region of interest, by slices that are absent, or because no
    axis is to go on beyond what is painted; nor where the CT ends.

    Args:
        found: the result.
        sight: of the run.
        segment: whose result it is.
    """
    settings, reach = sight.settings, sight.reach(segment)
    if settings.roi is not None:
        return ()
    sides = []
    for plane, names in SIDES.items():
        view = sight.volume.view(plane)
        in_crop = not any(not seed.absent for seed in sight.seeds_on(segment, plane))
        if not (in_crop or sight.goes_on(segment, plane)):
            continue
        lower, upper = reach.lower[view.axis], reach.upper[view.axis]
        ends = ((lower, lower > 0), (upper - 1, upper < view.count))
        for side, (index, ct_goes_on) in zip(names, ends[:: view.order.step], strict=True):
            if ct_goes_on and _is_on(found, view.axis, index):
                sides.append(CutOff(side, in_crop))
    return tuple(sides)


def cut_off_sentences(name: str, sides: Iterable[CutOff]) -> list[str]:
    """Return what to tell the user, a sentence or two with what to do; nothing where nothing is cut off."""
    texts = {
        True: _(
            '"{name}" reaches the edge of what the model saw ({sides}), so a part may be missing. Paint a slice there, '
            "or enlarge the margin."
        ),
        False: _(
            '"{name}" may go on ({sides}): it was looked for only a little beyond what is painted. Look there: paint a '
            "slice where it goes on, or mark one as absent where it does not."
        ),
    }
    sentences = []
    for in_crop, text in texts.items():
        names = [one.side for one in sides if one.in_crop is in_crop]
        if names:
            sentences.append(text.format(name=name, sides=", ".join(names)))
    return sentences


def _is_on(found: BoxMask, axis: int, index: int) -> bool:
    """Whether a result has a voxel on a slice of the array, counted on the whole grid."""
    at = index - found.box.lower[axis]
    return 0 <= at < found.box.shape[axis] and bool(found.inside.take(at, axis).any())
