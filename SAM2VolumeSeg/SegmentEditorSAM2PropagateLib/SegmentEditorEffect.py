"""The Segment Editor effect "SAM2 propagate": window, model and Propagate inside the standard editor.

Thin on purpose: choices, run and writing are those of module SAM2VolumeSeg, whose parameter node is shown here, so that
both show the same. Slicer loads this file under the name of its folder: imports are absolute. That module is loaded
first and has found the library.
"""

import logging
import os
import traceback
from contextlib import suppress

import qt
import slicer
from SAM2VolumeSegPanel.marks import marksOf
from SAM2VolumeSegPanel.propagation import Propagation
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate, readiness
from SAM2VolumeSegLib.panel.messages import in_panel


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Carries what is painted through the volume, with the choices of module SAM2VolumeSeg."""

    ownLogic = None  # shared: every editor of the application has a clone of the effect, the model is loaded once

    def __init__(self, scriptedEffect):
        scriptedEffect.name = "SAM2 propagate"
        scriptedEffect.title = _("SAM2 propagate")
        scriptedEffect.perSegment = False
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.boxes = {}
        self.propagation = None

    def clone(self):
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        clonedEffect = effects.qSlicerSegmentEditorScriptedEffect(None)
        clonedEffect.setPythonSource(__file__.replace("\\", "/"))
        return clonedEffect

    def icon(self):
        window = slicer.util.mainWindow()
        isDark = window is not None and window.palette.color(qt.QPalette.Window).lightness() < 128
        name = "SegmentEditorEffectDark.svg" if isDark else "SegmentEditorEffect.svg"
        return qt.QIcon(os.path.join(os.path.dirname(__file__), name))

    def helpText(self):
        return "<html>" + _(
            "Paint a structure on a few slices, in one or more of the three views, then press Propagate: SAM2 carries "
            "it through the volume. Slices that you painted stay as they are.<p>The module <b>SAM2 Volume Segmentation"
            "</b> installs what is needed, shows the painted slices, says which slice would help most next, and has "
            "all other choices. They are used here too."
        )

    def createCursor(self, widget):
        return slicer.util.mainWindow().cursor

    # ------------------------------------------------------------------------------------------------------- the panel

    def setupOptionsFrame(self):
        self.addBox("window", _("Window:"), ch.WindowChoice, _("The range of intensities that the model sees."))
        self.addBox("model", _("Model:"), ch.ModelChoice, _("The network that does the work."))
        self.addBox("scope", _("Segments:"), ch.Scope, _("Which structures are carried through the CT."))
        self.addBox("target", _("Result into:"), ch.Target, _("One undo takes back what went into painted segments."))
        self.writingLabel = qt.QLabel()
        self.writingLabel.setWordWrap(True)
        self.writingLabel.setToolTip(_("What to know before the result is written."))
        self.scriptedEffect.addOptionsWidget(self.writingLabel)
        self.propagateButton = self.addButton(
            _("Propagate"), _("Carries the painted slices through the CT."), self.onPropagate
        )
        self.resultLabel = qt.QLabel()
        self.resultLabel.setWordWrap(True)
        self.resultLabel.setVisible(False)
        self.resultLabel.setToolTip(_("What to know about the result of the latest run."))
        self.scriptedEffect.addOptionsWidget(self.resultLabel)
        self.moduleButton = self.addButton(
            _("All choices..."), _("Opens the module SAM2 Volume Segmentation."), self.onModule
        )

    def addBox(self, name, label, choices, toolTip):
        """A combo box for a choice of the module's parameter node; its items know the choices by name."""
        box = qt.QComboBox()
        for choice in choices:
            box.addItem(choice.label(), choice.name)
        box.setToolTip(toolTip)
        box.connect("currentIndexChanged(int)", self.updateMRMLFromGUI)
        self.scriptedEffect.addLabeledOptionsWidget(label, box)
        self.boxes[name] = box

    def addButton(self, text, toolTip, handler):
        button = qt.QPushButton(text)
        button.setToolTip(toolTip)
        button.connect("clicked(bool)", handler)
        self.scriptedEffect.addOptionsWidget(button)
        return button

    def logic(self):
        """The module's logic with the model that it has loaded; one of its own where the module was not opened yet."""
        widget = getattr(slicer.modules, "SAM2VolumeSegWidget", None)
        if getattr(widget, "logic", None) is not None:
            return widget.logic
        if SegmentEditorEffect.ownLogic is None:
            from SAM2VolumeSeg import SAM2VolumeSegLogic

            SegmentEditorEffect.ownLogic = SAM2VolumeSegLogic()
        return SegmentEditorEffect.ownLogic

    def activate(self):
        self.updateGUIFromMRML()

    def updateGUIFromMRML(self):
        """Show the module's choices; it calls this also while other effects are active, or the scene is closed."""
        if not self.boxes or not self.scriptedEffect.active() or slicer.mrmlScene.IsClosing():
            return
        parameterNode = self.logic().getParameterNode()
        for name, box in self.boxes.items():
            wasBlocked = box.blockSignals(True)
            box.setCurrentIndex(box.findData(getattr(parameterNode, name).name))
            box.blockSignals(wasBlocked)
        self.updateWriting(parameterNode)

    def updateMRMLFromGUI(self, _index=None):
        parameterNode = self.logic().getParameterNode()
        before = parameterNode.model
        with slicer.util.NodeModify(parameterNode):
            for name, box in self.boxes.items():
                choices = type(getattr(parameterNode, name))  # a reload of the module has made new ones
                setattr(parameterNode, name, choices[box.itemData(box.currentIndex)])
        if parameterNode.model is not before:
            self.logic().remembered.keepModel(parameterNode)
        self.updateWriting(parameterNode)

    def updateWriting(self, parameterNode):
        """Say before a run what the user may not expect of the result: where other segments give way, for one."""
        from SAM2VolumeSegLib.scene import before_writing, segment_names

        editorNode, sentences = self.scriptedEffect.parameterSetNode(), []
        volumeNode, segmentationNode = editorNode.GetSourceVolumeNode(), editorNode.GetSegmentationNode()
        if volumeNode is not None and segmentationNode is not None:
            segmentIDs = list(segment_names(segmentationNode))
            selected = parameterNode.scope.value == ch.Scope.SELECTED.value
            wanted = [ID for ID in segmentIDs if not selected or ID == editorNode.GetSelectedSegmentID()]
            target = parameterNode.target.value
            with suppress(InputError):  # Propagate says it
                sentences = before_writing(
                    segmentationNode, volumeNode, wanted, segmentIDs, target=target, editor_node=editorNode
                )
        self.writingLabel.setText(" ".join(sentences))
        self.writingLabel.setVisible(bool(sentences))

    def onModule(self, checked=False):
        slicer.util.selectModule("SAM2VolumeSeg")

    # --------------------------------------------------------------------------------------------------------- the run

    def onPropagate(self, checked=False):
        """Run to the end with a progress window. The scene changes at the end, or not at all."""
        if self.propagation is not None:
            return
        propagation = self.propagation = Propagation(self.logic().getParameterNode())  # deactivating cancels it
        self.propagateButton.enabled = False
        self.sayOfResult([])
        dialog = slicer.util.createProgressDialog(
            labelText=_("SAM2 propagate: loading the model..."),
            windowTitle=_("SAM2 propagate"),
            autoClose=False,
            autoReset=False,
        )
        try:
            slicer.app.processEvents()
            if self.propagation is propagation:
                self.propagate(propagation, dialog)
        except InputError as error:
            if not dialog.wasCanceled:
                slicer.util.infoDisplay(in_panel(error), windowTitle=_("SAM2 propagate"))
        except Exception:
            logging.exception("SAM2 propagate")
            text = _("Something unexpected went wrong. Details are in the log (View, Error Log).")
            text += " " + (_("The result was written.") if propagation.isWritten else _("Nothing was written."))
            slicer.util.errorDisplay(text, detailedText=traceback.format_exc())
        finally:
            self.cancel()
            dialog.close()
            dialog.deleteLater()  # the main window would keep one for each run
            self.propagateButton.enabled = True

    def propagate(self, propagation, dialog):
        """Start, step and finish a run; return without a word when it was cancelled.

        Raises:
            InputError: something is missing, or the run came to an early end.
        """
        logic, editorNode, p = self.logic(), self.scriptedEffect.parameterSetNode(), propagation.parameters
        self.choose(p, logic, editorNode)
        selected = p.scope.value == ch.Scope.SELECTED.value
        segmentIDs = [editorNode.GetSelectedSegmentID()] if selected else None
        propagation.start(logic, editorNode, segmentIDs, marksOf(p))
        while (progress := propagation.step()) is not None:
            dialog.value = round(100 * progress.done / max(progress.total, 1))
            left = estimate.left_sentence(progress)
            dialog.labelText = _("SAM2 propagate, {name}: {done} of {total} slices. {left}").format(
                name=progress.segment, done=progress.done, total=progress.total, left=left
            )
            slicer.app.processEvents()
            if dialog.wasCanceled:
                return
        if propagation.intoPainted and editorNode.GetSegmentationNode() is not propagation.segmentation:
            raise InputError(_("Another segmentation was chosen meanwhile, so nothing was written. Propagate again."))
        node = propagation.finish(self.scriptedEffect.saveStateForUndo)
        propagation.removeReplaced()
        p.showPainted = True  # it is in the editor
        self.sayOfResult([propagation.summary(node), *propagation.warnings])

    def sayOfResult(self, sentences):
        """Show where the result is, and what the user should know of it, until the next run."""
        self.resultLabel.setText("\n".join(sentences))
        self.resultLabel.setVisible(bool(sentences))

    def choose(self, parameterNode, logic, editorNode):
        """Let the module's choices be about what the editor shows.

        Raises:
            InputError: there is no CT, or something is missing on this computer.
        """
        volumeNode = editorNode.GetSourceVolumeNode()
        if volumeNode is None or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
            raise InputError(_("No CT is chosen. Choose the source volume above, and paint on it."))
        missing = readiness.check(logic.facts(parameterNode)).missing
        if missing:
            where = _("You find it in the module SAM2 Volume Segmentation (button \u201cAll choices...\u201d).")
            raise InputError(f"{missing[0].sentence} {where}")
        with slicer.util.NodeModify(parameterNode):
            parameterNode.volume, parameterNode.segmentation = volumeNode, editorNode.GetSegmentationNode()
        logic.updateWindow(parameterNode)

    def cancel(self):
        """Let go of a run. One that is not written changes nothing."""
        if self.propagation is not None:
            self.propagation.cancel()
            self.propagation = None

    def deactivate(self):
        self.cancel()

    def cleanup(self):
        self.cancel()
