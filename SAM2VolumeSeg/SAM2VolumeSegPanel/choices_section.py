"""The choices of the panel: presets, and which fields can be filled in. Slicer binds the fields themselves."""

import qt
import slicer

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.propagation.choices import PRESETS
from SAM2VolumeSegPanel.section import Section


class ChoicesSection(Section):
    """Sets several choices at once, and switches off fields that say nothing at present.

    Attributes:
        presetButtons: by the name of the preset.
    """

    WIDGETS = (
        "presets", "windowLowerSpinBox", "windowUpperSpinBox", "rangeLowerSpinBox", "rangeUpperSpinBox",
        "ownCheckpointLineEdit", "ownArchitectureComboBox", "radiusSlider",
    )  # fmt: skip

    def __init__(self, state, logic, ui):
        super().__init__(state, logic, ui)
        self.presetButtons = {preset.name: self._button(preset) for preset in PRESETS}
        state.choicesChanged.connect(self.update)

    def _button(self, preset):
        button = qt.QPushButton(preset.label)
        button.setToolTip(preset.help)
        button.connect("clicked(bool)", lambda checked=False: self.set(ch.values_of(preset.settings)))
        self.ui.presets.layout().addWidget(button)
        return button

    def update(self):
        """Switch fields on and off."""
        p, ui = self.state.parameters, self.ui
        ui.windowLowerSpinBox.enabled = ui.windowUpperSpinBox.enabled = p.window is ch.WindowChoice.BY_HAND
        ui.rangeLowerSpinBox.enabled = ui.rangeUpperSpinBox.enabled = p.limitToRange
        ui.ownCheckpointLineEdit.enabled = ui.ownArchitectureComboBox.enabled = p.model is ch.ModelChoice.OWN
        ui.radiusSlider.enabled = not p.keepAllSeeds

    def set(self, values):
        """Set the choices of a preset, by name."""
        p = self.state.parameters
        if p is not None:
            with slicer.util.NodeModify(p):
                for name, value in values.items():
                    setattr(p, name, value)
