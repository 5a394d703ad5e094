"""Draws the tutorial's pictures and prints its numbers: python Resources/Tutorial/draw_tutorial.py [folder]

Not screenshots: the phantom, the painted slices and the results of the engine with the demo model, drawn as Slicer's
slice views lie and are coloured. Every number in the pictures is computed here, and printed. It takes a minute or two
on a CPU.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Request, Segmenter, Sight
from SAM2VolumeSegLib.propagation.pictures import Intensities, PlanePictures
from SAM2VolumeSegLib.propagation.workload import workload
from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.measures.metrics import dice, unprompted_dice
from SAM2VolumeSegLib.research.pictures.render import render_masks
from SAM2VolumeSegLib.seeds import SeedSlice, find_seeds, paint_seeds
from SAM2VolumeSegLib.synthetic.phantom import COLORS, make_phantom
from SAM2VolumeSegLib.volume import Box, Plane, Window

HERE = Path(__file__).resolve().parent
DISPLAY = Window.centre_width(400, 1800)  # how the phantom is shown when Sample Data loads it
VIEWS = {Plane.AXIAL: "Red", Plane.SAGITTAL: "Yellow", Plane.CORONAL: "Green"}
VIEW_COLORS = {"Red": "#f34a33", "Yellow": "#edd54c", "Green": "#6eb04b"}  # vtkMRMLSliceNode's
EDGES = {Plane.AXIAL: "RLAP", Plane.CORONAL: "RLSI", Plane.SAGITTAL: "APSI"}  # left, right, top, bottom
BAR_3D, BACKGROUND_3D = "#7478be", (0.62, 0.63, 0.84)
BACKGROUND, TEXT, CROP = "#14171c", "#f0f2f4", "#58c4f6"
REFERENCE = {"colors": "white", "linewidths": 1.3, "linestyles": [(0, (3, 2))]}
WIDTH, GAP, BAR, LEGEND = 1080, 10, 28, 40  # pixels


class Tutorial:
    """The phantom and what the module makes of it. Masks are bool [k, j, i] by the name of the bone; each result is
    computed once, when it is asked for."""

    def __init__(self, segmenter: Segmenter | None = None):
        """segmenter: None loads the demo model."""
        self.volume, labels, names, seeds = make_phantom()
        self.references = {name: labels == label for label, name in names.items()}
        self.colors = {name: COLORS[label - 1] for label, name in names.items()}
        # As the module does it: the slices are found in what is painted.
        self.painted = {names[label]: paint_seeds(own, self.volume) for label, own in seeds.items()}
        self.seeds = {name: find_seeds(mask, self.volume) for name, mask in self.painted.items()}
        self._segmenter = segmenter or Segmenter(SliceTracker.load(checkpoints.find("demo"), "cpu"))

    def segment(self, seeds: Mapping[str, Sequence[SeedSlice]], **chosen) -> dict[str, np.ndarray]:
        """The masks of a run with the panel's recommended choices, but for those given."""
        settings = ch.settings_from(ch.Choices(**chosen))
        result = self._segmenter.segment(Request.of(self.volume, seeds, settings))
        return {name: segment.mask for name, segment in result.segments.items()}

    @cached_property
    def recommended(self) -> dict[str, np.ndarray]:
        return self.segment(self.seeds)

    @cached_property
    def papers_best(self) -> dict[str, np.ndarray]:
        return self.segment(self.seeds, **ch.values_of(PAPER))

    @cached_property
    def stock(self) -> dict[str, np.ndarray]:
        return self.segment(self.seeds, **ch.values_of(STOCK_SAM2))

    @cached_property
    def axial_only(self) -> dict[str, np.ndarray]:
        axial = {name: [seed for seed in own if seed.plane is Plane.AXIAL] for name, own in self.seeds.items()}
        return self.segment(axial)

    @cached_property
    def interpolated(self) -> dict[str, np.ndarray]:
        return {name: interpolate_seeds(own, self.volume) for name, own in self.seeds.items()}

    def dice(self, result: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {name: dice(result[name], mask) for name, mask in self.references.items()}

    @property
    def image_size(self) -> int:
        """Pixels along each side of what the model gets."""
        return self._segmenter.tracker.plan.image_size

    @property
    def box(self) -> Box:
        """What the model sees: all that is painted, and the margin."""
        return Box.around(list(self.painted.values()), self.volume, ch.Choices().marginMm)

    @property
    def first(self) -> str:
        """The bone that is corrected, and whose painted slices decide which slices are shown."""
        return next(iter(self.seeds))

    def places(self, plane: Plane) -> list[int]:
        """The painted slices of the first bone on a plane, in order."""
        return sorted(seed.index for seed in self.seeds[self.first] if seed.plane is plane)

    def _within(self, plane: Plane) -> tuple[int, ...]:
        """The axes of an array that lie in the slices of a plane."""
        return tuple({0, 1, 2} - {self.volume.view(plane).axis})

    @cached_property
    def worst(self) -> dict[Plane, int]:
        """In each view the slice of the first bone on which the recommended result has most wrong voxels."""
        wrong = self.recommended[self.first] ^ self.references[self.first]
        return {plane: int(wrong.sum(axis=self._within(plane)).argmax()) for plane in VIEWS}

    def mended(self, *planes: Plane) -> dict[str, np.ndarray]:
        """The result after the worst slices of these views were mended (they are the reference's) and made seeds."""
        painted = self.painted[self.first].copy()
        for plane in planes:
            view, index = self.volume.view(plane), self.worst[plane]
            view.slice(painted, index)[...] = view.slice(self.references[self.first], index)
        return self.segment({**self.seeds, self.first: find_seeds(painted, self.volume)})

    @cached_property
    def corrected(self) -> dict[str, np.ndarray]:
        return self.mended(*VIEWS)

    def dice_elsewhere(self, result: Mapping[str, np.ndarray]) -> float:
        """Dice of the first bone without the worst slices."""
        mended = np.zeros(self.volume.voxels.shape, dtype=bool)
        for plane, index in self.worst.items():
            self.volume.view(plane).slice(mended, index)[...] = True
        return unprompted_dice(result[self.first], self.references[self.first], mended)

    def halfway(self, plane: Plane) -> int:
        """A slice halfway between two painted ones: of the two, the one that shows more bone."""
        places = self.places(plane)
        filled = sum(self.references.values()).sum(axis=self._within(plane))
        return max(((a + b) // 2 for a, b in pairwise(places)), key=lambda index: filled[index])


class Page:
    """A picture of WIDTH pixels: a head, rows of square views, a legend."""

    def __init__(self, tutorial: Tutorial, columns: int, rows: int, head: int = 0):
        """columns, rows: of views; head: height in pixels."""
        self.tutorial, self.head = tutorial, head
        self.side = (WIDTH - GAP * (columns + 1)) // columns
        self.height = GAP + head + rows * (BAR + self.side + GAP) + LEGEND
        self.figure = Figure(figsize=(WIDTH / 100, self.height / 100), dpi=100, facecolor=BACKGROUND)
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float):
        """Axes by their place in pixels from the top left corner."""
        place = (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        return self.figure.add_axes(place, facecolor="black")

    def square(self, row: int, column: int, color: str, bold: str, text: str, ink: str = "black"):
        """A coloured bar with words, and the empty axes of a view below it."""
        left, top = GAP + column * (self.side + GAP), GAP + self.head + row * (BAR + self.side + GAP)
        bar = self.axes(left, top, self.side, BAR)
        bar.set_axis_off()
        bar.add_patch(Rectangle((0, 0), 1, 1, transform=bar.transAxes, color=color))
        words = {"color": ink, "fontsize": 12, "va": "center"}
        name = bar.text(8 / self.side, 0.47, bold, fontweight="bold", **words)
        width = name.get_window_extent(self.figure.canvas.get_renderer()).width + 9 if bold else 0
        bar.text((width + 8) / self.side, 0.47, text, **words)
        axes = self.axes(left, top + BAR, self.side, self.side)
        axes.set_axis_off()
        return axes

    def title(self, column: int, text: str, below: str) -> None:
        """Two lines in the head, above a column."""
        left = (GAP + column * (self.side + GAP)) / WIDTH
        self.figure.text(left, 1 - 22 / self.height, text, color=TEXT, fontsize=15, fontweight="bold", va="center")
        self.figure.text(left, 1 - 48 / self.height, below, color=TEXT, fontsize=12, va="center")

    def view(self, row: int, column: int, plane: Plane, index: int):
        """A slice view with its bar, the CT as it is displayed, and the patient's sides; returns axes in mm."""
        view = self.tutorial.volume.view(plane)
        where = f"{plane.value}  {place_text(self.tutorial.volume, plane, index)}"
        axes = self.square(row, column, VIEW_COLORS[VIEWS[plane]], VIEWS[plane], where)
        axes.imshow(
            view.slice(self.tutorial.volume.voxels, index),
            cmap="gray",
            vmin=DISPLAY.lower,
            vmax=DISPLAY.upper,
            interpolation="bilinear",
            extent=_extent(view),
        )
        axes.set_autoscale_on(False)
        _letters(axes, plane)
        return axes

    def fill(self, axes, plane: Plane, index: int, masks: Mapping[str, np.ndarray], opacity: float = 0.5) -> None:
        """Segments as Slicer shows them: filled, with an outline."""
        view = self.tutorial.volume.view(plane)
        for name, mask in masks.items():
            tint = np.zeros((*view.shape, 4))
            tint[view.slice(mask, index)] = (*self.tutorial.colors[name], opacity)
            axes.imshow(tint, interpolation="nearest", extent=_extent(view))
            self.outline(axes, plane, index, mask, colors=[self.tutorial.colors[name]], linewidths=2)

    def compare(self, axes, plane: Plane, index: int, result: Mapping[str, np.ndarray]) -> None:
        """A result, and the reference dashed over it."""
        self.fill(axes, plane, index, result, opacity=0.3)
        for mask in self.tutorial.references.values():
            self.outline(axes, plane, index, mask, **REFERENCE)

    def outline(self, axes, plane: Plane, index: int, mask: np.ndarray, **style) -> None:
        view = self.tutorial.volume.view(plane)
        # Pixel centres, with a rim that closes outlines at the border of the volume.
        x = (np.arange(-1, view.shape[1] + 1) + 0.5) * view.col_mm
        y = (np.arange(-1, view.shape[0] + 1) + 0.5) * view.row_mm
        if (picture := view.slice(mask, index)).any():
            axes.contour(x, y, np.pad(picture, 1).astype(float), levels=[0.5], **style)

    def surface(self, row: int, column: int, text: str, masks: Mapping[str, np.ndarray]) -> None:
        """A 3-D view, from the patient's left and behind."""
        axes = self.square(row, column, BAR_3D, "3D", text, ink="white")
        picture = render_masks(masks, self.tutorial.volume, self.tutorial.colors, height_px=3 * self.side // 2)
        height, width = 0.9, 0.9 * picture.shape[1] / picture.shape[0]
        extent = (0.5 - width / 2, 0.5 + width / 2, 0.05, 0.05 + height)
        axes.add_patch(Rectangle((0, 0), 1, 1, color=BACKGROUND_3D, zorder=-1))
        axes.imshow(picture, extent=extent, interpolation="antialiased", aspect="auto")
        axes.set(xlim=(0, 1), ylim=(0, 1))

    def legend(self, *handles) -> None:
        self.figure.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(GAP / WIDTH, 4 / self.height), frameon=False,
            ncols=len(handles), fontsize=13, labelcolor=TEXT, borderpad=0.3, borderaxespad=0, columnspacing=1.6,
            handlelength=1.6,
        )  # fmt: skip

    def bones(self, what: Mapping[str, str] | str) -> list[Patch]:
        """Legend entries of the segments; what: of each, or one for all."""
        return [
            Patch(
                facecolor=(*color, 0.5),
                edgecolor=color,
                linewidth=2,
                label=f"{name}: {what if isinstance(what, str) else what[name]}",
            )
            for name, color in self.tutorial.colors.items()
        ]

    def save(self, path: Path) -> None:
        """A PNG of few colours: a third of the size."""
        self.figure.canvas.draw()
        picture = Image.fromarray(np.asarray(self.figure.canvas.buffer_rgba())[..., :3])
        picture.quantize(120, kmeans=3).save(path, optimize=True)


ANSWER = Line2D([], [], color="white", linewidth=1.6, linestyle=(0, (3, 2)), label="reference")


def _extent(view) -> tuple[float, float, float, float]:
    return 0, view.shape[1] * view.col_mm, view.shape[0] * view.row_mm, 0


def _letters(axes, plane: Plane) -> None:
    """The patient's sides at the four edges."""
    ink = {"color": TEXT, "fontsize": 12, "path_effects": [withStroke(linewidth=3, foreground="black")]}
    places = [(0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center")]
    places += [(0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom")]
    for letter, (across, up, ha, va) in zip(EDGES[plane], places, strict=True):
        axes.text(across, up, letter, ha=ha, va=va, transform=axes.transAxes, **ink)


def _dice_text(tutorial: Tutorial, result: Mapping[str, np.ndarray]) -> str:
    return "Dice: " + ", ".join(f"{name} {value:.3f}" for name, value in tutorial.dice(result).items())


def draw_painted(tutorial: Tutorial, path: Path) -> None:
    """The seeds: each view at the middle painted slice of the first bone."""
    page = Page(tutorial, columns=3, rows=1)
    for column, plane in enumerate(VIEWS):
        index = tutorial.places(plane)[1]
        page.fill(page.view(0, column, plane, index), plane, index, tutorial.painted)
    page.legend(*page.bones({name: f"{len(own)} painted slices" for name, own in tutorial.seeds.items()}))
    page.save(path)


def draw_window(tutorial: Tutorial, path: Path) -> None:
    """The CT as it is displayed, and what the model gets of it."""
    page = Page(tutorial, columns=4, rows=1, head=60)
    volume, box, bone = tutorial.volume, tutorial.box, Window.named("bone")
    intensities, pixels = Intensities(volume, bone, clahe=False), tutorial.image_size
    for column, plane in zip((0, 2), (Plane.AXIAL, Plane.SAGITTAL), strict=True):
        page.title(column, "As displayed", f"{DISPLAY.lower:g} to {DISPLAY.upper:g} HU")
        page.title(column + 1, "What the model sees", f"bone window: {bone.lower:g} to {bone.upper:g} HU")
        index, view = tutorial.halfway(plane), volume.view(plane)
        axes = page.view(0, column, plane, index)
        top, bottom, left, right = view.bounds(box.lower, box.upper)
        corner = (left * view.col_mm, top * view.row_mm)
        size = ((right - left) * view.col_mm, (bottom - top) * view.row_mm)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=CROP, linewidth=3, linestyle="--"))
        axes = page.square(0, column + 1, "#b4bac0", "", f"{pixels} \u00d7 {pixels} pixels")
        picture = PlanePictures(intensities, plane, box, pixels).picture(index)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        _letters(axes, plane)
    crop = f"the part that the model sees: what is painted, and {ch.Choices().marginMm:g} mm around it"
    page.legend(Line2D([], [], color=CROP, linewidth=2, linestyle="--", label=crop))
    page.save(path)


def draw_result(tutorial: Tutorial, path: Path) -> None:
    """Slices as far as possible from painted ones, and the surfaces."""
    page = Page(tutorial, columns=3, rows=2)
    for column, plane in enumerate(VIEWS):
        index = tutorial.halfway(plane)
        page.compare(page.view(0, column, plane, index), plane, index, tutorial.recommended)
    for column, (text, masks) in enumerate(
        {"painted": tutorial.painted, "result": tutorial.recommended, "reference": tutorial.references}.items()
    ):
        page.surface(1, column, text, masks)
    numbers = Line2D([], [], linestyle="", label=_dice_text(tutorial, tutorial.recommended))
    page.legend(*page.bones("result"), ANSWER, numbers)
    page.save(path)


def draw_correction(tutorial: Tutorial, path: Path) -> None:
    """The worst slice of each view, and the surfaces before and after these were mended."""
    page = Page(tutorial, columns=3, rows=2)
    for column, plane in enumerate(VIEWS):
        index = tutorial.worst[plane]
        page.compare(page.view(0, column, plane, index), plane, index, tutorial.recommended)
    for column, (text, result) in enumerate({"before": tutorial.recommended, "after": tutorial.corrected}.items()):
        page.surface(1, column, f"{text}, {tutorial.first}: Dice {tutorial.dice(result)[tutorial.first]:.3f}", result)
    page.surface(1, 2, "reference", tutorial.references)
    page.legend(*page.bones("result before"), ANSWER)
    page.save(path)


def draw_presets(tutorial: Tutorial, path: Path) -> None:
    """Three presets on the same slices."""
    page = Page(tutorial, columns=3, rows=2, head=60)
    methods = (
        ("Recommended", tutorial.recommended),
        ("Paper's best", tutorial.papers_best),
        ("Stock SAM2", tutorial.stock),
    )
    for column, (title, result) in enumerate(methods):
        page.title(column, title, _dice_text(tutorial, result))
        for row, plane in enumerate((Plane.AXIAL, Plane.SAGITTAL)):
            index = tutorial.halfway(plane)
            page.compare(page.view(row, column, plane, index), plane, index, result)
    page.legend(*page.bones("result"), ANSWER)
    page.save(path)


def print_numbers(tutorial: Tutorial) -> None:
    """The tables that docs/tutorial.md quotes."""
    slices = workload(Sight(tutorial.volume, tutorial.seeds, RECOMMENDED, tutorial.image_size)).slices
    rows = {
        f"**Recommended** ({slices} slices)": tutorial.recommended,
        "the same, from the three axial painted slices alone": tutorial.axial_only,
        "**Paper's best**": tutorial.papers_best,
        "**Stock SAM2**": tutorial.stock,
        "interpolation of the painted slices, no model": tutorial.interpolated,
    }
    names = list(tutorial.references)
    print(f"| Dice | {' | '.join(names)} |\n|{'---|' * (1 + len(names))}")
    for title, result in rows.items():
        print(f"| {title} | {' | '.join(f'{value:.3f}' for value in tutorial.dice(result).values())} |")
    first, before = tutorial.first, tutorial.recommended
    print(f"\n{first}, the worst slice of each view mended and used as seed: Dice", end=" ")
    print(f"{tutorial.dice(before)[first]:.3f} -> {tutorial.dice(tutorial.corrected)[first]:.3f};", end=" ")
    print("without these slices", end=" ")
    print(f"{tutorial.dice_elsewhere(before):.3f} -> {tutorial.dice_elsewhere(tutorial.corrected):.3f}.")
    for plane, index in tutorial.worst.items():
        where = f"{plane.value} slice at {place_text(tutorial.volume, plane, index)}"
        print(f"Only the {where}: {tutorial.dice(tutorial.mended(plane))[first]:.3f}.")


def draw_all(tutorial: Tutorial, folder: Path) -> None:
    """All pictures, under the names that docs/tutorial.md has."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_painted(tutorial, folder / "painted.png")
    draw_window(tutorial, folder / "window.png")
    draw_result(tutorial, folder / "result.png")
    draw_correction(tutorial, folder / "correction.png")
    draw_presets(tutorial, folder / "presets.png")


def main(folder: Path) -> None:
    tutorial = Tutorial()
    draw_all(tutorial, folder)
    print_numbers(tutorial)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
