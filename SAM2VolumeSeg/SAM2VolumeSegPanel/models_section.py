"""The models: which one is chosen, which are on this computer, downloading and deleting them."""

from urllib.parse import urlsplit

import qt
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import facts
from SAM2VolumeSegPanel.dialogs import confirm, errorsShown, tell
from SAM2VolumeSegPanel.section import Section


class ModelsSection(Section):
    """The line of readiness, and the table of models. A download is a generator that is stepped from the event loop.

    There is one chosen model: the list at the top and the line in the table show it, and the buttons act on it.
    """

    WIDGETS = (
        "modelComboBox", "readyLabel", "modelsTable", "downloadButton", "deleteButton", "cancelDownloadButton",
        "downloadProgressBar",
    )  # fmt: skip

    def __init__(self, state, logic, ui, timers):
        super().__init__(state, logic, ui)
        self._timer = timers.make(0, self.onStep)
        self._filling = False  # the table is being filled: its signals are not the user's
        self.ui.modelComboBox.connect("activated(int)", self.onModel)
        self.ui.downloadButton.connect("clicked(bool)", self.onDownload)
        self.ui.deleteButton.connect("clicked(bool)", self.onDelete)
        self.ui.cancelDownloadButton.connect("clicked(bool)", self.onCancel)
        table = self.ui.modelsTable
        table.connect("currentCellChanged(int,int,int,int)", self.onRow)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setMinimumSectionSize(20)
        table.verticalHeader().setDefaultSectionSize(20)
        for column in range(2):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)
        state.readinessChanged.connect(self.update)
        state.choicesChanged.connect(self.updateButtons)

    # ------------------------------------------------------------------------------------------------------- showing

    def update(self):
        """List the models, and whether they are on this computer."""
        table, stored = self.ui.modelsTable, facts.stored_models()
        self._filling = True
        try:
            table.setRowCount(len(checkpoints.MODELS))
            for n, model in enumerate(checkpoints.MODELS.values()):
                where = _("bundled") if not model.is_official else _("yes") if model.name in stored else _("no")
                for column, text in enumerate((model.name, f"{model.size / 1e6:.0f} MB", where)):
                    item = qt.QTableWidgetItem(text)
                    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                    table.setItem(n, column, item)
        finally:
            self._filling = False
        self.updateButtons()

    @property
    def chosen(self):
        """The chosen model, of those that can be downloaded or are bundled; None: a file of the user's."""
        p = self.state.parameters
        return checkpoints.MODELS.get(p.model.value) if p is not None else None

    def updateButtons(self):
        """Whether all is ready, and what can be done with the chosen model."""
        model, idle, requirements = self.chosen, self.state.download is None, self.state.requirements
        stored = model is not None and model.name in facts.stored_models()
        self._filling = True
        try:
            row = -1 if model is None else list(checkpoints.MODELS).index(model.name)
            self.ui.modelsTable.setCurrentCell(row, 0 if model else -1)
        finally:
            self._filling = False
        official = model is not None and model.is_official
        self.ui.downloadButton.enabled = idle and official and not stored
        self.ui.deleteButton.enabled = idle and official and stored
        self.ui.cancelDownloadButton.setVisible(not idle)
        self.ui.downloadProgressBar.setVisible(not idle)
        self.ui.readyLabel.setVisible(idle)
        if requirements is not None:
            self.ui.readyLabel.text = _("ready") if requirements.are_met else _("not ready")
            self.ui.readyLabel.toolTip = requirements.headline

    # ------------------------------------------------------------------------------------------------------ the user

    def onModel(self, index=0):
        """The user has chosen a model, which the next scene begins with as well."""
        self.logic.remembered.keepModel(self.state.parameters)

    def onRow(self, row, column, previousRow, previousColumn):
        """A line of the table was clicked: use that model."""
        if not self._filling and row >= 0 and self.state.parameters is not None:
            self.state.parameters.model = ch.ModelChoice(list(checkpoints.MODELS)[row])
            self.onModel()

    def onDownload(self, checked=False):
        """Download the chosen model, after a question."""
        model = self.chosen
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
            self.logic.remembered.keepModel(self.state.parameters)
            self.state.download = checkpoints.fetch(model)
            self.ui.downloadProgressBar.value = 0
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
                tell(_("The model is on this computer now."))
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
        self.state.lookAtComputer()

    def onDelete(self, checked=False):
        """Delete the chosen model's file, after a question."""
        model = self.chosen
        with errorsShown():
            text = _("Delete the model {name} from this computer? You can download it again.").format(name=model.name)
            if confirm(text, _("Delete a model")):
                checkpoints.delete(model)
                self.state.lookAtComputer()
