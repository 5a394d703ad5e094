"""The section "Set up": what is missing, installing it, and the models."""

import subprocess

import qt
import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.panel import facts, readiness, setup


class SetupSection:
    """Part of SAM2VolumeSegWidget."""

    def updateReadiness(self):
        """Look at this computer again, and say what is missing."""
        self._facts = self.logic.facts(self._parameterNode)
        self._items = readiness.check(self._facts)
        missing = [item.sentence for item in self._items if not item.ready]
        present = ", ".join(item.sentence for item in self._items if item.ready)
        self.ui.headlineLabel.text = readiness.headline(self._items)
        self.ui.readinessLabel.text = "\n".join(f"\u2022 {line}" for line in [*missing, present + "."])
        self.ui.setupButton.enabled = any(
            not item.ready and item.remedy is readiness.Remedy.SET_UP for item in self._items
        )
        self.fillModels()
        if self._plan is not None and self._plan[1] is None:
            self._plan = None  # what stood in the way may be gone
        self.updateEstimate()

    def onSetup(self, checked=False):
        """Install what is missing, after one question."""
        with self.errorsShown():
            if reason := setup.refusal(self._items, self._facts):
                raise InputError(reason)
            wanted = setup.steps(self._facts, SlicerTools())
            if not slicer.util.confirmOkCancelDisplay(setup.question(wanted), _("Set up SAM2 Volume Segmentation")):
                self.ui.headlineLabel.text = setup.DECLINED
                return
            self.ui.setupButton.enabled = False
            failed = ""
            try:
                setup.install(wanted, lambda step: self.say(_("Installing {name}...").format(name=step.name)))
            except setup.ShownError as error:  # in a box, by Slicer, with pip's own words
                failed = str(error)
            finally:
                self.updateReadiness()
                self.say("")
            if failed:
                self.ui.headlineLabel.text = failed

    def say(self, text):
        """A line in the status bar, shown at once."""
        slicer.util.showStatusMessage(text)
        slicer.app.processEvents()

    def fillModels(self):
        """List the models, and whether they are on this computer."""
        table, stored = self.ui.modelsTable, facts.stored_models()
        row = max(table.currentRow(), 0)
        table.setRowCount(len(checkpoints.MODELS))
        for n, model in enumerate(checkpoints.MODELS.values()):
            state = _("bundled") if not model.is_official else _("yes") if model.name in stored else _("no")
            for column, text in enumerate((model.name, f"{model.size / 1e6:.0f} MB", state)):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                table.setItem(n, column, item)
        table.resizeColumnsToContents()
        table.setCurrentCell(row, 0)
        self.updateModelButtons()

    def selectedModel(self):
        """The model of the selected line."""
        return list(checkpoints.MODELS.values())[max(self.ui.modelsTable.currentRow(), 0)]

    def updateModelButtons(self):
        """What can be done with the selected model."""
        model, idle = self.selectedModel(), self._download is None
        stored = model.name in facts.stored_models()
        self.ui.downloadButton.enabled = idle and model.is_official and not stored
        self.ui.deleteButton.enabled = idle and model.is_official and stored
        self.ui.cancelDownloadButton.enabled = not idle

    def onDownload(self, checked=False):
        """Download the selected model, after a question."""
        model = self.selectedModel()
        with self.errorsShown():
            if "platformdirs" in "".join(self._facts.missing):
                raise InputError(_("Press Set up first; then models can be downloaded."))
            text = _("Download the model {name} ({size} MB) from Meta (dl.fbaipublicfiles.com)? It goes to {folder}.")
            text = text.format(name=model.name, size=round(model.size / 1e6), folder=checkpoints.store_folder())
            if not slicer.util.confirmOkCancelDisplay(text, _("Download a model")):
                return
            self._download = checkpoints.fetch(model)
            self.ui.downloadProgressBar.setVisible(True)
            self.updateModelButtons()
            self._downloadTimer.start()

    def onDownloadStep(self):
        """Read the next part of a download."""
        if self._download is None:
            return
        with self.errorsShown():
            try:
                done, total = next(self._download)
                self.ui.downloadProgressBar.value = round(100 * done / total)
                self._downloadTimer.start()
                return
            except StopIteration:
                self.say(_("The model is on this computer now."))
            except Exception:
                self.onCancelDownload()
                raise
        self.onCancelDownload()

    def onCancelDownload(self, checked=False):
        """Stop a download; what has arrived is kept."""
        if self._download is None:
            return
        self._download.close()
        self._download = None
        self.ui.downloadProgressBar.setVisible(False)
        self.updateReadiness()

    def onDelete(self, checked=False):
        """Delete the selected model's file, after a question."""
        model = self.selectedModel()
        with self.errorsShown():
            text = _("Delete the model {name} from this computer? You can download it again.").format(name=model.name)
            if slicer.util.confirmOkCancelDisplay(text, _("Delete a model")):
                checkpoints.delete(model)
                self.updateReadiness()


class SlicerTools:
    """What the set-up needs of Slicer."""

    def install_torch(self, requirement):
        """By Slicer's PyTorch extension, which chooses the build for the graphics card. We have asked already."""
        import PyTorchUtils

        logic = PyTorchUtils.PyTorchUtilsLogic()
        if logic.installTorch(askConfirmation=False, torchVersionRequirement=requirement) is None:
            raise RuntimeError("PyTorchUtils did not install torch")

    def pip_install(self, arguments):
        """With progress and log in Slicer 5.12 and newer; before, `slicer.util` runs pip without."""
        try:
            from slicer.packaging import pip_install
        except ImportError:  # Slicer 5.10
            slicer.util.pip_install(" ".join(f'"{argument}"' for argument in arguments))
        else:
            try:
                pip_install(list(arguments), requester="SAM2VolumeSeg")
            except subprocess.CalledProcessError as error:  # Slicer has shown a box with pip's own words
                raise setup.ShownError(str(error)) from error
