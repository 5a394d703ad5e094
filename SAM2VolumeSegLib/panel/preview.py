"""Which crop is shown to the user as what the model sees, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from SAM2VolumeSegLib.propagation.pictures import crops
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.crop import Box, SquareWindow
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

if TYPE_CHECKING:
    from SAM2VolumeSegLib.propagation.settings import Settings


def crop_to_show(
    volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], settings: Settings, segment: str
) -> Box | None:
    """The crop of `segment`, with every segment its own, or the one that all share; None while nothing is painted."""
    painted = {name: own for name, own in seeds.items() if any(not seed.absent for seed in own)}
    if settings.crop_each:
        painted = {name: own for name, own in painted.items() if name == segment}
    return crops(volume, painted, settings)[0][1] if painted else None


def preview_sentence(volume: Volume, box: Box | None, size: int) -> str:
    """What is said below the switch. size: pixels along each side of a picture."""
    shown = box or Box.whole(volume)
    pixels = {plane: SquareWindow.of(volume.view(plane), shown, size).mm_per_px for plane in Plane}
    each = ", ".join(f"{mm:.2g} mm ({plane.value})" for plane, mm in pixels.items())
    text = f"Pictures of {size} \u00d7 {size} pixels; a pixel is {each}."
    return text if box is not None else f"{text} The crop follows once something is painted."
