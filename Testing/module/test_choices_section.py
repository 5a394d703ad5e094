"""Presets, and fields that can be filled in only when they say something."""

import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.propagation.choices import PRESETS


@pytest.fixture
def a_section(a_state, a_ui):
    from SAM2VolumeSegPanel.choices_section import ChoicesSection

    return ChoicesSection(a_state, a_state.logic, a_ui)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_is_in_the_list_and_sets_every_choice_it_names(a_section, a_state, preset):
    """A new preset needs no more than its entry in the table."""
    p, values = a_state.parameters, ch.values_of(preset.settings)
    p.recent, p.fusion, p.direction = 1, None, None
    box = a_section.ui.presetComboBox
    assert box.items[PRESETS.index(preset)][0] == preset.label
    box.emit("activated(int)", PRESETS.index(preset))
    assert values and {name: getattr(p, name) for name in values} == values
    assert box.items[box.currentIndex][0] == preset.label and box.toolTip == preset.help


def test_a_choice_of_ones_own_is_told(a_section, a_state):
    box = a_section.ui.presetComboBox
    box.emit("activated(int)", 0)
    a_state.parameters.recent = 5
    a_state.onChoicesChanged()
    assert box.items[box.currentIndex][0] == "Changed"
    box.currentIndex = 0  # a user who chooses "Changed" changes nothing
    box.emit("activated(int)", len(PRESETS))
    assert a_state.parameters.recent == 5 and box.items[box.currentIndex][0] == "Changed"


def test_without_a_scene_a_preset_does_nothing(a_section, a_state):
    a_state.setParameters(None)
    for index in (1, len(PRESETS)):
        a_section.ui.presetComboBox.emit("activated(int)", index)
    assert a_state.parameters is None


def test_the_file_of_a_model_is_asked_for_only_where_it_is_used(a_section, a_state):
    """Before, a disabled field showed a dot."""
    ui = a_section.ui
    a_state.onChoicesChanged()
    assert not ui.ownCheckpointLineEdit.visible and not ui.ownCheckpointLineEditLabel.visible
    ui.ownCheckpointLineEdit.currentPath = "."  # as the parameter node's empty path is shown
    a_state.parameters.model = ch.ModelChoice.OWN
    a_state.onChoicesChanged()
    assert ui.ownCheckpointLineEdit.visible and ui.ownArchitectureComboBox.visible
    assert ui.ownCheckpointLineEdit.currentPath == ""


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"window": ch.WindowChoice.BY_HAND}, ("windowLowerSpinBox", "windowUpperSpinBox")),
        ({"limitToRange": True}, ("rangeLowerSpinBox", "rangeUpperSpinBox")),
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
