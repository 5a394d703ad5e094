"""The options of a run: its model, and the choices of `propagation.choices`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.policies import policy_from_dict
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.propagation.choices import CHOICES, DEFAULT_MODEL, GROUPS, PRESETS, Choice
from SAM2VolumeSegLib.propagation.settings import Settings

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.checkpoints import Model


def add_model(parser: argparse.ArgumentParser, default: str | None = DEFAULT_MODEL, otherwise: str = "") -> None:
    """Add the options that say which model runs, and where.

    Args:
        parser: of a command.
        default: the model that runs when none is given.
        otherwise: what happens then, in words, where there is no default.
    """
    group = parser.add_argument_group("model")
    group.add_argument("--model", default=default, help=f"tiny, small, base+, large or demo ({default or otherwise})")
    group.add_argument("--checkpoint", type=Path, help="a checkpoint file of your own, with --config")
    group.add_argument("--config", help="its architecture: the name of a model, or a yaml file")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (auto)")
    group.add_argument(
        "--image-size",
        type=int,
        help="pixels the model sees, a multiple of 32 (official models: 1024 on a GPU, 512 on a CPU)",
    )


def model_of(options: argparse.Namespace) -> Model:
    """Return the model to run.

    Raises:
        InputError: there is no such model, or its file is not here.
    """
    from SAM2VolumeSegLib.model import checkpoints

    if options.checkpoint:
        if not options.config:
            raise InputError(
                "A checkpoint of your own needs --config: the model whose architecture it has, such as tiny."
            )
        model = checkpoints.user_model(options.checkpoint, options.config, options.image_size)
    else:
        model = checkpoints.find(options.model)
    checkpoints.path_of(model)
    return model


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add an option for each choice of a run. One that is not given is left out of the namespace."""
    presets = parser.add_argument_group("presets")
    presets.add_argument(
        "--preset",
        choices=[preset.name for preset in PRESETS],
        default=PRESETS[0].name,
        help=" ".join(f"{preset.name}: {preset.help}" for preset in PRESETS) + " The options below change it.",
    )
    groups = {name: parser.add_argument_group(title) for name, title in GROUPS.items()}
    groups["memory"].add_argument(
        "--stock",
        action="store_true",
        help="SAM2's own memory alone, in place of the options below (--preset stock: axis and direction as well)",
    )
    for choice in CHOICES:
        common: dict[str, Any] = {"dest": choice.field, "default": argparse.SUPPRESS}
        add = groups[choice.group].add_argument
        if isinstance(choice.default, bool):
            changed = choice.values[not choice.default]
            text = f"{changed}. {choice.help}"
            add(choice.option, action="store_const", const=not choice.default, help=text, **common)
            back = f"not {choice.option}, where a preset has it"
            add(_opposite(choice.option), action="store_const", const=choice.default, help=back, **common)
        else:
            add(choice.option, help=_help(choice), **_kind(choice), **common)


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings of a run: those of the preset, with what was given in their place.

    Raises:
        InputError: a value that cannot be used.
    """
    preset = next(preset.settings for preset in PRESETS if preset.name == options.preset)
    given = {choice.field: getattr(options, choice.field) for choice in CHOICES if hasattr(options, choice.field)}
    given |= {field: read(given[field]) for field, read in _TYPED.items() if field in given}
    own = {field: value for field, value in given.items() if not field.startswith("memory.")}
    memory = {field.removeprefix("memory."): value for field, value in given.items() if field not in own}
    if options.stock:
        if memory:
            raise InputError(
                f"--stock is SAM2's own memory alone, so --{next(iter(memory))} would not be used. Leave out one of "
                "the two."
            )
        return replace(preset, memory=STOCK, **own)
    return replace(preset, memory=policy_from_dict(preset.memory.to_dict() | memory), **own)


def _opposite(option: str) -> str:
    """The option that takes another back: --no-clahe for --clahe, --edges for --no-edges."""
    return f"--{option.removeprefix('--no-')}" if option.startswith("--no-") else f"--no-{option[2:]}"


def _kind(choice: Choice) -> dict[str, Any]:
    """How argparse reads an option: as text that `_TYPED` reads, one of some words, or a number."""
    if choice.field in _TYPED:
        return {"metavar": choice.option[2:].upper()}
    if isinstance(choice.default, str):
        return {"choices": list(choice.values)}
    return {"type": type(choice.default), "metavar": choice.option[2:].upper()}


def _help(choice: Choice) -> str:
    words = "; ".join(f"{value}: {label}" for value, label in choice.values.items())
    allowed = choice.typed or words or choice.range
    return f"{choice.help} [{allowed}] (recommended: {_as_typed(choice.default)})"


def _as_typed(value: Any) -> str:
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _window(text: str) -> str | tuple[float, float]:
    """Read "bone", "-100,1000" (lower and upper HU) or "c400w1000" (centre and width)."""
    if text[:1] == "c" and "w" in text and text[1:2] in "-0123456789":
        centre, width = (_number(part, "--window") for part in text[1:].split("w", 1))
        return centre - width / 2, centre + width / 2
    if "," in text:
        lower, upper = (_number(part, "--window") for part in text.split(",", 1))
        return lower, upper
    return text


def _planes(text: str) -> tuple[str, ...] | None:
    return None if text in ("", "all") else tuple(text.replace(" ", "").split(","))


def _radius(text: str) -> float | None:
    return None if text == "all" else _number(text, "--radius")


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{option}: '{text}' is not a number. See sam2-volume-seg segment --help.") from None


_TYPED: dict[str, Callable[[str], Any]] = {"window": _window, "planes": _planes, "memory.radius": _radius}
"""What reads the options that take more than a value's name or a number."""
