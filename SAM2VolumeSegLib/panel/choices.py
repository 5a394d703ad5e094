"""The choices of the module's panel, and the engine's Settings and model they stand for.

The enumerations are stored by name in a scene and shown by `label`. Nothing here imports torch: the engine is imported
when a run needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.volume.intensity import WINDOWS

if TYPE_CHECKING:
    from SAM2VolumeSegLib.propagation.settings import Settings


class Labelled(Enum):
    """An enumeration whose members have a value for the engine and a label for the user."""

    def __new__(cls, value: Any, label: str):
        member = object.__new__(cls)
        member._value_ = value
        member.text = label
        return member

    def label(self) -> str:
        """What a combo box shows."""
        return self.text


class WindowChoice(Labelled):
    """Which intensities the model sees."""

    BONE = "bone", "Bone"
    SOFT_TISSUE = "soft tissue", "Soft tissue"
    LUNG = "lung", "Lung"
    BRAIN = "brain", "Brain"
    DISPLAY = "display", "As the CT is displayed now"
    BY_HAND = "by hand", "Set by hand"
    WHOLE_RANGE = "min-max", "Whole range of the CT"


class Scope(Labelled):
    """Which segments a run is for."""

    ALL = "all", "All segments with painted slices"
    SELECTED = "selected", "Only the segment selected above"


class Target(Labelled):
    """Where the result goes."""

    NEW = "new", "A new segmentation"
    SAME = "same", "The painted segments"


class ViewChoice(Labelled):
    """The slice view a button acts on."""

    RED = "Red", "Red (axial)"
    GREEN = "Green", "Green (coronal)"
    YELLOW = "Yellow", "Yellow (sagittal)"


class ModelChoice(Labelled):
    """The model. OWN is a checkpoint file of the user's."""

    TINY = "tiny", "SAM 2.1 tiny"
    SMALL = "small", "SAM 2.1 small"
    BASE_PLUS = "base+", "SAM 2.1 base+"
    LARGE = "large", "SAM 2.1 large"
    DEMO = "demo", "Demo (bundled, for practice only)"
    OWN = "own", "A file of your own"


class Architecture(Labelled):
    """What the user's own checkpoint was trained as."""

    TINY = "tiny", "Tiny"
    SMALL = "small", "Small"
    BASE_PLUS = "base+", "Base+"
    LARGE = "large", "Large"


class Device(Labelled):
    """Where the model runs."""

    AUTO = "auto", "Fastest available"
    CUDA = "cuda", "NVIDIA graphics card"
    MPS = "mps", "Apple graphics"
    CPU = "cpu", "Processor (CPU)"


class InputSize(Labelled):
    """Side of the square picture that the model sees, in pixels."""

    AUTO = None, "Automatic"
    PIXELS_192 = 192, "192 pixels"
    PIXELS_256 = 256, "256 pixels"
    PIXELS_512 = 512, "512 pixels"
    PIXELS_768 = 768, "768 pixels"
    PIXELS_1024 = 1024, "1024 pixels"


class Direction(Labelled):
    """Which way the slices are visited."""

    BOTH = "forward-backward", "Both ways, averaged"
    FORWARD = "forward", "Forward (up, front, right)"
    BACKWARD = "backward", "Backward (down, back, left)"


class Fusion(Labelled):
    """How the answers of axes and directions become one."""

    NEARNESS = "nearness", "Nearer seeds count more"
    MEAN = "mean", "Plain average"


class Embeddings(Labelled):
    """Which temporal embeddings the recent slices get."""

    IS = "is", "First and last (IS)"
    SAM2 = "sam2", "By age (stock SAM2)"


class Stride(Labelled):
    """Every how many slices one is remembered."""

    EVERY = 1, "Every slice"
    SECOND = 2, "Every 2nd slice"
    FOURTH = 4, "Every 4th slice"


