"""Draws the icons of the extension, the module and the Segment Editor effect: python Resources/Icons/draw_icons.py

The picture says what the tool does: a structure painted on the first and on the last slice appears on those between.
"""

from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
EXTENSION_ICON = ROOT / "Resources/Icons/SAM2VolumeSeg.png"
MODULE_ICON = ROOT / "SAM2VolumeSeg/Resources/Icons/SAM2VolumeSeg.png"
EFFECT_ICON = ROOT / "SAM2VolumeSeg/SegmentEditorSAM2PropagateLib/SegmentEditorEffect.png"

BACKGROUND = (22, 38, 66, 255)
SLICE_FILL = (120, 150, 190, 215)
SLICE_EDGE = (200, 220, 245, 255)
PAINTED = (255, 196, 61, 255)
CARRIED = (78, 205, 160, 235)
SUPERSAMPLING = 8


def on_slice(u: float, v: float, centre: float) -> tuple[float, float]:
    """A point of a tilted slice, u and v in -1..1, in a picture of 0..1; `centre` is the slice's height."""
    return 0.5 + 0.33 * u - 0.09 * v, centre + 0.03 * u + 0.14 * v


def draw_icon(size: int, centres: list[float], background: bool) -> Image.Image:
    """An RGBA picture of size x size pixels with a slice at each of the heights `centres`, the last one on top."""
    big = size * SUPERSAMPLING
    picture = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    if background:
        ImageDraw.Draw(picture).rounded_rectangle((0, 0, big - 1, big - 1), radius=big // 6, fill=BACKGROUND)
    for number, centre in enumerate(centres):
        layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        pen = ImageDraw.Draw(layer)
        corners = [on_slice(u, v, centre) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        edge = SLICE_EDGE if background else (70, 95, 135, 255)
        pen.polygon(scaled(corners, big), fill=SLICE_FILL if background else (190, 208, 230, 255))
        pen.line(scaled([*corners, corners[0]], big), fill=edge, width=big // 64, joint="curve")
        color = PAINTED if number in (0, len(centres) - 1) else CARRIED
        for outline in vertebra():
            pen.polygon(scaled([on_slice(u, v, centre) for u, v in outline], big), fill=color)
        picture.alpha_composite(layer)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def scaled(points, big: int) -> list[tuple[float, float]]:
    return [(x * big, y * big) for x, y in points]


def vertebra() -> list[list[tuple[float, float]]]:
    """A vertebra seen from above, in a slice's u and v: the body, and the arch with its three processes."""
    body = [
        (-0.5, -0.1), (-0.6, -0.45), (-0.3, -0.85), (0.3, -0.85), (0.6, -0.45), (0.5, -0.1), (0.2, 0.0), (-0.2, 0.0),
    ]  # fmt: skip
    arch = [
        (-0.5, -0.1), (-0.3, 0.05), (-0.26, 0.22), (0.0, 0.34), (0.26, 0.22), (0.3, 0.05), (0.5, -0.1), (0.6, 0.08),
        (0.9, 0.16), (0.88, 0.42), (0.5, 0.44), (0.2, 0.6), (0.16, 0.92), (-0.16, 0.92), (-0.2, 0.6), (-0.5, 0.44),
        (-0.88, 0.42), (-0.9, 0.16), (-0.6, 0.08),
    ]  # fmt: skip
    return [body, arch]


def main() -> None:
    stack = draw_icon(128, [0.76, 0.50, 0.24], background=True)
    for path in (EXTENSION_ICON, MODULE_ICON):
        stack.save(path, optimize=True)
    draw_icon(64, [0.78, 0.50, 0.22], background=False).save(EFFECT_ICON, optimize=True)


if __name__ == "__main__":
    main()
