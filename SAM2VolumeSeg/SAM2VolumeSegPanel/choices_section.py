"""The choices of the panel: presets, and which fields can be filled in. Slicer binds the fields themselves."""

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel.presets import CHANGED, active_preset
from SAM2VolumeSegLib.propagation.choices import PRESETS
from SAM2VolumeSegPanel.section import Section


class ChoicesSection(Section):
    """Sets several choices at once, says which preset that is, and switches off fields that say nothing at present."""

    WIDGETS = (
        "presetComboBox", "windowLowerSpinBox", "windowUpperSpinBox", "rangeLowerSpinBox", "rangeUpperSpinBox",
        "radiusSlider", "ownCheckpointLineEdit", "ownCheckpointLineEditLabel", "ownArchitectureComboBox",
        "ownArchitectureComboBoxLabel",
    )  # fmt: skip

    def __init__(self, state, logic, ui):
        super().__init__(state, logic, ui)
        for label in (*(preset.label for preset in PRESETS), CHANGED):
            self.ui.presetComboBox.addItem(label)
        self.ui.presetComboBox.connect("activated(int)", self.onPreset)
        state.choicesChanged.connect(self.update)

    def update(self):
        """Say which preset is active, and switch fields on and off."""
        p, ui = self.state.parameters, self.ui
        preset = active_preset(p)
        ui.presetComboBox.setCurrentIndex(len(PRESETS) if preset is None else PRESETS.index(preset))
        ui.presetComboBox.toolTip = _("At least one choice is that of no preset.") if preset is None else preset.help
        ui.windowLowerSpinBox.enabled = ui.windowUpperSpinBox.enabled = p.window is ch.WindowChoice.BY_HAND
        ui.rangeLowerSpinBox.enabled = ui.rangeUpperSpinBox.enabled = p.limitToRange
        for widget in (
            ui.ownCheckpointLineEdit, ui.ownCheckpointLineEditLabel, ui.ownArchitectureComboBox,
            ui.ownArchitectureComboBoxLabel,
        ):  # fmt: skip
            widget.setVisible(p.model is ch.ModelChoice.OWN)
        if ui.ownCheckpointLineEdit.currentPath == ".":  # no file: a path of nothing, as Python writes it
            ui.ownCheckpointLineEdit.currentPath = ""
        ui.radiusSlider.enabled = not p.keepAllSeeds

    def onPreset(self, index):
        """Set the choices of a preset; "Changed" is none."""
        if index < len(PRESETS):
            self.set(ch.values_of(PRESETS[index].settings))
        elif self.state.parameters is not None:
            self.update()

    def set(self, values):
        """Set choices, by name."""
        p = self.state.parameters
        if p is not None:
            with slicer.util.NodeModify(p):
                for name, value in values.items():
                    setattr(p, name, value)
