"""Writes choices.md, beside this file, from the table of choices: `python docs/write_choices.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation.choices import CHOICES, DEFAULT_MODEL, GROUPS, PRESETS, Choice, Preset
from SAM2VolumeSegLib.volume.target import write_text

PAGE = Path(__file__).with_name("choices.md")

ABOVE = f"""# The choices

This page is written by `python docs/write_choices.py` from `SAM2VolumeSegLib/propagation/choices.py`: change it there.

The names and ranges are those of the panel; the options belong to `sam2-volume-seg segment`, which takes every
number that the engine does.

| choice | values | default | option |
|---|---|---|---|
| Model | tiny, small, base+, large (Meta's SAM 2.1); demo; a checkpoint of your own | {DEFAULT_MODEL} | `--model`, \
`--checkpoint` with `--config` |
| Picture size | any multiple of 32, at most 4096 | 1024 on a GPU, 512 on a CPU; demo: 160 | `--image-size` |
"""

STOCK = """`--stock` is less than `--preset stock`: SAM2's own memory alone, with axes and direction as they are.
"""

BELOW = """## How votes become a mask

Logits are clamped to ±4 before they are averaged, so that one axis on which the structure seems absent does not outvote
two others. A voxel that an axis does not reach has no vote of that axis; without any vote it is background. Where two
segments claim a voxel, the higher logit wins, unless their painted slices overlap.
"""


def page() -> str:
    """Return the whole page."""
    presets = _table(("preset", "what it does", "differs from the first in", "option"), map(_preset, PRESETS))
    return "\n".join([ABOVE, *map(_group, GROUPS), "## Presets\n", presets, STOCK, BELOW])


def _group(group: str) -> str:
    choices = [choice for choice in CHOICES if choice.group == group]
    table = _table(("choice", "what it does", "values", "default", "option"), map(_choice, choices))
    notes = "".join(f"- {choice.label}: {choice.note}\n" for choice in choices if choice.note)
    return "\n".join(filter(None, (f"## {GROUPS[group].capitalize()}\n", table, notes)))


def _choice(choice: Choice) -> tuple[str, ...]:
    names = [
        f"{label} (`{value}`)" if isinstance(value, str) and value != label.lower() else label
        for value, label in choice.values.items()
    ]
    values = "; ".join(filter(None, (*names, choice.range)))
    return choice.label, choice.help, values, choice.shown(choice.default), f"`{choice.option}`"


def _preset(preset: Preset) -> tuple[str, ...]:
    chosen = [(choice, attrgetter(choice.field)(preset.settings)) for choice in CHOICES]
    others = "; ".join(f"{choice.label}: {choice.shown(value)}" for choice, value in chosen if value != choice.default)
    return preset.label, preset.help, others, f"`--preset {preset.name}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    try:
        write_text(PAGE, page())
    except InputError as error:
        sys.exit(f"Error: {error}")
    print(f"Written: {PAGE.name}")
