"""One call from a model's name to what a run needs of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from SAM2VolumeSegLib.model import checkpoints

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.tracker import SliceTracker


def load_model(name: str, device: str = "auto", image_size: int | None = None) -> SliceTracker:
    """Load a model that is bundled ("demo") or was fetched.

    Args:
        name: "demo", "tiny", "small", "base+" or "large".
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        image_size: side of the model's square input in pixels; None takes what suits model and device.

    Raises:
        InputError: no such model or device; the checkpoint is missing or damaged.
    """
    from SAM2VolumeSegLib.model.tracker import SliceTracker  # here: it imports torch

    return SliceTracker.load(checkpoints.find(name), device, image_size)
