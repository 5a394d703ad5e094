"""The button that writes a review into a folder."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegPanel.dialogs import tell
from SAM2VolumeSegPanel.review_work import Work
from SAM2VolumeSegPanel.section import Section

FOLDER_KEY = "SAM2VolumeSeg/ReportFolder"  # in the user's settings: a scene travels to other computers


class ReportSection(Section):
    """Asks for a folder, and writes the page and its tables."""

    WIDGETS = ("reportButton",)

    def __init__(self, state, logic, ui, reviewing):
        super().__init__(state, logic, ui)
        self.reviewing = reviewing
        self.ui.reportButton.connect("clicked(bool)", self.onReport)
        for signal in (reviewing.changed, state.workChanged):
            signal.connect(self.update)
        self.update()

    def update(self):
        """There has to be a review, and nothing that goes on."""
        free = self.state.propagation is None and self.state.checking is None
        self.ui.reportButton.enabled = free and self.reviewing.review is not None

    def onReport(self, checked=False):
        """Ask where to, and write."""
        settings = slicer.app.userSettings()
        title = _("Folder for the report")
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, settings.value(FOLDER_KEY) or "")
        if folder:
            settings.setValue(FOLDER_KEY, folder)
            self.write(Path(folder))

    def write(self, folder):
        """Write the report, step by step; a report of an earlier review there is replaced."""
        self.reviewing.work.start(Work(self._steps(folder), self._onWritten))

    def _steps(self, folder):
        from SAM2VolumeSegLib.report import check_folder, write_report

        check_folder(folder)
        report = yield from self.reviewing.report()
        yield ""
        write_report(folder, report)
        return folder / "review.html"

    def _onWritten(self, page):
        self.reviewing.changed.emit()
        tell(_("Written: {path}").format(path=page))
