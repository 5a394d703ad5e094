"""The settings that a lesson lays side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policies import policy_from_dict
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Settings
from SAM2VolumeSegLib.propagation.choices import CHOICES
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Plane

_PAPERS = PAPER.memory.to_dict()
SEEDS_FROM_AFAR = replace(PAPER, memory=policy_from_dict(_PAPERS | {"radius": 1.0}))
"""The paper's best, but for SPS: every painted slice is in reach."""
BY_AGE = replace(PAPER, memory=policy_from_dict(_PAPERS | {"embeddings": "sam2"}))
"""The paper's best, but for IS: its two recent slices have the embeddings of their ages."""


@dataclass(frozen=True)
class Way:
    """Settings with a name.

    Attributes:
        name: of a text "way.NAME" of the page's words; else what is shown.
        settings: what is run.
    """

    name: str
    settings: Settings


TAUGHT = (
    Way("recommended", RECOMMENDED),
    Way("paper", PAPER),
    Way("stock", STOCK_SAM2),
    Way("afar", SEEDS_FROM_AFAR),
    Way("ages", BY_AGE),
)
"""What the questions are about."""


def ways_of(first: Settings, seeds: Sequence[SeedSlice], more: Iterable[Way] = ()) -> list[Way]:
    """The settings of a lesson: the first of all are those whose votes it shows.

    They see one and the same picture, so of all others only what is chosen of axes and memory counts.

    Args:
        first: the user's.
        seeds: of the segment.
        more: what the user wants beside those that are taught.

    Raises:
        InputError: nothing is painted on the axes of one of `more`.
    """
    painted = [plane for plane in Plane if any(seed.plane is plane and not seed.absent for seed in seeds)]
    own = next((way.name for way in TAUGHT if _alike(way.settings, first) == way.settings), "own")
    found = [Way(own, first)]
    for way in (*TAUGHT, *more):
        settings = _alike(first, way.settings)
        if settings.planes is not None and not set(settings.planes) & set(painted):
            if way in TAUGHT:  # a video has one axis, whichever it is
                settings = replace(settings, planes=(painted[0],))
            else:
                raise InputError(
                    _('Nothing is painted on the axes of "{settings}". Leave it out, or paint a slice of them.').format(
                        settings=way.name
                    )
                )
        if settings not in [one.settings for one in found]:
            found.append(Way(way.name, settings))
    return found


def _alike(sight: Settings, others: Settings) -> Settings:
    """Settings that see what `sight` says, and do what `others` say."""
    fields = [choice.field for choice in CHOICES if choice.group == "sight"]
    return replace(others, **{name: getattr(sight, name) for name in (*fields, "roi")})


def told(settings: Settings) -> list[list[str]]:
    """Name and value of each choice of axes and memory, as people read them."""
    own = settings.to_dict()
    values = own | {f"memory.{name}": value for name, value in own["memory"].items()} | {"planes": settings.planes}
    chosen = [choice for choice in CHOICES if choice.group != "sight" and choice.field in values]
    return [[choice.label, choice.shown(values[choice.field])] for choice in chosen]
