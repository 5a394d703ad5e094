"""The choices of the module's panel, and the engine's Settings and model they stand for.

Values, labels, ranges and defaults are the engine's (`propagation.choices`, `propagation.settings`). The enumerations
are stored by name in a scene and shown by `label`. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import settings as engine
from SAM2VolumeSegLib.propagation.choices import CHOICES, DEFAULT_MODEL
from SAM2VolumeSegLib.propagation.settings import Settings
from SAM2VolumeSegLib.volume import WINDOWS, Plane

_VALUES = {choice.field: choice.values for choice in CHOICES}


class Labelled(Enum):
    """An enumeration whose members have a value for the engine and a label for the user."""

    text: str

    # A member is made with a label, and looked up without one.
    def __new__(cls, value: Any, label: str = "") -> Labelled:
        """Make a member."""
        member = object.__new__(cls)
        member._value_ = value
        member.text = label
        return member

    def label(self) -> str:
        """Return what a combo box shows."""
        return self.text


def _labelled(name: str, values: Mapping[Any, str], names: Mapping[Any, str] | None = None) -> Any:
    """Return the enumeration of a choice's values.

    Args:
        name: of the enumeration.
        values: value -> label.
        names: value -> member, of values that do not name their member themselves ("soft tissue": SOFT_TISSUE).
    """
    named = {value: str(value).upper().replace(" ", "_") for value in values} | dict(names or {})
    members = {named[value]: (value, label) for value, label in values.items()}
    # mypy takes the call that makes an enumeration for one that looks up a member.
    return Labelled(name, members, module=__name__)  # type: ignore[call-arg, arg-type]


WindowChoice: Any = _labelled(
    "WindowChoice",
    {name: _VALUES["window"][name] for name in WINDOWS}
    | {
        "display": _("As the CT is displayed now"),
        "by hand": _("Set by hand"),
        "min-max": _VALUES["window"]["min-max"],
    },
    {"min-max": "WHOLE_RANGE"},
)
"""Which intensities the model sees."""

Direction: Any = _labelled("Direction", _VALUES["direction"], {"forward-backward": "BOTH"})
"""Which way the slices are visited."""

Fusion: Any = _labelled("Fusion", _VALUES["fusion"])
"""How the answers of axes and directions become one."""

Crop: Any = _labelled("Crop", _VALUES["crop"])
"""Which segments share a picture."""

Embeddings: Any = _labelled("Embeddings", _VALUES["memory.embeddings"])
"""Which temporal embeddings the recent slices get."""

Stride: Any = _labelled("Stride", _VALUES["memory.stride"], {1: "EVERY", 2: "SECOND", 4: "FOURTH"})
"""Every how many slices one is remembered."""


class Scope(Labelled):
    """Which segments a run is for."""

    ALL = "all", _("All segments with painted slices")
    SELECTED = "selected", _("Only the segment selected above")


class Target(Labelled):
    """Where the result goes."""

    NEW = "new", _("A new segmentation")
    REPLACE = "replace", _("A new one, in place of the last")
    SAME = "same", _("The painted segments")


class PlotAxis(Labelled):
    """Along which slices the chosen segment is plotted."""

    NONE = "none", _("no plot")
    AXIAL = "axial", _("axial slices")
    CORONAL = "coronal", _("coronal slices")
    SAGITTAL = "sagittal", _("sagittal slices")


class ModelChoice(Labelled):
    """The model. OWN is a checkpoint file of the user's."""

    TINY = "tiny", _("SAM 2.1 tiny")
    SMALL = "small", _("SAM 2.1 small")
    BASE_PLUS = "base+", _("SAM 2.1 base+")
    LARGE = "large", _("SAM 2.1 large")
    DEMO = "demo", _("Demo (bundled, for practice only)")
    OWN = "own", _("A file of your own")


class Architecture(Labelled):
    """What the user's own checkpoint was trained as."""

    TINY = "tiny", _("Tiny")
    SMALL = "small", _("Small")
    BASE_PLUS = "base+", _("Base+")
    LARGE = "large", _("Large")


class Device(Labelled):
    """Where the model runs."""

    AUTO = "auto", _("Fastest available")
    CUDA = "cuda", _("NVIDIA graphics card")
    MPS = "mps", _("Apple graphics")
    CPU = "cpu", _("Processor (CPU)")


class InputSize(Labelled):
    """Side of the square picture that the model sees, in pixels."""

    AUTO = None, _("Automatic")
    PIXELS_192 = 192, _("192 pixels")
    PIXELS_256 = 256, _("256 pixels")
    PIXELS_512 = 512, _("512 pixels")
    PIXELS_768 = 768, _("768 pixels")
    PIXELS_1024 = 1024, _("1024 pixels")


_DEFAULTS = engine.RECOMMENDED
_WINDOW = WindowChoice(_DEFAULTS.window)


def _memory_in(settings: Settings) -> VolumeMemory:
    """Return the memory of a preset: its values are the paper's, which the panel shows."""
    assert isinstance(settings.memory, VolumeMemory)
    return settings.memory


_MEMORY = _memory_in(_DEFAULTS)
_RADIUS = _MEMORY.radius or 1.0