@dataclass
class Choices:
    """Every choice of a run, under the names of the module's parameter node, which can stand in for it.

    windowLower, windowUpper: HU, used by DISPLAY and BY_HAND. marginMm: mm. ownCheckpoint: the file for
    ModelChoice.OWN. The defaults are the engine's recommended settings.
    """

    window: WindowChoice = WindowChoice.BONE
    windowLower: float = -100.0
    windowUpper: float = 900.0
    model: ModelChoice = ModelChoice.SMALL
    ownCheckpoint: Path = Path()
    ownArchitecture: Architecture = Architecture.TINY
    device: Device = Device.AUTO
    inputSize: InputSize = InputSize.AUTO
    axial: bool = True
    coronal: bool = True
    sagittal: bool = True
    direction: Direction = Direction.BOTH
    fusion: Fusion = Fusion.NEARNESS
    dropIslands: bool = True
    extend: bool = False
    keepAllSeeds: bool = False
    radius: float = 0.3
    recent: int = 2
    embeddings: Embeddings = Embeddings.IS
    stride: Stride = Stride.EVERY
    gate: int = 0
    passes: int = 1
    clahe: bool = False
    marginMm: float = 15.0
    cropEach: bool = False


def copy_of(choices: Choices) -> Choices:
    """The choices as they are now, for what goes on for a while; a parameter node goes on changing."""
    return Choices(**{field.name: getattr(choices, field.name) for field in fields(Choices)})


RECOMMENDED = {
    name: getattr(Choices, name)
    for name in (
        "axial", "coronal", "sagittal", "direction", "fusion", "dropIslands", "keepAllSeeds", "radius", "recent",
        "embeddings", "stride", "gate", "passes",
    )
}  # fmt: skip
"""What the button "Recommended" sets: axes, direction, fusion and memory of the engine's RECOMMENDED."""

PAPERS_BEST = RECOMMENDED | {"fusion": Fusion.MEAN, "dropIslands": False}
"""What the button "Paper's best" sets: the engine's PAPER."""

STOCK_SAM2 = PAPERS_BEST | {
    "coronal": False,
    "sagittal": False,
    "direction": Direction.FORWARD,
    "keepAllSeeds": True,
    "recent": 6,
    "embeddings": Embeddings.SAM2,
}
"""What the button "Stock SAM2" sets: one axis, forward, every seed and six recent slices in memory."""


def settings_from(choices: Choices) -> Settings:
    """The engine's settings. Raises InputError for choices that do not go together. Imports torch."""
    from SAM2VolumeSegLib.propagation import Settings

    planes = planes_of(choices)
    return Settings(
        window=window_of(choices),
        clahe=choices.clahe,
        planes=None if len(planes) == 3 else planes,
        margin_mm=choices.marginMm,
        crop_each=choices.cropEach,
        memory=memory_of(choices),
        direction=choices.direction.value,
        fusion=choices.fusion.value,
        drop_islands=choices.dropIslands,
        extend=choices.extend,
        passes=choices.passes,
    )


def memory_of(choices: Choices) -> VolumeMemory:
    """What a slice may remember. Raises InputError for choices that do not go together."""
    return VolumeMemory(
        radius=None if choices.keepAllSeeds else choices.radius,
        recent=choices.recent,
        embeddings=choices.embeddings.value,
        stride=choices.stride.value,
        gate=choices.gate,
    )


def planes_of(choices: Choices) -> tuple[str, ...]:
    """The axes that are switched on. Raises InputError when none is."""
    planes = tuple(plane for plane in ("axial", "coronal", "sagittal") if getattr(choices, plane))
    if not planes:
        raise InputError("All three axes are switched off. Under Advanced, switch at least one on.")
    return planes


def window_of(choices: Choices) -> str | tuple[float, float]:
    """The window as Settings has it: a name, or limits in HU."""
    if choices.window in (WindowChoice.DISPLAY, WindowChoice.BY_HAND):
        return choices.windowLower, choices.windowUpper
    return choices.window.value


def limits_of(window: WindowChoice) -> tuple[float, float] | None:
    """Lower and upper HU of a preset; None where the CT or the user says them."""
    preset = WINDOWS.get(window.value)
    return None if preset is None else (preset.lower, preset.upper)


def model_from(choices: Choices) -> checkpoints.Model:
    """The model to load. Raises InputError when the user's own file is not there."""
    if choices.model is not ModelChoice.OWN:
        return checkpoints.find(choices.model.value)
    if not Path(choices.ownCheckpoint).is_file():
        raise InputError("Under Advanced, a model file of your own is chosen but no file is named. Choose the file.")
    return checkpoints.user_model(choices.ownCheckpoint, choices.ownArchitecture.value, choices.inputSize.value)
