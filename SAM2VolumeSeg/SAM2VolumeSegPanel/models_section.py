"""The models in the section "Set up": which are on this computer, downloading and deleting them."""

from urllib.parse import urlsplit

import qt
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.panel import facts
from SAM2VolumeSegPanel.dialogs import confirm, errorsShown, say
from SAM2VolumeSegPanel.section import Section


class ModelsSection(Section):
    """Lists, downloads and deletes models. A download is a generator that is stepped from the event loop."""

    WIDGETS = ("modelsTable", "downloadButton", "deleteButton", "cancelDownloadButton", "downloadProgressBar")

    def __init__(self, state, logic, ui, timers):
        super().__init__(state, logic, ui)
        self._timer = timers.make(0, self.onStep)
        self.ui.downloadButton.connect("clicked(bool)", self.onDownload)
        self.ui.deleteButton.connect("clicked(bool)", self.onDelete)
        self.ui.cancelDownloadButton.connect("clicked(bool)", self.onCancel)
        self.ui.modelsTable.connect("itemSelectionChanged()", self.updateButtons)
        self.ui.modelsTable.verticalHeader().setVisible(False)
        self.ui.modelsTable.horizontalHeader().setStretchLastSection(True)
        self.ui.downloadProgressBar.setVisible(False)
        state.readinessChanged.connect(self.update)

    def update(self):
        """List the models, and whether they are on this computer."""
        table, stored = self.ui.modelsTable, facts.stored_models()
        row = max(table.currentRow(), 0)
        table.setRowCount(len(checkpoints.MODELS))
        for n, model in enumerate(checkpoints.MODELS.values()):
            where = _("bundled") if not model.is_official else _("yes") if model.name in stored else _("no")
            for column, text in enumerate((model.name, f"{model.size / 1e6:.0f} MB", where)):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                table.setItem(n, column, item)
        table.resizeColumnsToContents()
        table.setCurrentCell(row, 0)
        self.updateButtons()

    @property
    def selected(self):
        """The model of the selected line."""
        return list(checkpoints.MODELS.values())[max(self.ui.modelsTable.currentRow(), 0)]

    def updateButtons(self):
        """What can be done with the selected model."""
        model, idle = self.selected, self.state.download is None
        stored = model.name in facts.stored_models()
        self.ui.downloadButton.enabled = idle and model.is_official and not stored
        self.ui.deleteButton.enabled = idle and model.is_official and stored
        self.ui.cancelDownloadButton.enabled = not idle

    def onDownload(self, checked=False):
        """Download the selected model, after a question."""
        model = self.selected
        with errorsShown():
            if not self.state.facts.can_store_models:
                raise InputError(_("Press Set up first; then models can be downloaded."))
            text = _("Download the model {name} ({size} MB) from {host}? It goes to {folder}.")
            text = text.format(
                name=model.name,
                size=round(model.size / 1e6),
                host=urlsplit(model.source.url).hostname,
                folder=checkpoints.store_folder(),
            )
            if not confirm(text, _("Download a model")):
                return
            self.state.download = checkpoints.fetch(model)
            self.ui.downloadProgressBar.setVisible(True)
            self.updateButtons()
            self._timer.start()

    def onStep(self):
        """Read the next part of a download."""
        if self.state.download is None:
            return
        with errorsShown():
            try:
                done, total = next(self.state.download)
                self.ui.downloadProgressBar.value = round(100 * done / total)
                self._timer.start()
                return
            except StopIteration:
                say(_("The model is on this computer now."))
            except Exception:
                self.onCancel()
                raise
        self.onCancel()

    def onCancel(self, checked=False):
        """Stop a download; what has arrived is kept."""
        if self.state.download is None:
            return
        self.state.download.close()
        self.state.download = None
        self.ui.downloadProgressBar.setVisible(False)
        self.state.lookAtComputer()

    def onDelete(self, checked=False):
        """Delete the selected model's file, after a question."""
        model = self.selected
        with errorsShown():
            text = _("Delete the model {name} from this computer? You can download it again.").format(name=model.name)
            if confirm(text, _("Delete a model")):
                checkpoints.delete(model)
                self.state.lookAtComputer()
