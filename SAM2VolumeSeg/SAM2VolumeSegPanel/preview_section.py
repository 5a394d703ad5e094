"""The switch that shows in the slice views what the model will see."""

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.checkpoints import MODELS
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel.hint import NO_VIEWS
from SAM2VolumeSegLib.panel.preview import UNKNOWN_SIZE, preview_sentence
from SAM2VolumeSegLib.propagation import Sight
from SAM2VolumeSegPanel.dialogs import say
from SAM2VolumeSegPanel.section import Section

DELAY = 50  # ms: several changes are shown at once


class PreviewSection(Section):
    """Shows the pictures that the model gets, and says how large they are.

    Attributes:
        preview: a `scene.ModelPreview`, which puts the pictures into the views.
    """

    WIDGETS = ("previewLabel",)

    def __init__(self, state, logic, ui, views, preview, timers):
        super().__init__(state, logic, ui)
        self.views, self.preview = views, preview
        self._timer = timers.make(DELAY, self.update)
        self.ui.previewLabel.setVisible(False)
        state.sceneChanged.connect(self.onSceneChanged)
        for signal in (state.segmentChanged, state.choicesChanged, state.seedsChanged, state.planChanged):
            signal.connect(self._timer.start)

    def update(self):
        """Show the pictures as the choices and the painted slices are now, or put the views back."""
        p, found = self.state.parameters, self.state.found
        if p is None or not p.showWindow or found.volume is None or found.node is not p.volume:
            self.hide()
            if p is not None and p.showWindow:
                self.showText(self.ui.previewLabel, found.problem)
            return
        try:
            lines = self._show(p, found)
        except InputError as error:
            self.preview.hide()
            lines = [str(error)]
        if lines:
            self.showText(self.ui.previewLabel, "\n".join(dict.fromkeys(lines)))

    def _show(self, p, found):
        """Show the pictures; returns what is to be said about them, nothing when they are not wanted any more."""
        seeds = self.state.seedsOfRun() if self.state.wantedSegments() else {}
        sight = Sight(found.volume, seeds, ch.settings_from(p), self._size(p))
        if self.preview.needs_equalising(sight):
            say(_("CLAHE is computed on the whole CT..."))
            if self.state.parameters is not p or self.state.found is not found:  # the scene was closed, for one
                return []
        segmentID = self.state.segment.ID
        self.preview.show(p.volume, sight, segmentID)
        if not self.views.nodes():
            return [NO_VIEWS.sentence]
        if not self.preview.is_shown and not self.preview.problems:
            return [_("No slice view shows this CT. Show it in the slice views first.")]
        return [preview_sentence(sight, segmentID), *self.preview.problems]

    def _size(self, p):
        """Side of the model's input in pixels."""
        plan = self.state.plan
        if plan is not None and plan.isReady:
            return plan.imageSize
        known = MODELS.get(p.model.value)  # before PyTorch is there, a model may say its own
        return p.inputSize.value or (known and known.image_size) or UNKNOWN_SIZE

    def onSceneChanged(self):
        """Without a scene there is nothing to show."""
        if self.state.parameters is None:
            self.hide()

    def hide(self):
        """Give the views back."""
        self._timer.stop()
        self.preview.hide()
        self.showText(self.ui.previewLabel, "")
