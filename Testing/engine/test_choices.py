"""The table of choices and presets: what the command line, the panel and the documentation say of a run's settings."""

import runpy
from dataclasses import fields, replace

import pytest
from cli_files import ROOT

from SAM2VolumeSegLib.command.options import settings_of
from SAM2VolumeSegLib.command.parser import parse
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.volume_memory import STRIDES
from SAM2VolumeSegLib.propagation import RECOMMENDED, Settings
from SAM2VolumeSegLib.propagation.choices import CHOICES, GROUPS, PRESETS
from SAM2VolumeSegLib.volume import Plane


def settings_with(field, value):
    """Settings with one choice in place of the default; the embeddings are those that any number of slices can have."""
    if not field.startswith("memory."):
        return replace(RECOMMENDED, **{field: value})
    name = field.removeprefix("memory.")
    return replace(RECOMMENDED, memory=replace(RECOMMENDED.memory, **{"embeddings": "sam2", name: value}))


def given(*options):
    return settings_of(parse(["segment", "ct", "seeds", "-o", "out.nii", *options]))


def test_every_setting_is_a_choice():
    """One that is missing has no option and no line in the documentation. A box of voxels only a script can name."""
    memory = {f"memory.{field.name}" for field in fields(RECOMMENDED.memory)}
    assert {choice.field for choice in CHOICES} == {field.name for field in fields(Settings)} - {
        "memory",
        "roi",
    } | memory


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.field)
def test_what_is_offered_is_accepted(choice):
    values = [(value,) if isinstance(value, Plane) else value for value in choice.values]
    limits = [choice.limits] if choice.field == "window" else choice.limits or []
    for value in (*values, *limits):
        settings_with(choice.field, value)
    assert choice.values or choice.limits
    assert choice.shown(choice.default) and choice.group in GROUPS and choice.help.endswith(".")


def test_every_stride_is_offered():
    assert tuple(next(choice.values for choice in CHOICES if choice.field == "memory.stride")) == STRIDES


def test_presets_leave_what_the_model_sees_as_it_is():
    """The panel's buttons set axes and memory: a window in a preset would be ignored there."""
    for preset in PRESETS:
        for choice in CHOICES:
            if choice.group == "sight":
                assert getattr(preset.settings, choice.field) == choice.default, preset.name


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_is_where_the_options_start_from(preset):
    assert given("--preset", preset.name) == preset.settings
    changed = given("--preset", preset.name, "--margin", "20", "--recent", "1")
    assert changed == replace(preset.settings, margin_mm=20.0, memory=replace(preset.settings.memory, recent=1))


def test_from_a_preset_every_choice_can_be_taken_back():
    """What a preset sets and no option changes could only be had without the preset."""
    assert given("--preset", "stock", "--no-keep-islands").drop_islands
    assert not given("--preset", "recommended", "--keep-islands").drop_islands
    assert given("--preset", "stock", "--axes", "all").planes is None
    back = given(
        "--preset", "stock", "--axes", "all", "--direction", "forward-backward", "--fusion", "nearness",
        "--no-keep-islands", "--pace", "1.5", "--radius", "0.3", "--recent", "2", "--embeddings", "is",
    )  # fmt: skip
    assert back == RECOMMENDED


def test_stock_memory_is_not_mixed_with_other_memory_without_a_word():
    with pytest.raises(InputError, match="--recent would not be used"):
        given("--stock", "--recent", "3")


def test_the_documentation_has_every_choice_as_it_is():
    """Written again by `python docs/write_choices.py`."""
    assert (ROOT / "docs" / "choices.md").read_text("utf-8") == runpy.run_path(ROOT / "docs" / "write_choices.py")[
        "page"
    ]()
