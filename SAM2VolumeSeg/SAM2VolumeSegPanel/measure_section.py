"""How fast the model is on this computer, measured before its first run."""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section

IDLE = 1500  # ms without a stroke or a changed choice, after which a light model is measured by itself


@dataclass
class Measurement:
    """A measurement that goes on.

    Attributes:
        steps: computes a little at each step.
        speedKey: the name under which the result is kept.
        asked: whether the user asked for it, and is told about it.
        then: what is done when it is over, such as the run that was asked for; or None.
    """

    steps: Generator
    speedKey: str
    asked: bool
    then: Callable | None = None


class MeasureSection(Section):
    """Measures a model, step by step, from the event loop.

    The bundled demo model takes less than a second: it is measured when the panel is idle. Loading a large one takes
    seconds during which Slicer stands still, and on a processor each of its slices does too: nobody wants that while
    painting. So there is a button, and who presses Propagate without it gets the measurement as the run's first steps.
    What is encoded for it is not encoded again by the run.
    """

    WIDGETS = ("measureButton", "progressLabel")

    def __init__(self, state, logic, ui, timers):
        super().__init__(state, logic, ui)
        self._canRun = False
        self._impossible = set()  # keys of speeds that could not be measured
        self._timer = timers.make(0, self.onStep)
        self._idleTimer = timers.make(IDLE, self.onIdle)
        self.ui.measureButton.setVisible(False)
        self.ui.measureButton.connect("clicked(bool)", self.onMeasure)
        state.sceneChanged.connect(self._idleTimer.stop)

    @property
    def speed(self):
        """What was measured of the chosen model on the chosen device, or None."""
        plan = self.state.plan
        return self.logic.timings().speeds.get(plan.speedKey) if plan is not None and plan.isReady else None

    @property
    def isPossible(self):
        """Whether a run could start whose speed is not known."""
        plan = self.state.plan
        return self._canRun and plan is not None and plan.isReady and self.speed is None

    def isLight(self):
        """Whether measuring is not noticed."""
        p = self.state.parameters
        return p.model is ch.ModelChoice.DEMO or (self.state.plan.device != "cpu" and self.logic.isLoaded(p))

    def offer(self, canRun):
        """Show the button where it is needed; measure a light model when nothing else happens.

        Args:
            canRun: whether a run could start.
        """
        self._canRun = canRun
        wanted = self.state.propagation is None and self.state.measurement is None and self.isPossible
        self.ui.measureButton.setVisible(wanted)
        if wanted and self.isLight() and self.state.plan.speedKey not in self._impossible:
            self._idleTimer.start()
        else:
            self._idleTimer.stop()

    def onIdle(self):
        """Nothing was painted or chosen for a while."""
        if not self.state.isBusy and self.state.parameters is not None and self.isPossible and self.isLight():
            self.start(asked=False)

    def onMeasure(self, checked=False):
        """The user wants to know before the first run."""
        idle = self.state.propagation is None and self.state.measurement is None
        if idle and self.state.parameters is not None and self.isPossible:
            self.start()

    def before(self, then):
        """Measure before something else where that is needed, and say so.

        Args:
            then: what else.

        Returns:
            Whether it is measured; if not, `then` is for the caller to do.
        """
        measurement = self.state.measurement
        if measurement is not None:
            measurement.asked, measurement.then = True, then
            self._say()
        elif self.isPossible and self.state.plan.speedKey not in self._impossible:
            self.start(then=then)
        else:
            return False
        return True

    def start(self, asked=True, then=None):
        """Measure, step by step."""
        state = self.state
        steps = self.logic.measurement(state.found.volume, state.seedsOfRun(), ch.copy_of(state.parameters))
        state.measurement = Measurement(steps, state.plan.speedKey, asked, then)
        if asked:
            self._say()
        state.workChanged.emit()
        self._timer.start()

    def onStep(self):
        """Load the model, or compute one slice."""
        measurement = self.state.measurement
        if measurement is None:
            return
        try:
            next(measurement.steps)
            self._timer.start()
            return
        except StopIteration:
            pass
        except Exception as error:
            self._impossible.add(measurement.speedKey)
            self.stop()
            if isinstance(error, InputError) and measurement.asked:
                with errorsShown():
                    raise
                return
            logging.exception("SAM2VolumeSeg: the speed could not be measured")
        if self.state.measurement is measurement:
            self.stop()
        if measurement.then is not None and self.state.parameters is not None:
            measurement.then()

    def stop(self, message=""):
        """Let go of a measurement that is over or not wanted any more."""
        measurement, self.state.measurement = self.state.measurement, None
        if measurement is not None:
            measurement.steps.close()
            if measurement.asked:
                self.ui.progressLabel.text = message
            self.state.workChanged.emit()

    def _say(self):
        self.ui.progressLabel.text = _("Measuring how fast this computer is...")
