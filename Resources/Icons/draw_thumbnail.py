"""Draws the phantom's picture for Sample Data: python Resources/Icons/draw_thumbnail.py

The middle sagittal slice in the bone window, the outline of each bone, and the painted axial slices that cross it.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from SAM2VolumeSegLib.seeds import paint_seeds
from SAM2VolumeSegLib.synthetic.phantom import COLORS, make_phantom
from SAM2VolumeSegLib.volume import Plane, Window, to_unit

THUMBNAIL = Path(__file__).resolve().parents[2] / "SAM2VolumeSeg/Resources/Icons/SAM2VolumeSegPhantom.png"
WIDTH, HEIGHT = 260, 280


def draw() -> Image.Image:
    """The picture, RGB, WIDTH x HEIGHT pixels."""
    volume, labels, names, seeds = make_phantom()
    view = volume.view(Plane.SAGITTAL)
    index = int(np.argmax([np.count_nonzero(view.slice(labels, index)) for index in range(view.count)]))
    side = max(WIDTH, HEIGHT)
    gray = enlarged(view.slice(to_unit(volume.voxels, Window.named("bone")), index), side, Image.Resampling.BICUBIC)
    picture = np.repeat(gray[..., None], 3, axis=2)
    for label in names:
        axial = [seed for seed in seeds[label] if seed.plane is Plane.AXIAL]
        bone = enlarged(view.slice(labels == label, index).astype(float), side, Image.Resampling.BICUBIC) > 0.5
        painted = view.slice(paint_seeds(axial, volume), index).astype(float)
        painted = enlarged(painted, side, Image.Resampling.NEAREST) > 0.5
        outline = bone ^ ndimage.binary_erosion(bone, iterations=2)
        color = np.array(COLORS[(label - 1) % len(COLORS)])
        picture[painted] = 0.25 * picture[painted] + 0.75 * color
        picture[outline] = color
    top, left = (side - HEIGHT) // 2, (side - WIDTH) // 2
    picture = picture[top : top + HEIGHT, left : left + WIDTH]
    return Image.fromarray((255 * picture).round().astype(np.uint8))


def enlarged(picture: np.ndarray, side: int, how: Image.Resampling) -> np.ndarray:
    """A square picture with values 0..1, side x side pixels."""
    resized = Image.fromarray(picture.astype(np.float32)).resize((side, side), how)
    return np.clip(np.asarray(resized), 0, 1)


if __name__ == "__main__":
    draw().save(THUMBNAIL, optimize=True)
