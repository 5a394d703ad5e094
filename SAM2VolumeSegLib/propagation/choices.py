"""Every choice of a run in words, and the presets.

The command line, the panel with its scenes, and docs/choices.md take names, ranges and help from here. Defaults are
those of `Settings` and its memory, which also say what is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policy import SAM2_LIMITS
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation.settings import CROPS, DIRECTIONS, FUSIONS, PAPER, RECOMMENDED, STOCK_SAM2, Settings
from SAM2VolumeSegLib.propagation.sight import COARSER
from SAM2VolumeSegLib.volume import WINDOWS, Plane

GROUPS = {
    "sight": "what the model sees",
    "axes": "axes, and how their votes become one",
    "memory": "memory",
}
"""Of choices. A preset is for "axes" and "memory"; "sight" depends on the CT, so the panel leaves it as it is."""

DEFAULT_MODEL = "small"


@dataclasses.dataclass(frozen=True)
class Choice:
    """One choice of a run.

    Attributes:
        field: its name in Settings, or "memory." and its name in VolumeMemory.
        group: one of `GROUPS`.
        label: what it is called.
        option: of `sam2-volume-seg segment`; for yes or no the one that departs from the default.
        help: what it does. The panel's tool tip begins with it.
        values: what can be chosen, and how it is shown.
        limits: the smallest and the largest number that can be set.
        unit: of the number.
        typed: what the option takes, where that is neither a value's name nor a number.
        note: what else there is to know, such as why the default is what it is.
    """

    field: str
    group: str
    label: str
    option: str
    help: str
    values: Mapping[Any, str] = dataclasses.field(default_factory=dict)
    limits: tuple[float, float] | None = None
    unit: str = ""
    typed: str = ""
    note: str = ""

    @property
    def default(self) -> Any:
        """The value in the recommended settings."""
        return attrgetter(self.field)(RECOMMENDED)

    @property
    def range(self) -> str:
        """The numbers that can be set, as in "0 to 200 mm"; "" where none can."""
        if self.limits is None:
            return ""
        lowest, highest = self.limits
        return f"{lowest:g} to {highest:g} {self.unit}".rstrip()

    def shown(self, value: Any) -> str:
        """Return a value as a person reads it."""
        if isinstance(value, tuple):
            return ", ".join(map(self.shown, value))
        return self.values[value] if value in self.values else f"{value:g} {self.unit}".rstrip()


CHOICES = (
    Choice(
        "window", "sight", _("Window"), "--window",
        _("The range of intensities that the model sees. Outside of it, all is black or white. Choose the one in which "
        "you see the structure best."),
        values={name: name.capitalize() for name in WINDOWS} | {"min-max": _("Whole range of the CT")},
        limits=(-32768, 65535), unit="HU",
        typed=f"{', '.join(WINDOWS)}, min-max, or HU: LOWER,UPPER or cCENTREwWIDTH as in c400w1000",
        note="As in Slicer's presets: "
        + "; ".join(f"{name}, {window.lower:g} to {window.upper:g} HU" for name, window in WINDOWS.items()) + ".",
    ),
    Choice(
        "clahe", "sight", _("Contrast"), "--clahe",
        _("Strengthens weak local contrast after the window."),
        values={False: _("As it is"), True: _("Equalize locally (CLAHE)")},
    ),
    Choice(
        "margin_mm", "sight", _("Margin"), "--margin",
        _("How much around the painted area the model sees. It should hold the whole structure and some of its "
        "surroundings."),
        limits=(0, 200), unit="mm",
    ),
    Choice(
        "crop", "sight", _("Crop"), "--crop",
        _("Segments in one picture take less time. Where they are far apart, each is sharper in a picture of its own."),
        values=CROPS,
        note=f"shared is as sharp where a pixel is at most {COARSER:g} times as large, in mm, as in a picture of the "
        "segment's own.",
    ),
    Choice(
        "planes", "axes", _("Axes"), "--axes",
        _("Goes through the slices of these planes, where some are painted. The answers of all axes are averaged."),
        values={None: _("Every axis with painted slices")} | {plane: plane.value.capitalize() for plane in Plane},
        typed="any of them, as in axial,coronal; or all that have painted slices",
    ),
    Choice(
        "direction", "axes", _("Direction"), "--direction",
        _("The order in which slices are visited. Both ways takes up to twice as long and averages the two answers."),
        values=DIRECTIONS,
        note="Both ways measures better than forward alone (see the study). One segment at 160 px takes hardly longer, "
        "because both ways share batches.",
    ),
    Choice(
        "fusion", "axes", _("Averaging"), "--fusion",
        _(
            "How the answers of axes and directions become one. Those from a nearer painted slice are usually more "
            "exact."
        ),
        values=FUSIONS,
        note="A vote counts by the inverse of its way from the seed it came from. With loose parts dropped that has "
        "more Dice and less Hausdorff distance than the plain average, the paper's best (see the study).",
    ),
    Choice(
        "drop_islands", "axes", _("Clean up"), "--keep-islands",
        _("Loose parts of the result are those that are not connected to anything painted."),
        values={True: _("Drop loose parts"), False: _("Keep loose parts")},
    ),
    Choice(
        "edges", "axes", _("Surface"), "--no-edges",
        _("Edges are where the CT turns from bright to dark. Following them moves the surface by at most 10 mm, and "
        "leaves what is painted as it is."),
        values={True: _("Follow the CT's edges"), False: _("As the model says")},
    ),
    Choice(
        "extend", "axes", _("Beyond the ends"), "--no-extend",
        _("Going on beyond the outermost painted slices, until the structure is gone, is at most 5 mm beyond what is "
        "painted, 15 mm where only one or two planes are painted. An axis with one painted slice always goes on."),
        values={True: _("Go on until the structure ends, at most 15 mm"), False: _("End at the painted slices")},
    ),
    Choice(
        "passes", "axes", _("Passes"), "--passes",
        _("2 goes through once more, with the most confident slice of each gap as an extra seed. Takes twice as long."),
        limits=(1, 2),
    ),
    Choice(
        "pace_mm", "axes", _("Pace"), "--pace",
        _("How far apart the slices are that the model goes through. Painted ones are always among them, those between "
        "are interpolated. Slices that lie closer hardly differ."),
        values={0.0: _("Every slice")}, limits=(0, 10), unit="mm", typed="0 (every slice) to 10 mm",
        note="as near as whole slices come to it: every third one of 0.5 mm, every one of 1 mm. Memory counts the "
        "slices that are gone through, so it reaches further where slices are thin. The paper's CTs have slices of "
        "1.5 mm, and every one is gone through.",
    ),
    Choice(
        "memory.radius", "memory", _("Seed radius (SPS)"), "--radius",
        _("How far away a painted slice may be to be looked at, as a share of all slices gone through. The paper found "
        "0.3 best."),
        values={None: _("All, however far away")}, limits=(0.1, 1.0),
        typed="0.1 to 1, or all: every painted slice, however far away",
    ),
    Choice(
        "memory.recent", "memory", _("Recent slices"), "--recent",
        _("How many of the slices just finished the model remembers. Few keep old errors from being carried on."),
        limits=(0, SAM2_LIMITS.ages), note="at most 2 with the first-and-last age labels (IS).",
    ),
    Choice(
        "memory.embeddings", "memory", _("Age labels (IS)"), "--embeddings",
        _('How the model is told which remembered slice is older. "First and last" makes two slices as different as '
        "possible, and is the paper's choice."),
        values={"is": _("First and last (IS)"), "sam2": _("By age (stock SAM2)")},
    ),
    Choice(
        "memory.stride", "memory", _("Remember"), "--stride",
        _("Skipping slices lets the memory reach further back with the same effort. The slice just finished is always "
        "remembered."),
        values={1: _("Every slice"), 2: _("Every 2nd slice"), 4: _("Every 4th slice")},
    ),
    Choice(
        "memory.gate", "memory", _("Most confident"), "--gate",
        _("0 is off. Otherwise the model remembers this many of its most confident slices instead of the most recent "
        "ones."),
        limits=(0, SAM2_LIMITS.ages), note="at most 2 with the first-and-last age labels (IS).",
    ),
)  # fmt: skip
"""Of Settings all but `roi`, which only scripts set."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings with a name.

    Attributes:
        name: at the command line.
        label: of the panel's button.
        help: what it is for; the button's tool tip.
        settings: what it sets, with a VolumeMemory, whose values the panel can show. The panel takes the groups "axes"
            and "memory" of them.
    """

    name: str
    label: str
    help: str
    settings: Settings

    def __post_init__(self) -> None:
        if not isinstance(self.settings.memory, VolumeMemory):
            raise ValueError(f"The preset {self.name} has a memory that the panel has no fields for.")


PRESETS = (
    Preset(
        "recommended", _("Recommended"),
        _("Sets the axes, direction, averaging and memory that we recommend."),
        RECOMMENDED,
    ),
    Preset(
        "paper", _("Paper's best"),
        _("Sets what the paper found best: a plain average of all axes, and a short memory."),
        PAPER,
    ),
    Preset(
        "stock", _("Stock SAM2"),
        _(
            "Sets what SAM2 does with a video: the axial axis alone, forward, everything in memory. For comparison and "
            "teaching."
        ),
        STOCK_SAM2,
    ),
)  # fmt: skip
"""The first is where the command line starts from."""
