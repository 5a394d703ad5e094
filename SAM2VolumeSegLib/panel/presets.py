"""Which preset is active, and what a result is called by it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.choices import Choices, values_of
from SAM2VolumeSegLib.propagation.choices import PRESETS, Preset

CHANGED = _("Changed")


def active_preset(choices: Choices | Any) -> Preset | None:
    """Return the preset whose choices are all as they are now; None: of none."""
    for preset in PRESETS:
        if all(getattr(choices, name) == value for name, value in values_of(preset.settings).items()):
            return preset
    return None


def preset_label(choices: Choices | Any) -> str:
    """Return the label of the active preset, or that something is changed."""
    preset = active_preset(choices)
    return CHANGED if preset is None else preset.label


def result_name(painted: str, label: str, taken: Collection[str] = ()) -> str:
    """Name a result after what was painted and the preset it was made with.

    Args:
        painted: name of the painted segmentation.
        label: see `preset_label`.
        taken: names of what is in the scene already; a second result gets a number.
    """
    name = first = _("{painted} ({preset})").format(painted=painted, preset=label)
    number = 1
    while name in taken:
        number += 1
        name = f"{first} {number}"
    return name
