"""How fast the model is on this computer, measured before its first run."""

import logging

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch

IDLE = 1500  # ms without a stroke or a changed choice, after which a light model is measured by itself


class MeasureSection:
    """Part of SAM2VolumeSegWidget.

    The bundled demo model takes less than a second: it is measured when the panel is idle. Loading a large one takes
    seconds during which Slicer stands still, and on a processor each of its slices does too: nobody wants that while
    painting. So there is a button, and who presses Propagate without it gets the measurement as the run's first steps.
    What is encoded for it is not encoded again by the run.
    """

    def speed(self):
        """What was measured of the chosen model on the chosen device, or None."""
        known = self._plan is not None and self._plan[0] == self.planFor(self._parameterNode)
        return self.logic.timings().speeds.get(self._plan[3]) if known and self._plan[1] is not None else None

    def canMeasure(self):
        """Whether a run could start whose speed is not known."""
        p = self._parameterNode
        known = self._plan is not None and p and self._plan[0] == self.planFor(p) and self._plan[1] is not None
        return bool(known) and self.ui.propagateButton.enabled and self.speed() is None

    def offerMeasuring(self):
        """Show the button where it is needed; measure a light model when nothing else happens."""
        wanted = self._run is None and self._measurement is None and self.canMeasure()
        self.ui.measureButton.setVisible(wanted)
        if wanted and self.isLight() and self._plan[3] not in self._notMeasurable:
            self._idleTimer.start()
        else:
            self._idleTimer.stop()

    def isLight(self):
        """Whether measuring is not noticed."""
        p = self._parameterNode
        return p.model is ch.ModelChoice.DEMO or (self._plan[1] != "cpu" and self.logic.isLoaded(p))

    def onIdle(self):
        """Nothing was painted or chosen for a while."""
        busy = self._run is not None or self._measurement is not None or self._download is not None
        if not busy and self._parameterNode and self.canMeasure() and self.isLight():
            self.startMeasuring(asked=False)

    def onMeasure(self, checked=False):
        """The user wants to know before the first run."""
        if self._run is None and self._measurement is None and self._parameterNode and self.canMeasure():
            self.startMeasuring()

    def startMeasuring(self, asked=True, andRun=False):
        """Measure, step by step. andRun: and then propagate."""
        p = self._parameterNode
        steps = self.logic.measurement(self._volume, self.seedsOfRun(), ch.copy_of(p))
        self._measurement = {"steps": steps, "key": self._plan[3], "asked": asked or andRun, "andRun": andRun}
        if self._measurement["asked"]:
            self.ui.progressLabel.text = _("Measuring how fast this computer is...")
        self.updateEstimate()
        self._measureTimer.start()

    def onMeasureStep(self):
        """Load the model, or compute one slice."""
        measurement = self._measurement
        if measurement is None:
            return
        try:
            next(measurement["steps"])
            self._measureTimer.start()
            return
        except StopIteration:
            pass
        except Exception as error:
            self._notMeasurable.add(measurement["key"])
            self.stopMeasuring()
            if isinstance(error, InputError) and measurement["asked"]:
                with self.errorsShown():
                    raise
                return
            logging.exception("SAM2VolumeSeg: the speed could not be measured")
        if self._measurement is measurement:
            self.stopMeasuring()
        if measurement["andRun"] and self._parameterNode:
            self.startRun()

    def stopMeasuring(self, message=""):
        """Let go of a measurement that is over or not wanted any more."""
        if self._measurement is None:
            return
        measurement, self._measurement = self._measurement, None
        measurement["steps"].close()
        if measurement["asked"]:
            self.ui.progressLabel.text = message
        self.updateEstimate()
