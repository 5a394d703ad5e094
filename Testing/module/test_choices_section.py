"""Presets, and fields that can be filled in only when they say something."""

import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.propagation.choices import PRESETS


@pytest.fixture
def a_section(a_state, a_ui):
    from SAM2VolumeSegPanel.choices_section import ChoicesSection

    return ChoicesSection(a_state, a_state.logic, a_ui)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_has_a_button_that_sets_every_choice_it_names(a_section, a_state, preset):
    """A new preset needs no more than its entry in the table."""
    p, values = a_state.parameters, ch.values_of(preset.settings)
    p.recent, p.fusion, p.direction = 1, None, None
    button = a_section.presetButtons[preset.name]
    button.click()
    assert (button.text, button.toolTip) == (preset.label, preset.help)
    assert values and {name: getattr(p, name) for name in values} == values


def test_without_a_scene_a_preset_does_nothing(a_section, a_state):
    a_state.setParameters(None)
    a_section.presetButtons["stock"].click()
    assert a_state.parameters is None


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"window": ch.WindowChoice.BY_HAND}, ("windowLowerSpinBox", "windowUpperSpinBox")),
        ({"limitToRange": True}, ("rangeLowerSpinBox", "rangeUpperSpinBox")),
        ({"model": ch.ModelChoice.OWN}, ("ownCheckpointLineEdit", "ownArchitectureComboBox")),
        ({"keepAllSeeds": False}, ("radiusSlider",)),
    ],
)
def test_a_field_can_be_filled_in_when_its_choice_is_made(a_section, a_state, changes, fields):
    p = a_state.parameters
    p.keepAllSeeds = True
    a_state.onChoicesChanged()
    assert not any(getattr(a_section.ui, name).enabled for name in fields)
    vars(p).update(changes)
    a_state.onChoicesChanged()
    assert all(getattr(a_section.ui, name).enabled for name in fields)
