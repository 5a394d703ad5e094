"""What is said about the pictures that are shown to the user as what the model sees."""

from __future__ import annotations

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation.sight import Sight
from SAM2VolumeSegLib.volume.crop import Box, SquareWindow
from SAM2VolumeSegLib.volume.planes import Plane

UNKNOWN_SIZE = 512
"""Pixels along each side of a picture of an official model on a processor. While PyTorch is not there, nobody knows
whether a better device is."""


def preview_sentence(sight: Sight, segment: str) -> str:
    """What is said below the switch.

    Args:
        sight: what the model sees.
        segment: whose crop is shown.
    """
    size, crop = sight.image_size, sight.crop(segment)
    shown = crop or Box.whole(sight.volume)
    pixels = {plane: SquareWindow.of(sight.volume.view(plane), shown, size).mm_per_px for plane in Plane}
    each = ", ".join(f"{mm:.2g} mm ({plane.value})" for plane, mm in pixels.items())
    text = _("Pictures of {size} × {size} pixels; a pixel is {each}.").format(size=size, each=each)
    return text if crop is not None else text + " " + _("The crop follows once something is painted.")
