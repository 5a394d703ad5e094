"""What is still missing before a run can start, each thing with its own sentence and its way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

PYTHON_FLOOR = (3, 10)
SLICER_FLOOR = (5, 10)
TORCH_FLOOR = (2, 5, 1)
SAM2_FLOOR = (1, 1)


@dataclass(frozen=True)
class Facts:
    """What was found on this computer (see `facts.gather`).

    Versions are text, None: not there. intel_mac: an Intel Mac, or Slicer's Intel build on an Apple Mac. foreign_sam2:
    folder of a `sam2` that is not the one this module needs. missing: small packages to install. model_megabytes: None
    for a model that is not downloaded. can_install: False in Slicer's testing mode and where nothing may be installed.
    """

    python: tuple[int, ...]
    slicer: tuple[int, ...]
    intel_mac: bool = False
    torch: str | None = None
    torch_extension: bool = False
    sam2: str | None = None
    foreign_sam2: str | None = None
    missing: tuple[str, ...] = ()
    model: str = "small"
    model_present: bool = False
    model_megabytes: float | None = None
    can_install: bool = True


class Remedy(Enum):
    """What the user can press. NONE: nothing in this panel helps, the sentence says what does."""

    NONE = "none"
    SET_UP = "set up"
    DOWNLOAD = "download"
    CHOOSE_FILE = "choose file"


@dataclass(frozen=True)
class Item:
    """One requirement. name: what the user knows it as; sentence: how it is, and what to do."""

    name: str
    ready: bool
    sentence: str
    remedy: Remedy = Remedy.NONE


def check(facts: Facts) -> list[Item]:
    """Every requirement, in the order in which it has to be met. A pure function."""
    return [_slicer(facts), _torch(facts), _sam2(facts), _packages(facts), _model(facts)]


def is_ready(items: Sequence[Item]) -> bool:
    """Whether a run can start."""
    return all(item.ready for item in items)


def can_set_up(items: Sequence[Item]) -> bool:
    """Whether the button "Set up" would help: something can be installed, and nothing stands in its way."""
    blocked = any(not item.ready and item.remedy is Remedy.NONE for item in items)
    return not blocked and any(item.remedy is Remedy.SET_UP for item in items if not item.ready)


def headline(items: Sequence[Item]) -> str:
    """One line for the top of the panel."""
    missing = [item for item in items if not item.ready]
    if not missing:
        return "Everything is ready."
    names = [item.name for item in missing]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    painting = "Painting and choosing seeds work already; propagating does not yet."
    return f"Still missing: {listed}. {painting}"


def version_tuple(text: str | None) -> tuple[int, ...]:
    """ "2.13.0+cpu" as (2, 13, 0); () for None."""
    numbers = []
    for part in (text or "").split("+")[0].split("."):
        digits = ""
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _slicer(facts: Facts) -> Item:
    version = ".".join(map(str, facts.slicer[:2]))
    if facts.slicer[:2] < SLICER_FLOOR or facts.python[:2] < PYTHON_FLOOR:
        sentence = (
            f"This is Slicer {version}; the module needs Slicer {'.'.join(map(str, SLICER_FLOOR))} or newer. "
            "Get it from download.slicer.org. Until then you can paint here and save your work."
        )
        return Item("a newer Slicer", False, sentence)
    return Item("Slicer", True, f"Slicer {version}")


def _torch(facts: Facts) -> Item:
    if facts.torch is None:
        if facts.intel_mac:
            return Item("PyTorch", False, f"PyTorch is not installed. {_INTEL_MAC}")
        sentence = "PyTorch, which does the computing, is not installed. Press Set up."
        return Item("PyTorch", False, sentence, Remedy.SET_UP)
    if version_tuple(facts.torch) < TORCH_FLOOR:
        sentence = f"PyTorch {facts.torch} is too old; {'.'.join(map(str, TORCH_FLOOR))} or newer is needed."
        if facts.intel_mac:
            return Item("a newer PyTorch", False, f"{sentence} {_INTEL_MAC}")
        return Item(
            "a newer PyTorch",
            False,
            f"{sentence} Uninstall it in the module PyTorch Utils, restart Slicer, and press Set up here.",
        )
    return Item("PyTorch", True, f"PyTorch {facts.torch}")


_INTEL_MAC = (
    "This is the Intel version of Slicer on a Mac, for which no new enough PyTorch is made. On a Mac with an Apple "
    "chip, install Slicer's Apple version if there is one for it; otherwise use a Windows or Linux computer for this "
    "step."
)


def _sam2(facts: Facts) -> Item:
    if facts.foreign_sam2 is not None:
        sentence = (
            f"Another extension has put its own, older sam2 in front ({facts.foreign_sam2}). "
            "In the Extensions Manager, switch that extension off (Segment with SAM is known to do this), and restart "
            "Slicer."
        )
        return Item("the right sam2", False, sentence)
    if facts.sam2 is None:
        sentence = "The package sam2, which holds the network, is not installed. Press Set up."
        return Item("sam2", False, sentence, Remedy.SET_UP)
    if version_tuple(facts.sam2)[:2] < SAM2_FLOOR:
        return Item("a newer sam2", False, f"sam2 {facts.sam2} is too old. Press Set up to replace it.", Remedy.SET_UP)
    return Item("sam2", True, f"sam2 {facts.sam2}")


def _packages(facts: Facts) -> Item:
    if facts.missing:
        listed = ", ".join(facts.missing)
        return Item("some small packages", False, f"Not installed: {listed}. Press Set up.", Remedy.SET_UP)
    return Item("small packages", True, "small packages")


def _model(facts: Facts) -> Item:
    if facts.model_present:
        practice = ": for practice only, not for real work" if facts.model == "demo" else ""
        return Item("model", True, f"model \u201c{facts.model}\u201d{practice}")
    if facts.model == "own":
        sentence = "The file of your own model is not there. Under Advanced, choose the file or another model."
        return Item("the model file", False, sentence, Remedy.CHOOSE_FILE)
    size = "" if facts.model_megabytes is None else f" ({facts.model_megabytes:.0f} MB)"
    sentence = (
        f"The model \u201c{facts.model}\u201d{size} is not on this computer. Press Download, "
        "or under Advanced choose the demo model, which needs no download."
    )
    return Item(f"the model \u201c{facts.model}\u201d", False, sentence, Remedy.DOWNLOAD)
