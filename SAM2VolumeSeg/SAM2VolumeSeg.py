"""The module SAM2VolumeSeg: paint a few slices, propagate, get a segmentation.

From a script (Slicer's Python console, or `Slicer --no-main-window --python-script`), three lines segment a node:

    from SAM2VolumeSeg import SAM2VolumeSegLogic
    volume, painted = slicer.util.getNode("CT"), slicer.util.getNode("Segmentation")
    result = SAM2VolumeSegLogic().segment(volume, painted)
"""

import os
import sys
import unittest

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

from SAM2VolumeSegPanel.choices_section import ChoicesSection
from SAM2VolumeSegPanel.correct_section import CorrectSection
from SAM2VolumeSegPanel.editor_section import EditorSection
from SAM2VolumeSegPanel.errors_section import ErrorsSection
from SAM2VolumeSegPanel.hint_section import HintSection
from SAM2VolumeSegPanel.keys import Keys
from SAM2VolumeSegPanel.lesson_section import LessonSection
from SAM2VolumeSegPanel.logic import SAM2VolumeSegLogic
from SAM2VolumeSegPanel.measure_section import MeasureSection
from SAM2VolumeSegPanel.models_section import ModelsSection
from SAM2VolumeSegPanel.nodes_section import NodesSection
from SAM2VolumeSegPanel.plot_section import PlotSection
from SAM2VolumeSegPanel.preview_section import PreviewSection
from SAM2VolumeSegPanel.report_section import ReportSection
from SAM2VolumeSegPanel.result_section import ResultSection
from SAM2VolumeSegPanel.review_section import ReviewSection
from SAM2VolumeSegPanel.reviewing import Reviewing
from SAM2VolumeSegPanel.run_section import RunSection
from SAM2VolumeSegPanel.section import Timers
from SAM2VolumeSegPanel.seeds_section import SeedsSection
from SAM2VolumeSegPanel.setup_section import SetupSection
from SAM2VolumeSegPanel.state import PanelState
from SAM2VolumeSegPanel.suspects_section import SuspectsSection
from SAM2VolumeSegPanel.verdict_section import VerdictSection
from SAM2VolumeSegPanel.views import Views

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import keys, readiness


class SAM2VolumeSeg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SAM2 Volume Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SegmentEditor", "Volumes"]
        self.parent.contributors = ["SAM2VolumeSeg Authors (SAM2VolumeSeg)"]
        self.parent.helpText = _(
            "Paint a structure on a few slices of a CT in the Segment Editor. This module carries it through the "
            "volume with SAM2 along the axial, coronal and sagittal slices. For research and teaching, not for "
            "clinical use."
        )
        self.parent.helpText += "<p>" + keys.help_text()
        self.parent.acknowledgementText = _(
            "After M. López Escoriza and P. Amargant Alvarez, Automatic Segmentation of 3D CT scans with SAM2 using a "
            "zero-shot approach, arXiv:2603.23116. SAM 2 is by Meta."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", followScene)


def followScene():
    """Let what the scene keeps for a review go with its result, whoever deletes that; returns the observer's tag."""
    return slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeRemovedEvent, onNodeRemoved)


@vtk.calldata_type(vtk.VTK_OBJECT)
def onNodeRemoved(scene, event, node):
    """A node was deleted; of a scene that is closed all are."""
    if node.IsA("vtkMRMLSegmentationNode") and not scene.IsClosing():
        from SAM2VolumeSegLib.scene import remove_unused_evidence

        remove_unused_evidence(scene)


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
    showMiddle(*nodes[:2])
    return nodes


