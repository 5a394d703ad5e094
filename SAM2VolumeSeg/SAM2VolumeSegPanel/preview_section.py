"""The switch that shows in the slice views what the model will see."""

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel.preview import UNKNOWN_SIZE, preview_sentence
from SAM2VolumeSegLib.propagation import Sight


class PreviewSection:
    """Part of SAM2VolumeSegWidget."""

    def updatePreview(self):
        """Show the pictures as the choices and the painted slices are now, or put the views back."""
        p = self._parameterNode
        if not p or not p.showWindow or self._volume is None or self._volumeOf is not p.volume:
            self.hidePreview()
            if p and p.showWindow:
                self.ui.previewLabel.text = self._seedProblem
                self.ui.previewLabel.setVisible(bool(self._seedProblem))
            return
        try:
            seeds = self.seedsOfRun() if self.wantedSegments() else {}
            sight = Sight(self._volume, seeds, ch.settings_from(p), self.previewSize())
            if self.preview.needs_equalising(sight):
                self.say(_("CLAHE is computed on the whole CT..."))
                if self._parameterNode is not p or self._volume is None:  # the scene was closed, or the module left
                    return
            segmentID = self.currentSegment()[0]
            self.preview.show(p.volume, sight, segmentID)
            lines = [preview_sentence(sight, segmentID), *self.preview.problems]
            if not self.preview.is_shown and not self.preview.problems:
                lines = [_("No slice view shows this CT. Show it in the slice views first.")]
        except InputError as error:
            self.preview.hide()
            lines = [str(error)]
        self.ui.previewLabel.text = "\n".join(dict.fromkeys(lines))
        self.ui.previewLabel.setVisible(True)

    def hidePreview(self):
        """Give the views back."""
        self._previewTimer.stop()
        self.preview.hide()
        self.ui.previewLabel.text = ""
        self.ui.previewLabel.setVisible(False)

    def previewSize(self):
        """Side of the model's input in pixels."""
        p = self._parameterNode
        if self._plan is not None and self._plan[0] == self.planFor(p) and self._plan[1] is not None:
            return self._plan[2]
        return p.inputSize.value or UNKNOWN_SIZE
