"""The module SAM2VolumeSeg: paint a few slices, propagate, get a segmentation.

From a script (Slicer's Python console, or `Slicer --no-main-window --python-script`), three lines segment a node:

    from SAM2VolumeSeg import SAM2VolumeSegLogic
    volume, painted = slicer.util.getNode("CT"), slicer.util.getNode("Segmentation")
    result = SAM2VolumeSegLogic().segment(volume, painted)
"""

import logging
import os
import sys
import traceback
from contextlib import contextmanager

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

try:
    import SAM2VolumeSegLib  # noqa: F401
except ImportError:  # a source checkout: the library is not beside the module but one folder up
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from SAM2VolumeSegPanel.logic import SAM2VolumeSegLogic
from SAM2VolumeSegPanel.measure_section import IDLE, MeasureSection
from SAM2VolumeSegPanel.nodes_section import NodesSection
from SAM2VolumeSegPanel.preview_section import PreviewSection
from SAM2VolumeSegPanel.run_section import RunSection
from SAM2VolumeSegPanel.seeds_section import SeedsSection
from SAM2VolumeSegPanel.setup_section import SetupSection

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import readiness
from SAM2VolumeSegLib.panel.messages import in_panel

SEED_DELAY = 400  # ms after the last stroke
PREVIEW_DELAY = 50  # ms: several changes are shown at once