def showMiddle(volume, painted):
    """Move each view to the middle painted slice of the first segment, so that every one shows a filled slice."""
    from SAM2VolumeSegLib.scene import jump_to_slice, seeds_from_segmentation

    segmentID = painted.GetSegmentation().GetNthSegmentID(0)
    seeds = seeds_from_segmentation(painted, volume, [segmentID]).get(segmentID, [])
    for plane in {seed.plane for seed in seeds}:
        own = sorted(seed.index for seed in seeds if seed.plane is plane)
        jump_to_slice(volume, plane, own[len(own) // 2])


class SAM2VolumeSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Puts the panel together from its sections, and lets it come and go with module and scene.

    Attributes:
        logic: nodes in, nodes out; the effect uses it too.
        state: what the sections share.
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.state = None
        self._guiTag = self._choicesTag = None
        self._closed = False

    # ------------------------------------------------------------------------------------------------- opening, closing

    def setup(self):
        """Build the panel. Works without a main window."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SAM2VolumeSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.logic = SAM2VolumeSegLogic()
        self.state = PanelState(self.logic, self.ui.segmentEditorWidget.currentSegmentID)
        self.makeSections()
        self.makeKeys(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self.nodes.onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self.nodes.onNodeRemoved)
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()

    def makeSections(self):
        """Each section gets the state, the logic, and what it needs of the others; handlers run in this order."""
        from SAM2VolumeSegLib.scene import ModelPreview, restore_views

        restore_views(slicer.mrmlScene)  # of a scene that was loaded before the module was opened
        self.timers = timers = Timers()
        own = self.state, self.logic, self.ui
        self.editor = EditorSection(*own, isEntered=lambda: self.parent.isEntered)
        self.choices = ChoicesSection(*own)
        self.lesson = LessonSection(*own)
        self.setupSection = SetupSection(*own)
        self.models = ModelsSection(*own, timers)
        self.views = Views(self.state)
        self.nodes = NodesSection(self.state, self.editor, self.views, timers)
        self.correct = CorrectSection(*own, self.editor, self.views)
        self.result = ResultSection(*own)
        self.reviewing = Reviewing(self.state, self.logic, timers)
        self.seeds = SeedsSection(*own, self.views, self.reviewing)
        self.measure = MeasureSection(*own, timers)
        self.run = RunSection(*own, self.editor, self.measure, timers)
        self.review = ReviewSection(*own, self.reviewing)
        self.suspects = SuspectsSection(*own, self.reviewing, self.views, self.correct)
        self.report = ReportSection(*own, self.reviewing)
        self.verdict = VerdictSection(*own, self.reviewing)
        self.preview = PreviewSection(*own, self.views, ModelPreview(), timers)
        self.errors = ErrorsSection(*own, self.reviewing, timers)
        self.plot = PlotSection(*own, self.reviewing, self.views, timers)
        self.hint = HintSection(
            *own, self.views, self.setupSection, self.models, self.correct, self.editor, self.review
        )

    def makeKeys(self, uiWidget):
        """A key does what its button does, where that can be pressed."""
        pressed = {
            "next": self.ui.nextSliceButton,
            "propagate": self.ui.propagateButton,
            "use": self.ui.useSliceButton,
        }
        handlers = {action: button.click for action, button in pressed.items()}
        handlers |= {"cancel": self.onCancelKey, "exchange": self.result.onExchange, "tick": self.suspects.onTick}
        handlers |= {"next suspect": self.suspects.onNext, "previous suspect": self.suspects.onPrevious}
        self.keys = Keys(uiWidget, handlers, self.ui.suspectsTable, self.editor.widget)

    def onCancelKey(self):
        """Cancel what goes on: a run or a measurement, else a review."""
        if self.ui.cancelButton.enabled:
            self.ui.cancelButton.click()
        else:
            self.reviewing.work.stop()

    def cleanup(self):
        """Slicer closes, or the module is reloaded. An old Slicer goes on calling enter and exit after a reload."""
        if self._closed or self.logic is None:
            return
        self.endWork()
        self.models.onCancel()
        self.editor.exit()
        self.setParameterNode(None)
        self.removeObservers()
        self.editor.close()
        self.keys.close()
        self._closed = True
        self.timers.stop()

    def onReload(self):
        """Reload the library as well, which Slicer by itself would keep."""
        packages = ("SAM2VolumeSegLib", "SAM2VolumeSegPanel")
        for name in [name for name in sys.modules if name.split(".")[0] in packages]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self):
        """The module is shown."""
        if not self._closed:
            self.editor.selectNode()
            self.initializeParameterNode()
            self.editor.enter()
            self.keys.enable(True)
            self.ui.scrollArea.verticalScrollBar().setValue(0)

    def exit(self):
        """Another module is shown. A run goes on."""
        if not self._closed:
            self.measure.stop()
            self.keys.enable(False)
            self.editor.exit()
            self.setParameterNode(None)

    def endWork(self, message=""):
        """Let go of a measurement, a review and a run."""
        self.measure.stop()
        self.reviewing.work.stop()
        self.run.end(message)

    # ----------------------------------------------------------------------------------------------------------- scene

    def onSceneStartClose(self, caller=None, event=None):
        """The scene is about to be closed: let go of everything in it."""
        self.run.forget()
        self.endWork(_("The scene was closed; the run was cancelled."))
        self.correct.forget()
        self.reviewing.forget()
        self.setParameterNode(None)
        self.logic.forget()
        self.editor.letGo()

    def onSceneEndClose(self, caller=None, event=None):
        """The scene is empty."""
        if self.parent.isEntered:
            self.editor.selectNode()
            self.initializeParameterNode()
            self.editor.widget.updateWidgetFromMRML()

    def onSceneStartImport(self, caller=None, event=None):
        """A scene is being loaded: what node lists choose meanwhile is not the user's choice."""
        self.setParameterNode(None)

    def onSceneEndImport(self, caller=None, event=None):
        """A scene was loaded: its choices are shown."""
        from SAM2VolumeSegLib.scene import restore_views

        self.preview.hide()
        self.errors.hide()
        self.plot.hide()
        restore_views(slicer.mrmlScene)
        if self.parent.isEntered:
            self.editor.selectNode()
            p = self.logic.getParameterNode()
            if p.segmentation is not None and self.editor.widget.segmentationNode() not in (p.segmentation, p.result):
                self.editor.show(p.segmentation, p.volume)
        self.onSceneEndClose()

    def initializeParameterNode(self):
        """Bind the parameter node, let it and the editor agree on the nodes to work on, and show how things are."""
        self.setParameterNode(self.logic.getParameterNode())
        self.nodes.agree(mayCreate=self.parent.isEntered)
        self.state.lookAtComputer()
        self.state.findSeeds()

    def setParameterNode(self, parameterNode):
        """Bind the panel to a parameter node; None lets go of it."""
        before = self.state.parameters
        if before is not None:
            before.disconnectGui(self._guiTag)
            before.RemoveObserver(self._choicesTag)
        if parameterNode is not None:
            named = [(widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values()]
            self._guiTag = parameterNode.connectParametersToGui({name: widget for name, widget in named if name})
            # Not through Slicer's mixin, which would keep each of these for ever, with all that they observe.
            modified = vtk.vtkCommand.ModifiedEvent
            # After the widgets: VTK calls who came last first, where the priority is the same.
            self._choicesTag = parameterNode.AddObserver(modified, self.state.onChoicesChanged, -1.0)
        self.state.setParameters(parameterNode)


class SAM2VolumeSegTest(ScriptedLoadableModuleTest):
    """Reload and Test. More is in Testing/Python of this module."""

    def setUp(self):
        """Every test starts from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self, **options):
        """Run the tests. Slicer's own shows an error where one is skipped, because something is not installed."""
        for name in unittest.TestLoader().getTestCaseNames(type(self)):
            self.setUp()
            try:
                getattr(self, name)()
            except unittest.SkipTest as reason:
                slicer.util.delayDisplay(_("Skipped: {reason}").format(reason=reason))
            finally:
                self.tearDown()

    def test_readiness_has_a_sentence_for_everything(self):
        """Whatever is missing on this computer, the panel can say it."""
        for item in readiness.check(SAM2VolumeSegLogic().facts()):
            self.assertTrue(item.sentence)

    def test_phantom_is_segmented_with_the_demo_model(self):
        """From painted slices to a segmentation, as a script does it."""
        choices = ch.Choices(model=ch.ModelChoice.DEMO, coronal=False, sagittal=False, direction=ch.Direction.FORWARD)
        requirements = readiness.check(SAM2VolumeSegLogic().facts(choices))
        if not requirements.are_met:
            self.skipTest(requirements.headline)
        volume, painted, _reference = loadPhantom()
        before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        result = SAM2VolumeSegLogic().segment(volume, painted, choices)
        after = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        self.assertEqual(after, before + 1)
        count = painted.GetSegmentation().GetNumberOfSegments()
        self.assertEqual(result.GetSegmentation().GetNumberOfSegments(), count)
