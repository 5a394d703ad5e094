"""The choices of the panel: presets, and which fields can be filled in. Slicer binds the fields themselves."""

import slicer

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegPanel.section import Section


class ChoicesSection(Section):
    """Sets several choices at once, and switches off fields that say nothing at present."""

    WIDGETS = (
        "recommendedButton", "paperButton", "stockButton",
        "windowLowerSpinBox", "windowUpperSpinBox", "rangeLowerSpinBox", "rangeUpperSpinBox",
        "ownCheckpointLineEdit", "ownArchitectureComboBox", "radiusSlider",
    )  # fmt: skip

    def __init__(self, state, logic, ui):
        super().__init__(state, logic, ui)
        self.ui.recommendedButton.connect("clicked(bool)", lambda checked=False: self.set(ch.RECOMMENDED))
        self.ui.paperButton.connect("clicked(bool)", lambda checked=False: self.set(ch.PAPERS_BEST))
        self.ui.stockButton.connect("clicked(bool)", lambda checked=False: self.set(ch.STOCK_SAM2))
        state.choicesChanged.connect(self.update)

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
