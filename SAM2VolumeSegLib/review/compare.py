"""A result beside a reference: figures of each segment, and where they differ as suspects."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review.agreement import Agreement, dice, on_common_box
from SAM2VolumeSegLib.review.likely_errors import LikelyErrors
from SAM2VolumeSegLib.review.suspects import Sign, Suspect, sign_of, suspects_of
from SAM2VolumeSegLib.volume import Box, BoxMask, Volume

MOSTLY = 9.0
"""As `suspects.MOSTLY`, where it is known and not likely what is wrong."""
WHY: dict[Sign, str] = {
    "too much": _("the reference does not have it"),
    "missing": _("the reference has it"),
    "both": _("some is missing, and some too much"),
}


@dataclass(frozen=True, eq=False)
class Compared:
    """A segment beside its reference.

    Attributes:
        name: of the segment.
        reference_name: what the reference is called there.
        reference: its mask.
        agreement: the figures.
        suspects: regions in which they differ, the largest first, each with its worst slice.
    """

    name: str
    reference_name: str
    reference: BoxMask
    agreement: Agreement
    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A result beside a reference.

    Attributes:
        segments: those that have a reference, by name.
        without_reference: names of those that have none.
        only_in_reference: names of what the reference has and the result has not.
    """

    segments: Mapping[str, Compared]
    without_reference: tuple[str, ...] = ()
    only_in_reference: tuple[str, ...] = ()


def compare_steps(
    volume: Volume, found: Mapping[str, BoxMask], references: Mapping[str, BoxMask]
) -> Generator[str, None, Comparison]:
    """Compare masks with those of a reference. Closing the generator cancels it.

    Args:
        volume: the CT of both.
        found: masks by name.
        references: likewise; see `partners` for which belongs to which.

    Yields:
        The name of a segment, before it is compared.

    Returns:
        The comparison.
    """
    pairs = partners(found, references)
    compared = {}
    for name, other in pairs.items():
        yield name
        reference = references[other]
        agreement = Agreement.of(found[name], reference, volume)
        suspects = suspects_of(name, volume, differences(found[name], reference))
        signs = [_sign(one, found[name], reference) for one in suspects]
        told = tuple(replace(one, sign=s, reasons=(WHY[s],)) for one, s in zip(suspects, signs, strict=True))
        compared[name] = Compared(name, other, reference, agreement, told)
    return Comparison(
        compared,
        tuple(name for name in found if name not in pairs),
        tuple(name for name in references if name not in pairs.values()),
    )


def partners(found: Mapping[str, BoxMask], references: Mapping[str, BoxMask]) -> dict[str, str]:
    """Which segment of a reference each segment is compared with: that of its name; else the one that it overlaps most.

    A label image has no names. No reference is taken twice, and nothing is compared with what it does not touch.

    Returns:
        Names of references by those of segments, in the order of ``found``.
    """
    pairs = {name: name for name in found if name in references}
    free = [name for name in references if name not in pairs]
    overlaps = {
        (name, other): dice(*on_common_box(found[name], references[other]))
        for name in found
        if name not in pairs and found[name].inside.any()
        for other in free
    }
    for (name, other), overlap in sorted(overlaps.items(), key=lambda item: -item[1]):
        if overlap > 0 and name not in pairs and other not in pairs.values():
            pairs[name] = other
    return {name: pairs[name] for name in found if name in pairs}


def differences(found: BoxMask, reference: BoxMask) -> LikelyErrors:
    """Where a mask differs from a reference, as errors that are certain."""
    used = [mask.trimmed().box for mask in (found, reference) if mask.inside.any()]
    box = Box.around_boxes(used) if used else found.box
    return LikelyErrors(found, box, (found.on(box) != reference.on(box)).astype(np.float32))


def _sign(suspect: Suspect, found: BoxMask, reference: BoxMask) -> Sign:
    region, box = suspect.region.inside, suspect.region.box
    surplus = int(np.count_nonzero(region & found.on(box) & ~reference.on(box)))
    missed = int(np.count_nonzero(region & ~found.on(box) & reference.on(box)))
    return sign_of(surplus, missed, MOSTLY)
