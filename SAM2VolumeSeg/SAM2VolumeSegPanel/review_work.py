"""A piece of work of a review, and stepping it from the event loop: no thread."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from SAM2VolumeSegPanel.dialogs import errorsShown


@dataclass
class Work:
    """A piece of a review that goes on.

    Attributes:
        steps: computes a little at each step, and returns the answer.
        then: gets the answer.
        show: gets each step.
    """

    steps: Generator
    then: Callable
    show: Callable = lambda step: None


class Stepping:
    """Does one piece of work at a time."""

    def __init__(self, state, timers):
        self.state = state
        self._timer = timers.make(0, self.onStep)

    def start(self, work):
        """Do a piece of work, step by step; one that goes on is let go of."""
        self.stop()
        self.state.checking = work
        self.state.workChanged.emit()
        self._timer.start()

    def onStep(self):
        """Compute a little; the event loop runs between two steps, so views and Cancel stay alive."""
        work = self.state.checking
        if work is None:
            return
        with errorsShown():
            try:
                work.show(next(work.steps))
            except StopIteration as end:
                self.stop()
                work.then(end.value)
                return
            except Exception:
                self.stop()
                raise
            self._timer.start()

    def stop(self):
        """Let go of what goes on; the review stays as it was."""
        work, self.state.checking = self.state.checking, None
        if work is not None:
            self._timer.stop()
            work.steps.close()
            self.state.workChanged.emit()