@dataclass
class Choices:
    """Every choice of a run, under the names of the module's parameter node, which can stand in for it.

    The defaults are the engine's recommended settings.

    Attributes:
        windowLower: HU, used by DISPLAY and BY_HAND.
        windowUpper: HU, likewise.
        ownCheckpoint: the file for ModelChoice.OWN.
        marginMm: mm.
        paceMm: mm; 0 is every slice.
        keepAllSeeds: the engine's radius None.
    """

    window: WindowChoice = _WINDOW
    windowLower: float = WINDOWS[_WINDOW.value].lower
    windowUpper: float = WINDOWS[_WINDOW.value].upper
    model: ModelChoice = ModelChoice(DEFAULT_MODEL)
    ownCheckpoint: Path = Path()
    ownArchitecture: Architecture = Architecture.TINY
    device: Device = Device.AUTO
    inputSize: InputSize = InputSize.AUTO
    axial: bool = True
    coronal: bool = True
    sagittal: bool = True
    direction: Direction = Direction(_DEFAULTS.direction)
    fusion: Fusion = Fusion(_DEFAULTS.fusion)
    dropIslands: bool = _DEFAULTS.drop_islands
    edges: bool = _DEFAULTS.edges
    extend: bool = _DEFAULTS.extend
    keepAllSeeds: bool = False
    radius: float = _RADIUS
    recent: int = _MEMORY.recent
    embeddings: Embeddings = Embeddings(_MEMORY.embeddings)
    stride: Stride = Stride(_MEMORY.stride)
    gate: int = _MEMORY.gate
    passes: int = _DEFAULTS.passes
    paceMm: float = _DEFAULTS.pace_mm
    clahe: bool = _DEFAULTS.clahe
    marginMm: float = _DEFAULTS.margin_mm
    crop: Crop = Crop(_DEFAULTS.crop)


def copy_of(choices: Choices) -> Choices:
    """Return the choices as they are now, for what goes on for a while; a parameter node goes on changing."""
    return Choices(**{field.name: getattr(choices, field.name) for field in fields(Choices)})


def name_of(field: str) -> str:
    """Return what `Choices` calls a field of the engine's: marginMm for margin_mm, recent for memory.recent."""
    first, *others = field.removeprefix("memory.").split("_")
    return first + "".join(map(str.capitalize, others))


LIMITS = {name_of(choice.field): choice.limits for choice in CHOICES if choice.limits}
LIMITS |= dict.fromkeys(("windowLower", "windowUpper"), LIMITS.pop("window"))
"""Smallest and largest number of a field."""


def values_of(settings: Settings) -> dict[str, Any]:
    """Return what a preset with these settings sets: the axes and the memory, by their names in `Choices`."""
    planes, memory = settings.planes or tuple(Plane), _memory_in(settings)
    return {
        **{plane.value: plane in planes for plane in Plane},
        "direction": Direction(settings.direction),
        "fusion": Fusion(settings.fusion),
        "dropIslands": settings.drop_islands,
        "edges": settings.edges,
        "extend": settings.extend,
        "passes": settings.passes,
        "paceMm": settings.pace_mm,
        "keepAllSeeds": memory.radius is None,
        "radius": memory.radius or _RADIUS,
        "recent": memory.recent,
        "embeddings": Embeddings(memory.embeddings),
        "stride": Stride(memory.stride),
        "gate": memory.gate,
    }


def settings_from(choices: Choices) -> Settings:
    """Return the engine's settings.

    Raises:
        InputError: the choices do not go together.
    """
    planes = planes_of(choices)
    return Settings(
        window=window_of(choices),
        clahe=choices.clahe,
        planes=None if len(planes) == 3 else planes,
        margin_mm=choices.marginMm,
        crop=choices.crop.value,
        memory=memory_of(choices),
        direction=choices.direction.value,
        fusion=choices.fusion.value,
        drop_islands=choices.dropIslands,
        edges=choices.edges,
        extend=choices.extend,
        passes=choices.passes,
        pace_mm=choices.paceMm,
    )


def memory_of(choices: Choices) -> VolumeMemory:
    """Return what a slice may remember.

    Raises:
        InputError: the choices do not go together.
    """
    return VolumeMemory(
        radius=None if choices.keepAllSeeds else choices.radius,
        recent=choices.recent,
        embeddings=choices.embeddings.value,
        stride=choices.stride.value,
        gate=choices.gate,
    )


def planes_of(choices: Choices) -> tuple[Plane, ...]:
    """Return the axes that are switched on.

    Raises:
        InputError: none is.
    """
    planes = tuple(plane for plane in Plane if getattr(choices, plane.value))
    if not planes:
        raise InputError(_("All three axes are switched off. Under Advanced, switch at least one on."))
    return planes


def window_of(choices: Choices) -> str | tuple[float, float]:
    """Return the window as Settings has it: a name, or limits in HU."""
    if choices.window in (WindowChoice.DISPLAY, WindowChoice.BY_HAND):
        return choices.windowLower, choices.windowUpper
    return choices.window.value


def limits_of(window: WindowChoice) -> tuple[float, float] | None:
    """Return lower and upper HU of a named window; None where the CT or the user says them."""
    named = WINDOWS.get(window.value)
    return None if named is None else (named.lower, named.upper)


def model_from(choices: Choices) -> checkpoints.Model:
    """Return the model to load.

    Raises:
        InputError: the user's own file is not there.
    """
    if choices.model is not ModelChoice.OWN:
        return checkpoints.find(choices.model.value)
    if not Path(choices.ownCheckpoint).is_file():
        raise InputError(_("Under Advanced, a model file of your own is chosen but no file is named. Choose the file."))
    return checkpoints.user_model(choices.ownCheckpoint, choices.ownArchitecture.value, choices.inputSize.value)
