"""Which model a new scene starts with."""

from __future__ import annotations

from collections.abc import Collection

from SAM2VolumeSegLib.panel.choices import ModelChoice

BEST_FIRST = ("small", "base+", "large", "tiny")
"""Small before larger ones: a good balance, and the one that the paper is about."""


def best_model(stored: Collection[str], remembered: str | None = None) -> ModelChoice:
    """Choose the model that the user chose last, if it is here; else the best one that is; else the bundled demo model.

    Args:
        stored: names of the downloaded models.
        remembered: name of the model in the application's settings.
    """
    if remembered in stored or remembered == ModelChoice.DEMO.value:
        return ModelChoice(remembered)
    return ModelChoice(next((name for name in BEST_FIRST if name in stored), ModelChoice.DEMO.value))
