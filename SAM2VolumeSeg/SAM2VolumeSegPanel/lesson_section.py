"""The button "Make a lesson": one page for a class, from what is painted."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section


class LessonSection(Section):
    """Asks where to, runs the model under the settings of a lesson, and opens the page in the browser.

    A box with Cancel stands before the panel meanwhile: a lesson is made now and then, and nothing else goes on.
    """

    WIDGETS = ("lessonButton",)

    def __init__(self, state, logic, ui):
        super().__init__(state, logic, ui)
        self.ui.lessonButton.connect("clicked(bool)", self.onMake)
        for signal in (state.segmentChanged, state.seedsChanged, state.readinessChanged, state.workChanged):
            signal.connect(self.update)
        self.update()

    def update(self):
        """Switch the button on where a run could start."""
        self.ui.lessonButton.enabled = self._canStart()

    def _canStart(self):
        state = self.state
        if state.parameters is None or state.isBusy or state.requirements is None or not state.requirements.are_met:
            return False
        try:
            return state.found.volume is not None and state.segment.ID in state.seedsOfRun()
        except InputError:  # the section Propagate says it
            return False

    def onMake(self, checked=False):
        """Ask for a file, make the page, show it."""
        if not self._canStart():
            return
        state = self.state
        name = _("Lesson {segment}.html").format(segment=state.segment.name)
        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Make a lesson"), name, "HTML (*.html)")
        if not chosen:
            return
        path = Path(chosen) if Path(chosen).suffix.lower() in (".html", ".htm") else Path(f"{chosen}.html")
        with errorsShown():
            p = state.parameters
            self.logic.updateWindow(p)
            state.findSeeds()  # what was painted a moment ago counts too
            request = self.logic.request(p.volume, p.segmentation, p, list(state.seedsOfRun()), state.marks)
            if self._make(self.logic.lesson(request, request.names[state.segment.ID], p, path)):
                qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def _make(self, steps):
        """Step to the end; returns whether it came there, and was not cancelled."""
        dialog = slicer.util.createProgressDialog(
            labelText=_("Loading the model..."),
            windowTitle=_("Make a lesson"),
            autoClose=False,
            autoReset=False,
            modal=True,
        )
        try:
            slicer.app.processEvents()
            for step in steps:
                if dialog.wasCanceled or self.state.parameters is None:
                    return False
                now = step.progress
                dialog.value = int(100 * (step.number - 1 + now.done / max(now.total, 1)) / step.count)
                text = _("Settings {number} of {count}: {done} of {total} slices")
                values = {"number": step.number, "count": step.count, "done": now.done, "total": now.total}
                dialog.labelText = text.format(**values)
                slicer.app.processEvents()
            return True
        finally:
            steps.close()
            dialog.close()
            dialog.deleteLater()  # the main window would keep one for each lesson
