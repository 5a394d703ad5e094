"""What is still missing before a run can start, each thing with its own sentence and its way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from SAM2VolumeSegLib.i18n import tr as _

PYTHON_FLOOR = (3, 10)
SLICER_FLOOR = (5, 10)
TORCH_FLOOR = (2, 5, 1)
SAM2_FLOOR = (1, 1)


@dataclass(frozen=True)
class Package:
    """A small package that Set up installs.

    Attributes:
        name: what pip calls it.
        at_least: the oldest version that will do.
        module: what Python imports.
        megabytes: how much is downloaded, with all that it needs.
    """

    name: str
    at_least: str
    module: str
    megabytes: int = 2

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.name}>={self.at_least}"


@dataclass(frozen=True)
class Facts:
    """What was found on this computer (see `facts.gather`).

    Attributes:
        python, slicer: their versions.
        intel_mac: an Intel Mac, or Slicer's Intel build on an Apple Mac.
        torch, sam2: their versions as text; None: not there.
        torch_extension: whether Slicer's PyTorch extension is installed.
        foreign_sam2: folder of a `sam2` that is not the one this module needs.
        missing: small packages to install.
        model: name of the chosen model.
        model_present: whether its file is on this computer.
        model_megabytes: its size; None for a model that is not downloaded.
        can_install: False in Slicer's testing mode and where nothing may be installed.
        can_store_models: whether the package that knows the folder of models is there.
    """

    python: tuple[int, ...]
    slicer: tuple[int, ...]
    intel_mac: bool = False
    torch: str | None = None
    torch_extension: bool = False
    sam2: str | None = None
    foreign_sam2: str | None = None
    missing: tuple[Package, ...] = ()
    model: str = "small"
    model_present: bool = False
    model_megabytes: float | None = None
    can_install: bool = True
    can_store_models: bool = True


class Remedy(Enum):
    """What the user can press. NONE: nothing in this panel helps, the sentence says what does."""

    NONE = "none"
    SET_UP = "set up"
    DOWNLOAD = "download"
    CHOOSE_FILE = "choose file"


@dataclass(frozen=True)
class Item:
    """One requirement.

    Attributes:
        name: what the user knows it as.
        ready: whether it is met.
        sentence: how it is, and what to do.
        remedy: what to press.
    """

    name: str
    ready: bool
    sentence: str
    remedy: Remedy = Remedy.NONE


class Requirements(NamedTuple):
    """Every requirement of a run, in the order in which they have to be met."""

    slicer: Item
    torch: Item
    sam2: Item
    packages: Item
    model: Item

    @property
    def missing(self) -> list[Item]:
        """Those that are not met."""
        return [item for item in self if not item.ready]

    @property
    def are_met(self) -> bool:
        """Whether a run can start."""
        return not self.missing

    @property
    def in_the_way(self) -> Item | None:
        """The first missing thing for which nothing in the panel helps, or None."""
        return next((item for item in self.missing if item.remedy is Remedy.NONE), None)

    @property
    def set_up_helps(self) -> bool:
        """Whether the button "Set up" has something to do."""
        return any(item.remedy is Remedy.SET_UP for item in self.missing)

    @property
    def headline(self) -> str:
        """One line for the top of the panel."""
        names = [item.name for item in self.missing]
        if not names:
            return _("Everything is ready.")
        *others, listed = names
        if others:
            listed = _("{others} and {last}").format(others=", ".join(others), last=listed)
        return _("Still missing: {listed}. Painting and choosing seeds work already; propagating does not yet.").format(
            listed=listed
        )


def check(facts: Facts) -> Requirements:
    """Compare what was found with what a run needs."""
    return Requirements(_slicer(facts), _torch(facts), _sam2(facts), _packages(facts), _model(facts))


def version_tuple(text: str | None) -> tuple[int, ...]:
    """Read "2.13.0+cpu" as (2, 13, 0); () for None."""
    numbers = []
    for part in (text or "").partition("+")[0].split("."):
        digits = ""
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def version_text(version: tuple[int, ...]) -> str:
    """Write (2, 5, 1) as "2.5.1"."""
    return ".".join(map(str, version))


def _slicer(facts: Facts) -> Item:
    version = version_text(facts.slicer[:2])
    if facts.slicer[:2] < SLICER_FLOOR or facts.python[:2] < PYTHON_FLOOR:
        sentence = _(
            "This is Slicer {version}; the module needs Slicer {oldest} or newer. Get it from "
            "download.slicer.org. Until then you can paint here and save your work."
        ).format(version=version, oldest=version_text(SLICER_FLOOR))
        return Item(_("a newer Slicer"), False, sentence)
    return Item("Slicer", True, f"Slicer {version}")


def _torch(facts: Facts) -> Item:
    if facts.torch is None:
        if facts.intel_mac:
            return Item("PyTorch", False, _("PyTorch is not installed.") + " " + _INTEL_MAC)
        sentence = _("PyTorch, which does the computing, is not installed. Press Set up.")
        return Item("PyTorch", False, sentence, Remedy.SET_UP)
    if version_tuple(facts.torch) < TORCH_FLOOR:
        sentence = _("PyTorch {torch} is too old; {oldest} or newer is needed.").format(
            torch=facts.torch, oldest=version_text(TORCH_FLOOR)
        )
        if facts.intel_mac:
            return Item(_("a newer PyTorch"), False, f"{sentence} {_INTEL_MAC}")
        way_out = _("Uninstall it in the module PyTorch Utils, restart Slicer, and press Set up here.")
        return Item(_("a newer PyTorch"), False, f"{sentence} {way_out}")
    return Item("PyTorch", True, f"PyTorch {facts.torch}")


_INTEL_MAC = _(
    "This is the Intel version of Slicer on a Mac, for which no new enough PyTorch is made. On a Mac with an Apple "
    "chip, install Slicer's Apple version if there is one for it; otherwise use a Windows or Linux computer for this "
    "step."
)


def _sam2(facts: Facts) -> Item:
    if facts.foreign_sam2 is not None:
        sentence = _(
            "Another extension has put its own, older sam2 in front ({folder}). In the Extensions "
            "Manager, switch that extension off (Segment with SAM is known to do this), and restart Slicer."
        ).format(folder=facts.foreign_sam2)
        return Item(_("the right sam2"), False, sentence)
    if facts.sam2 is None:
        sentence = _("The package sam2, which holds the network, is not installed. Press Set up.")
        return Item("sam2", False, sentence, Remedy.SET_UP)
    if version_tuple(facts.sam2)[:2] < SAM2_FLOOR:
        return Item(
            _("a newer sam2"),
            False,
            _("sam2 {sam2} is too old. Press Set up to replace it.").format(sam2=facts.sam2),
            Remedy.SET_UP,
        )
    return Item("sam2", True, f"sam2 {facts.sam2}")


def _packages(facts: Facts) -> Item:
    if facts.missing:
        listed = ", ".join(package.name for package in facts.missing)
        return Item(
            _("some small packages"),
            False,
            _("Small packages that the network needs are not installed ({listed}). Press Set up.").format(
                listed=listed
            ),
            Remedy.SET_UP,
        )
    return Item(_("small packages"), True, _("small packages"))


def _model(facts: Facts) -> Item:
    if facts.model_present:
        sentence = _("model \u201c{model}\u201d")
        if facts.model == "demo":
            sentence = _("model \u201c{model}\u201d: for practice only, not for real work")
        return Item(_("model"), True, sentence.format(model=facts.model))
    if facts.model == "own":
        sentence = _(
            "The file of your own model is not there. Under Advanced, choose the file; or choose another model above."
        )
        return Item(_("the model file"), False, sentence, Remedy.CHOOSE_FILE)
    size = "" if facts.model_megabytes is None else f" ({facts.model_megabytes:.0f} MB)"
    sentence = _(
        "The model “{model}”{size} is not on this computer. Press Download, or choose the demo model, which needs none."
    ).format(model=facts.model, size=size)
    return Item(_("the model \u201c{model}\u201d").format(model=facts.model), False, sentence, Remedy.DOWNLOAD)
