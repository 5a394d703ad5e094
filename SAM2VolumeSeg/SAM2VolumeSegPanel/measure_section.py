"""How fast the model is on this computer, measured before its first run."""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section


@dataclass
class Measurement:
    """A measurement that goes on.

    Attributes:
        steps: computes a little at each step.
        then: what is done when it is over, such as the run that was asked for; or None.
    """

    steps: Generator
    then: Callable | None = None


class MeasureSection(Section):
    """Measures a model, step by step, from the event loop, and only when the user has asked for it.

    Loading PyTorch and a model takes seconds during which Slicer stands still, and with a large model each slice does:
    nobody wants that while painting. So there is a button, and who presses Propagate without it gets the measurement as
    the run's first steps. Each step that takes long is said before it begins. What is encoded for a measurement is not
    encoded again by the run.
    """

    WIDGETS = ("measureButton", "progressLabel")

    def __init__(self, state, logic, ui, timers):
        super().__init__(state, logic, ui)
        self._canRun = False
        self._impossible = set()  # keys of speeds that could not be measured
        self._timer = timers.make(0, self.onStep)
        self.ui.measureButton.setVisible(False)
        self.ui.measureButton.connect("clicked(bool)", self.onMeasure)

    @property
    def speed(self):
        """How fast the chosen model is on the chosen device, or None."""
        plan = self.state.plan
        return self.logic.remembered.timings().speed(plan.speedKey) if plan is not None and plan.isReady else None

    @property
    def isPossible(self):
        """Whether a run could start whose speed is not known."""
        plan = self.state.plan
        return self._canRun and (plan is None or (plan.isReady and self.speed is None))

    def offer(self, canRun):
        """Show the button where it is needed.

        Args:
            canRun: whether a run could start.
        """
        self._canRun = canRun
        idle = self.state.propagation is None and self.state.measurement is None
        self.ui.measureButton.setVisible(idle and self.isPossible)

    def onMeasure(self, checked=False):
        """The user wants to know before the first run."""
        idle = self.state.propagation is None and self.state.measurement is None
        if idle and self.state.parameters is not None and self.isPossible:
            self._impossible.clear()  # who asks again wants it tried again
            self.start()

    def before(self, then):
        """Measure before something else where that is needed, and say so.

        Args:
            then: what else.

        Returns:
            Whether it is measured; if not, `then` is for the caller to do.
        """
        plan = self.state.plan
        if self.state.measurement is not None:
            self.state.measurement.then = then
        elif self.isPossible and (plan is None or plan.speedKey not in self._impossible):
            self.start(then)
        else:
            return False
        return True

    def start(self, then=None):
        """Measure, step by step."""
        self.state.measurement = Measurement(self._steps(), then)
        self.onStep()  # says what comes
        self.state.workChanged.emit()

    def _steps(self):
        """Say what comes, let that be shown, and do it."""
        state = self.state
        if state.plan is None:
            self.ui.progressLabel.text = _("Loading PyTorch. Slicer stands still for some seconds...")
            yield
            state.makePlan()
            yield
        if state.plan is None or not state.plan.isReady or self.speed is not None:
            return
        if not self.logic.isLoaded(state.parameters):
            self.ui.progressLabel.text = _("Loading the model. Slicer stands still for some seconds...")
            yield
        for _step in self.logic.measurement(state.found.volume, state.seedsOfRun(), ch.copy_of(state.parameters)):
            self.ui.progressLabel.text = _("Measuring how fast this computer is...")
            yield

    def onStep(self):
        """Load something, or compute one slice."""
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
            plan = self.state.plan
            if plan is not None:
                self._impossible.add(plan.speedKey)
            self.stop()
            if isinstance(error, InputError):
                with errorsShown():
                    raise
                return
            logging.exception("SAM2VolumeSeg: the speed could not be measured")
        if self.state.measurement is measurement:
            self.stop()
        plan = self.state.plan
        if measurement.then is not None and self.state.parameters is not None and plan is not None and plan.isReady:
            measurement.then()

    def stop(self, message=""):
        """Let go of a measurement that is over or not wanted any more."""
        measurement, self.state.measurement = self.state.measurement, None
        if measurement is not None:
            measurement.steps.close()
            self.ui.progressLabel.text = message
            self.state.workChanged.emit()
