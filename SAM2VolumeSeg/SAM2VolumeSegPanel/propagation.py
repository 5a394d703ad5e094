"""A run of the panel or of the Segment Editor effect, with all that belongs to it."""

import time

from SAM2VolumeSegLib.panel import choices as ch


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
        self._logic = self._ending = self._show3D = self._started = None

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
        self._show3D = p.show3D
        self._ending = {
            "target": p.target.value,
            "intensity_range": (p.rangeLower, p.rangeUpper) if p.limitToRange else None,
            "editor_node": editorNode,
        }
        self.run = logic.startRun(p.volume, p.segmentation, p, segmentIDs, marks)
        self._started = time.monotonic()

    @property
    def isWritten(self):
        """Whether the result is in the scene."""
        return self.run is not None and self.run.state == "written"

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
        if not self.intoPainted:
            self.parameters.result = node  # also when the module was left meanwhile
        if self._show3D:
            node.CreateClosedSurfaceRepresentation()
        return node

    def cancel(self):
        """Let go of the run. One that is not written changes nothing."""
        if self.run is not None:
            self.run.cancel()
            self._logic.remember()
