"""What the button "Set up" installs, how it asks, and in which order it goes about it. Slicer's part is passed in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.readiness import TORCH_FLOOR, Facts, Package, Requirements, check, version_text

SAM2_VERSION = "1.1.0"
TORCH_REQUIREMENT = f">={version_text(TORCH_FLOOR)}"
INDEX = _("the Python Package Index")


class ShownError(InputError):
    """What failed was shown to the user already: the sentence is for the panel, not for another box."""


@dataclass(frozen=True)
class Step:
    """One thing to install.

    Attributes:
        name: what it is called when it fails.
        title: its name, and what it is for.
        size, source: how much is downloaded, and from where; for people.
        run: does it.
    """

    name: str
    title: str
    size: str
    source: str
    run: Callable[[], None]


class Tools(Protocol):
    """What Slicer does for us; every method raises when it fails, ShownError where Slicer has said so in a box."""

    def install_torch(self, requirement: str) -> None:
        """Install PyTorch as Slicer's PyTorch extension does it."""

    def pip_install(self, arguments: Sequence[str]) -> None:
        """Run pip with these arguments in Slicer's Python, showing progress."""


def steps(facts: Facts, tools: Tools) -> list[Step]:
    """Say what has to be installed, in order. Neither numpy nor SimpleITK nor what else Slicer ships is touched."""
    wanted = []
    if facts.torch is None:
        wanted.append(
            Step(
                "PyTorch",
                _("PyTorch (does the computing; the build that fits your graphics card)"),
                _("up to 3 GB"),
                _("pytorch.org, by Slicer's PyTorch extension"),
                lambda: tools.install_torch(TORCH_REQUIREMENT),
            )
        )
    if facts.missing:
        names = ", ".join(package.name for package in facts.missing)
        size = f"{max(package.megabytes for package in facts.missing)} MB"
        title = _("Small packages: {names}").format(names=names)
        wanted.append(Step(_("Small packages"), title, size, INDEX, lambda: _small(facts.missing, tools)))
    if not check(facts).sam2.ready:
        name = f"sam2 {SAM2_VERSION}"
        wanted.append(
            Step(name, _("{name} (the network, by Meta)").format(name=name), "1 MB", INDEX, lambda: _sam2(tools))
        )
    return wanted


def question(wanted: Sequence[Step]) -> str:
    """Write the one confirmation: what is installed, how large it is, from where."""
    lines = "\n".join(f"  \u2022 {step.title}: {step.size}, from {step.source}" for step in wanted)
    return _(
        "These will be downloaded and installed into this Slicer:\n\n{lines}\n\nIt can take several "
        "minutes, and your images are not sent anywhere. Continue?"
    ).format(lines=lines)


def refusal(requirements: Requirements, facts: Facts) -> str | None:
    """Say why nothing can be installed, or None. The first thing that is in the way speaks."""
    if not facts.can_install:
        return _("Nothing is installed while Slicer runs in testing mode.")
    if requirements.in_the_way is not None:
        return requirements.in_the_way.sentence
    if facts.torch is None and not facts.torch_extension:
        return _(
            "Slicer's PyTorch extension is needed first. Open the Extensions Manager, install PyTorch, "
            "restart Slicer, and press Set up again."
        )
    return None if requirements.set_up_helps else _("Everything that can be installed is installed already.")


def install(wanted: Sequence[Step], on_step: Callable[[Step], None] = lambda step: None) -> None:
    """Run the steps; what came before one that fails stays installed.

    Raises:
        InputError: a step failed: which one, and what to do. ShownError where the user has seen a box already.
    """
    for step in wanted:
        on_step(step)
        try:
            step.run()
        except Exception as error:  # pip, the extension and Slicer each have exceptions of their own
            if isinstance(error, InputError) and not isinstance(error, ShownError):
                raise
            kind = ShownError if isinstance(error, ShownError) else InputError
            raise kind(
                _(
                    "{step} could not be installed. Is this computer connected to the internet, or does a proxy "
                    "stand in the way? You can press Set up again at any time; what was installed so far stays. "
                    "Details are in the log (menu View, Error Log)."
                ).format(step=step.name)
            ) from error


DECLINED = _("Nothing was installed. You can paint and choose seeds; press Set up when you want to propagate.")


def _small(packages: Sequence[Package], tools: Tools) -> None:
    tools.pip_install([package.requirement for package in packages])


def _sam2(tools: Tools) -> None:
    """Install sam2 alone: it asks for torchvision and numpy, which must not be changed, and by default compiles."""
    with _environment("SAM2_BUILD_CUDA", "0"):
        tools.pip_install(["--no-deps", "--no-build-isolation", f"sam2=={SAM2_VERSION}"])


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
