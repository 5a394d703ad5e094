"""Draws the icons of the extension, the module and the Segment Editor effect: python Resources/Icons/draw_icons.py

The picture says what the tool does: a structure painted on the first and on the last slice appears on those between.
Slicer takes the SVG files; the Extensions Index wants a PNG for the extension. The effect's icon has no background of
its own, so there is one for dark themes.
"""

from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
EXTENSION_ICON = ROOT / "Resources/Icons/SAM2VolumeSeg.png"
MODULE_ICON = ROOT / "SAM2VolumeSeg/Resources/Icons/SAM2VolumeSeg.svg"
EFFECT_ICON = ROOT / "SAM2VolumeSeg/SegmentEditorSAM2PropagateLib/SegmentEditorEffect.svg"
EFFECT_ICON_DARK = EFFECT_ICON.with_name("SegmentEditorEffectDark.svg")

BACKGROUND = (22, 38, 66, 255)
SLICE_FILL = (120, 150, 190, 215)
SLICE_EDGE = (200, 220, 245, 255)
PAINTED = (255, 196, 61, 255)
CARRIED = (78, 205, 160, 235)
SUPERSAMPLING = 8
ON_LIGHT = (190, 208, 230, 255), (70, 95, 135, 255)
ON_DARK = (88, 112, 150, 255), (205, 222, 245, 255)
"""Fill and edge of a slice without a background."""


def on_slice(u: float, v: float, centre: float) -> tuple[float, float]:
    """A point of a tilted slice, u and v in -1..1, in a picture of 0..1; `centre` is the slice's height."""
    return 0.5 + 0.33 * u - 0.09 * v, centre + 0.03 * u + 0.14 * v


def draw_icon(size: int, centres: list[float]) -> Image.Image:
    """An RGBA picture of size x size pixels with a slice at each of the heights `centres`, the last one on top."""
    big = size * SUPERSAMPLING
    picture = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rounded_rectangle((0, 0, big - 1, big - 1), radius=big // 6, fill=BACKGROUND)
    for number, centre in enumerate(centres):
        layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        pen = ImageDraw.Draw(layer)
        corners = [on_slice(u, v, centre) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        pen.polygon(scaled(corners, big), fill=SLICE_FILL)
        pen.line(scaled([*corners, corners[0]], big), fill=SLICE_EDGE, width=big // 64, joint="curve")
        color = PAINTED if number in (0, len(centres) - 1) else CARRIED
        for outline in vertebra():
            pen.polygon(scaled([on_slice(u, v, centre) for u, v in outline], big), fill=color)
        picture.alpha_composite(layer)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def svg_icon(centres: list[float], slices: tuple[tuple, tuple], background: bool) -> str:
    """The same picture as SVG; `slices` are fill and edge of a slice."""
    fill, edge = slices
    shapes = [f'<rect width="128" height="128" rx="21" {paint(BACKGROUND)}/>'] if background else []
    for number, centre in enumerate(centres):
        corners = [on_slice(u, v, centre) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        shapes.append(f'<polygon {points(corners)} {paint(fill)} {paint(edge, "stroke")} stroke-width="2"/>')
        color = PAINTED if number in (0, len(centres) - 1) else CARRIED
        shapes += [
            f"<polygon {points([on_slice(u, v, centre) for u, v in part])} {paint(color)}/>" for part in vertebra()
        ]
    lines = "\n ".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="128" height="128" viewBox="0 0 128 128">\n {lines}\n</svg>\n'
    )


def points(outline) -> str:
    """The corners of a polygon in SVG."""
    return 'points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in scaled(outline, 128)) + '"'


def paint(color: tuple[int, ...], what: str = "fill") -> str:
    """A color in SVG."""
    return f'{what}="#{color[0]:02x}{color[1]:02x}{color[2]:02x}" {what}-opacity="{color[3] / 255:.2f}"'


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
    stack, alone = [0.76, 0.50, 0.24], [0.78, 0.50, 0.22]
    draw_icon(128, stack).save(EXTENSION_ICON, optimize=True)
    MODULE_ICON.write_text(svg_icon(stack, (SLICE_FILL, SLICE_EDGE), background=True), encoding="utf-8")
    for path, slices in ((EFFECT_ICON, ON_LIGHT), (EFFECT_ICON_DARK, ON_DARK)):
        path.write_text(svg_icon(alone, slices, background=False), encoding="utf-8")


if __name__ == "__main__":
    main()