class SAM2VolumeSeg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SAM2 Volume Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SegmentEditor", "Volumes"]
        self.parent.contributors = ["The SAM2VolumeSeg authors"]
        self.parent.helpText = _(
            "Paint a structure on a few slices of a CT in the Segment Editor. This module carries it through the "
            "volume with SAM2 along the axial, coronal and sagittal slices. For research and teaching, not for "
            "clinical use."
        )
        self.parent.acknowledgementText = _(
            "After M. López Escoriza and P. Amargant Alvarez, Automatic Segmentation of 3D CT scans with SAM2 using a "
            "zero-shot approach, arXiv:2603.23116. SAM 2 is by Meta."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the synthetic CT with prepared seeds in the module Sample Data. It is computed, not downloaded."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        logic.registerCustomSampleDataCategory("SAM2VolumeSeg", title=_("SAM2 Volume Segmentation"))
    thumbnail = os.path.join(os.path.dirname(__file__), "Resources", "Icons", "SAM2VolumeSegPhantom.png")
    logic.registerCustomSampleDataSource(
        category="SAM2VolumeSeg",
        sampleName="SAM2VolumeSegPhantom",
        uris=[],  # nothing is downloaded; None raises in SampleDataSource
        fileNames=[],
        customDownloader=loadPhantom,
        thumbnailFileName=thumbnail if os.path.isfile(thumbnail) else None,
    )


def loadPhantom(source=None):
    """Add the synthetic CT, its painted slices and its reference to the scene; returns the three nodes."""
    from SAM2VolumeSegLib.scene.phantom import load_phantom_into_scene

    nodes = list(load_phantom_into_scene())
    if slicer.util.mainWindow() is not None:  # the button of Sample Data leaves showing to us
        slicer.util.setSliceViewerLayers(background=nodes[0], fit=True)
    return nodes


class SAM2VolumeSegWidget(
    SetupSection,
    NodesSection,
    SeedsSection,
    PreviewSection,
    MeasureSection,
    RunSection,
    ScriptedLoadableModuleWidget,
    VTKObservationMixin,
):
    """Binds the panel to the parameter node and steps the run. What can be decided without Qt is decided elsewhere."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._guiTag = self._parametersTag = None
        self._followed = {}  # (object, event, handler): tag, of the CT, what is painted, the views and the editor
        self._shownSegment = ""  # the one that the table is for
        self._shared = None  # the Segment Editor's node and our observer of it
        self._timers = []
        self._volume, self._volumeOf = None, None  # the CT as the engine has it, and its node
        self._seeds = {}  # found on it, by segment ID
        self._seedProblem = ""  # why there are none
        self._rows = []  # of their table
        self._advice = None
        self._items = []  # of readiness
        self._plan = None  # (choices it is for, device, input size, key of its speed)
        self._measurement = None
        self._notMeasurable = set()  # keys of speeds that could not be measured
        self._mending = False  # the editor shows the result, not what was painted
        self._copies = []  # slices of a result that were copied to the painted ones
        self.preview = None
        self._closed = False
        self._run = None
        self._starting = False  # Propagate was pressed, the run is not there yet
        self._download = None
        self._filling = False  # a table is being filled: its signals are not the user's

    # ------------------------------------------------------------------------------------------------- opening, closing

    def setup(self):
        """Build the panel. Works without a main window."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SAM2VolumeSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.editor = self.ui.segmentEditorWidget
        self.editor.setMaximumNumberOfUndoStates(10)
        self.logic = SAM2VolumeSegLogic()
        from SAM2VolumeSegLib.scene import ModelPreview, restore_views

        self.preview = ModelPreview()
        restore_views(slicer.mrmlScene)  # of a scene that was loaded before the module was opened
        self.selectEditorNode()  # before the scene, so that what the editor selects by itself is kept in the node
        uiWidget.setMRMLScene(slicer.mrmlScene)

        # Slicer's QTimer.singleShot makes a timer that stays until the application ends: not for what goes on for long.
        self._stepTimer = self.singleShotTimer(0, self.onStep)
        self._measureTimer = self.singleShotTimer(0, self.onMeasureStep)
        self._downloadTimer = self.singleShotTimer(0, self.onDownloadStep)
        self._seedTimer = self.singleShotTimer(SEED_DELAY, self.refreshSeeds)
        self._previewTimer = self.singleShotTimer(PREVIEW_DELAY, self.updatePreview)
        self._viewsTimer = self.singleShotTimer(SEED_DELAY, self.updateViews)
        self._idleTimer = self.singleShotTimer(IDLE, self.onIdle)

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        # Effects that are registered later than this panel is made, as when it is Slicer's first module.
        self._effectFactory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        self._effectFactory.connect("effectRegistered(QString)", self.onEffectRegistered)

        self.editor.connect("segmentationNodeChanged(vtkMRMLSegmentationNode*)", self.onEditorNodesChanged)
        self.editor.connect("sourceVolumeNodeChanged(vtkMRMLVolumeNode*)", self.onEditorNodesChanged)
        self.editor.connect("currentSegmentIDChanged(QString)", self.onSegmentChanged)
        for name, handler in (
            ("setupButton", self.onSetup),
            ("downloadButton", self.onDownload),
            ("deleteButton", self.onDelete),
            ("cancelDownloadButton", self.onCancelDownload),
            ("rotateViewsButton", self.onRotateViews),
            ("nextSliceButton", self.onNextSlice),
            ("absentButton", self.onAbsent),
            ("propagateButton", self.onPropagate),
            ("cancelButton", self.onCancel),
            ("measureButton", self.onMeasure),
            ("editResultButton", self.onEditResult),
            ("editSeedsButton", self.onEditSeeds),
            ("useSliceButton", self.onUseSlice),
            ("takeBackButton", self.onTakeBack),
            ("recommendedButton", self.onRecommended),
            ("paperButton", self.onPaper),
            ("stockButton", self.onStock),
        ):
            getattr(self.ui, name).connect("clicked(bool)", handler)
        self.ui.seedsTable.connect("cellClicked(int,int)", self.onSeedClicked)
        self.ui.seedsTable.connect("currentCellChanged(int,int,int,int)", self.onSeedRow)
        self.ui.seedsTable.connect("itemChanged(QTableWidgetItem*)", self.onSeedChecked)
        self.ui.modelsTable.connect("itemSelectionChanged()", self.updateModelButtons)
        for table in (self.ui.seedsTable, self.ui.modelsTable):
            table.verticalHeader().setVisible(False)
            table.horizontalHeader().setStretchLastSection(True)
        self.ui.downloadProgressBar.setVisible(False)
        for widget in (self.ui.progressBar, self.ui.measureButton, self.ui.previewLabel):
            widget.setVisible(False)

        self.initializeParameterNode()
        self.ui.setupCollapsibleButton.collapsed = readiness.is_ready(self._items)

    def singleShotTimer(self, milliseconds, handler):
        """A timer that waits until it is started, and starts anew when it is started again."""
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.connect("timeout()", handler)
        self._timers.append(timer)
        return timer

    def onEffectRegistered(self, name=""):
        """The editor offers an effect that has just been registered."""
        self.editor.updateEffectList()

    def cleanup(self):
        """Slicer closes, or the module is reloaded. An old Slicer goes on calling enter and exit after a reload."""
        if self._closed or self.logic is None:
            return
        self.stopMeasuring()
        self.endRun()
        self.onCancelDownload()
        self._effectFactory.disconnect("effectRegistered(QString)", self.onEffectRegistered)
        self.editor.setActiveEffect(None)  # an active effect leaves timers behind
        self.editor.uninstallKeyboardShortcuts()  # those of two editors would block each other after a reload
        self.editor.removeViewObservations()
        self.setParameterNode(None)
        self.removeObservers()
        self.leaveEditorNode()
        self._closed = True
        for timer in self._timers:
            timer.stop()

    def onReload(self):
        """Reload the library as well, which Slicer by itself would keep."""
        packages = ("SAM2VolumeSegLib", "SAM2VolumeSegPanel")
        for name in [name for name in sys.modules if name.split(".")[0] in packages]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self):
        """The module is shown."""
        if self._closed:
            return
        self.selectEditorNode()
        self.initializeParameterNode()
        if slicer.util.mainWindow() is not None:
            self.editor.installKeyboardShortcuts()
        self.editor.setupViewObservations()
        self.editor.updateWidgetFromMRML()

    def exit(self):
        """Another module is shown. A run goes on."""
        if self._closed:
            return
        self.stopMeasuring()
        self.editor.setActiveEffect(None)
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()
        self.setParameterNode(None)

    def onSceneStartClose(self, caller=None, event=None):
        """The scene is about to be closed: let go of everything in it."""
        self.stopMeasuring()
        self.endRun(_("The scene was closed; the run was cancelled."))
        self._copies = []
        self.setParameterNode(None)
        self.logic.forget()
        self.editor.setSegmentationNode(None)
        self.editor.removeViewObservations()

    def onSceneEndClose(self, caller=None, event=None):
        """The scene is empty."""
        if self.parent.isEntered:
            self.selectEditorNode()
            self.initializeParameterNode()
            self.editor.updateWidgetFromMRML()

    def onSceneStartImport(self, caller=None, event=None):
        """A scene is being loaded: what node lists choose meanwhile is not the user's choice."""
        self.setParameterNode(None)

    def onSceneEndImport(self, caller=None, event=None):
        """A scene was loaded: its choices are shown."""
        from SAM2VolumeSegLib.scene import restore_views

        self.hidePreview()
        restore_views(slicer.mrmlScene)
        if self.parent.isEntered:
            self.selectEditorNode()
            p = self.logic.getParameterNode()
            if p.segmentation is not None and self.editor.segmentationNode() not in (p.segmentation, p.result):
                self.showInEditor(p.segmentation, p.volume)
        self.onSceneEndClose()

    def selectEditorNode(self):
        """The node that the Segment Editor of Slicer uses, so that both show the same work."""
        node = self.logic.editorNode()
        if self.editor.mrmlSegmentEditorNode() is not node:
            self.editor.setMRMLSegmentEditorNode(node)
        if self._shared is None or self._shared[0] is not node:
            self.leaveEditorNode()
            self._shared = node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self.onSharedNodeModified, -1.0)

    def leaveEditorNode(self):
        """Follow the Segment Editor's node no longer."""
        if self._shared is not None:
            node, tag = self._shared
            node.RemoveObserver(tag)
            self._shared = None

    def onSharedNodeModified(self, caller=None, event=None):
        """An effect may have been chosen: let only the editor that the user sees take the mouse in the views.

        Every editor on the shared node makes that effect active and follows the views, hidden or not; the one that was
        made first gets the strokes, and they go into its history: Undo in the other one would not know of them.
        """
        standard = getattr(getattr(slicer.modules, "SegmentEditorWidget", None), "editor", None)
        hidden = standard if self.parent.isEntered else self.editor
        if hidden is not None:
            hidden.removeViewObservations()
        self.updateWriting()  # masking and overwrite mode are in that node

    def initializeParameterNode(self):
        """Bind the parameter node, and let it and the editor agree on the nodes to work on."""
        self.setParameterNode(self.logic.getParameterNode())
        p = self._parameterNode
        segmentation = p.segmentation or self.editor.segmentationNode()
        volume = p.volume or self.editor.sourceVolumeNode()
        volume = volume or self.firstVolume()
        if segmentation is None:
            segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        if segmentation is None and volume is not None and self.parent.isEntered:
            segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
            segmentation.CreateDefaultDisplayNodes()
        if segmentation is not None and self.editor.segmentationNode() is None:
            self.editor.setSegmentationNode(segmentation)
        if volume is not None and self.editor.sourceVolumeNode() is None:
            self.editor.setSourceVolumeNode(volume)
        self.onEditorNodesChanged()
        self.updateReadiness()
        self.refreshSeeds()

    def firstVolume(self):
        """A CT to begin with; not one that Slicer or a module keeps to itself."""
        scene = slicer.mrmlScene
        count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        nodes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
        return next((node for node in nodes if not node.GetHideFromEditors()), None)

    def setParameterNode(self, parameterNode):
        """Bind the panel to a parameter node; None lets go of it."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self._parameterNode.RemoveObserver(self._parametersTag)
        self._parameterNode = parameterNode
        self._guiTag = None
        if self._parameterNode:
            named = [(widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values()]
            self._guiTag = self._parameterNode.connectParametersToGui({name: widget for name, widget in named if name})
            # Not through Slicer's mixin, which would keep each of these for ever, with all that they observe.
            modified = vtk.vtkCommand.ModifiedEvent
            self._parametersTag = self._parameterNode.AddObserver(modified, self.onParametersChanged)
        self.followNodes()
        if self._parameterNode:
            self.onParametersChanged()
        else:
            self._volume, self._volumeOf, self._seeds = None, None, {}
            self._seedTimer.stop()
            self._idleTimer.stop()
            self.hidePreview()

    @contextmanager
    def errorsShown(self):
        """What the user can mend is one sentence in a box; anything else goes to the log as well."""
        try:
            yield
        except InputError as error:
            text = in_panel(error)
            logging.info(text)
            slicer.util.errorDisplay(text)
        except Exception:
            logging.exception("SAM2VolumeSeg")
            slicer.util.errorDisplay(
                _("Something unexpected went wrong. Details are in the log (View, Error Log)."),
                detailedText=traceback.format_exc(),
            )

    # ------------------------------------------------------------------------------------------------ nodes and choices

    def onEditorNodesChanged(self, node=None):
        """The user chose another segmentation or CT in the editor. A result that is being mended is not painted on."""
        p = self._parameterNode
        if not p:
            return
        segmentation, volume = self.editor.segmentationNode(), self.editor.sourceVolumeNode()
        if segmentation is None and self._mending and p.segmentation is not None:  # the result was deleted
            self._mending = False
            self.showInEditor(p.segmentation, p.volume)  # calls us again
            return
        mending = segmentation is not None and segmentation is p.result and p.segmentation is not None
        self._mending = mending and p.segmentation is not p.result
        if not mending or p.segmentation is p.result:
            p.segmentation = segmentation
        if volume is None or volume.IsA("vtkMRMLScalarVolumeNode"):
            p.volume = volume
        self.followNodes()
        self.onParametersChanged()
        self._seedTimer.start()

    def onSegmentChanged(self, segmentID=""):
        """Another segment was selected in the editor."""
        self.showSeeds()
        self.updateEstimate()
        self._previewTimer.start()

    def onParametersChanged(self, caller=None, event=None):
        """A choice was changed, here, by a script or by a loaded scene."""
        p = self._parameterNode
        if not p:
            return
        self.logic.updateWindow(p)
        byHand = p.window is ch.WindowChoice.BY_HAND
        self.ui.windowLowerSpinBox.enabled = self.ui.windowUpperSpinBox.enabled = byHand
        self.ui.rangeLowerSpinBox.enabled = self.ui.rangeUpperSpinBox.enabled = p.limitToRange
        own = p.model is ch.ModelChoice.OWN
        self.ui.ownCheckpointLineEdit.enabled = self.ui.ownArchitectureComboBox.enabled = own
        self.ui.radiusSlider.enabled = not p.keepAllSeeds
        chosen = (p.model, p.ownCheckpoint, p.ownArchitecture, p.clahe)
        if chosen != getattr(self, "_readyFor", chosen):
            self._readyFor = chosen
            self.updateReadiness()
        self._readyFor = chosen
        self.updateCorrecting()
        self.showSeeds()
        self.updateEstimate()
        self._previewTimer.start()

    def onRecommended(self, checked=False):
        """Set what this project recommends."""
        self.setChoices(ch.RECOMMENDED)

    def onPaper(self, checked=False):
        """Set what the paper found best."""
        self.setChoices(ch.PAPERS_BEST)

    def onStock(self, checked=False):
        """Set what SAM2 does with a video."""
        self.setChoices(ch.STOCK_SAM2)

    def setChoices(self, values):
        """Set several choices at once."""
        if not self._parameterNode:
            return
        with slicer.util.NodeModify(self._parameterNode):
            for name, value in values.items():
                setattr(self._parameterNode, name, value)


class SAM2VolumeSegTest(ScriptedLoadableModuleTest):
    """Reload and Test. More is in Testing/Python of this module."""

    def setUp(self):
        """Every test starts from an empty scene."""
        slicer.mrmlScene.Clear()

    def test_readiness_has_a_sentence_for_everything(self):
        """Whatever is missing on this computer, the panel can say it."""
        for item in readiness.check(SAM2VolumeSegLogic().facts()):
            self.assertTrue(item.sentence)

    def test_phantom_is_segmented_with_the_demo_model(self):
        """From painted slices to a segmentation, as a script does it."""
        choices = ch.Choices(model=ch.ModelChoice.DEMO, coronal=False, sagittal=False, direction=ch.Direction.FORWARD)
        items = readiness.check(SAM2VolumeSegLogic().facts(choices))
        if not readiness.is_ready(items):
            self.skipTest(readiness.headline(items))
        volume, painted, _reference = loadPhantom()
        before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        result = SAM2VolumeSegLogic().segment(volume, painted, choices)
        after = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        self.assertEqual(after, before + 1)
        count = painted.GetSegmentation().GetNumberOfSegments()
        self.assertEqual(result.GetSegmentation().GetNumberOfSegments(), count)
