"""A run of the panel or of the Segment Editor effect, with all that belongs to it."""

import time

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel.estimate import duration
from SAM2VolumeSegLib.panel.presets import preset_label, result_name
from SAM2VolumeSegPanel.state import Finished


class Propagation:
    """A run, what it is on, and how it ends: what the user changes during the run does not change that.

    Attributes:
        parameters: the parameter node whose choices it was started with; it gets the result.
        segmentation: the node that was painted.
        intoPainted: whether the result goes into the painted segments.
        run: the `SceneRun`; None while the model is loaded.
        seconds: how long it took.
    """

    def __init__(self, parameters):
        self.parameters = parameters
        self.segmentation = self.run = self.seconds = None
        self.intoPainted = False
        self._logic = self._ending = self._show3D = self._started = self._preset = self._replaced = None
        self._volume = self._choices = None

    def start(self, logic, editorNode, segmentIDs, marks):
        """Load the model and read the scene.

        Args:
            logic: the module's logic.
            editorNode: whose masking counts; also when it is removed during the run.
            segmentIDs: which segments; None: all with painted slices.
            marks: what the user switched off or marked absent.

        Raises:
            InputError: the model cannot be loaded, or nothing usable is painted.
        """
        p = self.parameters
        self._logic, self.segmentation = logic, p.segmentation
        self.intoPainted = p.target.value == ch.Target.SAME.value  # a reload of the module makes new choices
        self._show3D, self._preset = p.show3D, preset_label(p)
        self._volume, self._choices = p.volume, ch.copy_of(p)
        self._ending = {
            "target": "same" if self.intoPainted else "new",
            "intensity_range": (p.rangeLower, p.rangeUpper) if p.limitToRange else None,
            "editor_node": editorNode,
            "keeps_evidence": p.keepEvidence,
        }
        self.run = logic.startRun(p.volume, p.segmentation, p, segmentIDs, marks)
        self._started = time.monotonic()

    @property
    def isWritten(self):
        """Whether the result is in the scene."""
        return self.run is not None and self.run.state == "written"

    @property
    def warnings(self):
        """What the user should know of the result, in sentences."""
        return self.run.result.warnings

    def step(self):
        """Compute one slice.

        Returns:
            A Progress, or None when all is computed.

        Raises:
            InputError: the run was cancelled, or something that it needs is gone.
        """
        return self.run.step()

    def finish(self, saveForUndo):
        """Write the result.

        Args:
            saveForUndo: called before painted segments are changed.

        Returns:
            The segmentation node that holds the result.

        Raises:
            InputError: as `step`, or the result cannot be written there.
        """
        self.seconds = time.monotonic() - self._started
        if self.intoPainted:
            saveForUndo()
        node = self.run.finish(**self._ending)
        if self._show3D:
            from SAM2VolumeSegLib.scene import centre_3d

            node.CreateClosedSurfaceRepresentation()
            centre_3d(node)
        if not self.intoPainted:
            self._take(node)  # also when the module was left meanwhile
        return node

    def _take(self, node):
        """Make a new segmentation the result; the one before is kept to compare, or goes, as the user has said."""
        from SAM2VolumeSegLib.scene import provenance_of, show

        p, before = self.parameters, self.parameters.result
        scene = node.GetScene()
        count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        others = [scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in range(count)]
        taken = [other.GetName() for other in others if other is not node]
        node.SetName(result_name(self.segmentation.GetName(), self._preset, taken))
        if before is p.segmentation:
            before = None
        show(before, False)
        made = before is not None and provenance_of(before) is not None  # by us, and no segmentation of the user's
        with slicer.util.NodeModify(p):
            if p.target.value == ch.Target.REPLACE.value and made:
                self._replaced = before
            elif p.compared is None or provenance_of(p.compared) is not None:  # no reference that the user has chosen
                p.compared = before
            p.result, p.showResult, p.showPainted = node, True, False

    def finished(self, node):
        """What there is to review."""
        run = self.run
        return Finished(node, self._volume, run.request, run.evidence, run.result.provenance, self._choices)

    def removeReplaced(self):
        """Remove the result that the new one takes the place of, when no editor shows it any more."""
        scene = None if self._replaced is None else self._replaced.GetScene()
        if scene is not None:
            scene.RemoveNode(self._replaced.GetDisplayNode())  # before: without its segmentation it is gone already
            scene.RemoveNode(self._replaced)

    def summary(self, node):
        """What is said when it is over."""
        if self.intoPainted:
            return _("Done in {time}. The result is in the painted segments.").format(time=duration(self.seconds))
        return _("Done in {time}: \u201c{name}\u201d.").format(time=duration(self.seconds), name=node.GetName())

    def cancel(self):
        """Let go of the run. One that is not written changes nothing."""
        if self.run is not None:
            self.run.cancel()
            self._logic.remember()
