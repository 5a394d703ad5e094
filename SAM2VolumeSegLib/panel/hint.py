"""The one line of the panel that appears when something stands in the way, or can be done in a better way."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.readiness import Remedy, Requirements


class Way(Enum):
    """What a button of the line does; the label is what is on it.

    CORRECT, AUDIT and PAINTED are offered for a finished segmentation.
    """

    label: str

    def __new__(cls, value: str, label: str = "") -> Way:
        """Make a member."""
        member = object.__new__(cls)
        member._value_ = value
        member.label = label
        return member

    TURN_VIEWS = "turn views", _("Turn the views to the CT")
    SHOW_VIEWS = "show views", _("Show slice views")
    CONVERT = "convert", _("Convert to labelmap")
    DATA = "data", _("Open Data")
    IMPORT = "import", _("Use as segmentation")
    LEAVE = "leave", _("Leave it")
    CORRECT = "correct", _("Correct it")
    AUDIT = "audit", _("Audit it")
    PAINTED = "painted", _("It is painted")
    SET_UP = "set up", _("Set up...")
    DOWNLOAD = "download", _("Download...")
    CHOOSE_FILE = "choose file", _("Choose the file")


class Hint(NamedTuple):
    """What is said, and the ways out: the best one first; none where only the sentence helps."""

    sentence: str
    ways: tuple[Way, ...] = ()


def hint_for(
    *,
    views: Hint | None = None,
    problem: str = "",
    remedy: str = "",
    offers: Sequence[Hint] = (),
    requirements: Requirements | None = None,
) -> Hint | None:
    """Choose what is said: the first thing that the user would run into.

    Args:
        views: what is wrong with the slice views. Painting comes first, and in a turned view it would be in vain.
        problem: why nothing painted can be used.
        remedy: what can put that right, as in `InputError`.
        offers: what could be done with what is in the scene.
        requirements: what is missing on this computer: it stands in the way of a run only.

    Returns:
        A hint, or None: nothing stands in the way.
    """
    if views is not None:
        return views
    if problem:
        return Hint(problem, (Way(remedy),) if remedy else ())
    if offers:
        return offers[0]
    if requirements is not None and requirements.missing:
        first = requirements.in_the_way or requirements.missing[0]
        return Hint(first.sentence, () if first.remedy is Remedy.NONE else (Way(first.remedy.value),))
    return None


def turned_views(names: Sequence[str], volume: str) -> Hint:
    """Say that views lie at an angle to a CT.

    Args:
        names: of the views.
        volume: name of the CT.
    """
    if len(names) == 1:
        text = _('The view {view} lies at an angle to the slices of "{volume}": what is painted in it is no slice.')
        return Hint(text.format(view=names[0], volume=volume), (Way.TURN_VIEWS,))
    text = _('The views {views} lie at an angle to the slices of "{volume}": what is painted in them is no slice.')
    return Hint(text.format(views=", ".join(names), volume=volume), (Way.TURN_VIEWS,))


NO_VIEWS = Hint(_("This layout shows no slice view, and painting needs one."), (Way.SHOW_VIEWS,))


def finished_segment(name: str, slices: int) -> Hint:
    """Offer what can be done with a finished segmentation.

    Args:
        name: of the segment.
        slices: how many in a row are filled.
    """
    text = _(
        "“{name}” is filled on {n} slices in a row. Is it a finished segmentation that you want to correct or check?"
    )
    return Hint(text.format(name=name, n=slices), (Way.CORRECT, Way.AUDIT, Way.PAINTED))


def label_volume(name: str) -> Hint:
    """Offer to take a label volume as a segmentation.

    Args:
        name: of the volume.
    """
    text = _("“{name}” is a label volume. It can be used as a segmentation.")
    return Hint(text.format(name=name), (Way.IMPORT, Way.LEAVE))
