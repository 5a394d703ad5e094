"""Boxes that come up: noted and answered, so that a walk without anybody does not wait for a press for ever."""

import qt
import slicer


class Boxes:
    """Answers the boxes of `slicer.util`, and closes others that Slicer itself may open.

    Attributes:
        told, errors, questions: what they said. Questions are answered with "Cancel".
        others: what other boxes said, which nobody expects.
        progress: titles of the progress windows that were seen.
    """

    NAMES = ("infoDisplay", "errorDisplay", "confirmOkCancelDisplay")

    def __init__(self):
        self.told, self.errors, self.questions, self.others, self.progress = [], [], [], [], set()
        self._kept = {name: getattr(slicer.util, name) for name in self.NAMES}
        slicer.util.infoDisplay = lambda text, *_more, **_named: self.told.append(text)
        slicer.util.errorDisplay = lambda text, *_more, **named: self.errors.append(
            f"{text} {named.get('detailedText', '')}"
        )
        slicer.util.confirmOkCancelDisplay = self._onQuestion
        self._timer = qt.QTimer()  # fires in the event loop of a box as well
        self._timer.setInterval(100)
        self._timer.connect("timeout()", self._look)
        self._timer.start()

    def _onQuestion(self, text, *_more, **_named):
        self.questions.append(text)
        return False

    def _look(self):
        box = slicer.app.activeModalWidget()
        if box is None:
            return
        if box.inherits("QProgressDialog"):
            self.progress.add(box.windowTitle)
        elif box.inherits("QMessageBox"):
            self.others.append(box.text)
            box.done(0)

    def take(self):
        """What came up since the last call, other than questions; empties the notes."""
        found = self.told + self.errors + self.others
        self.told, self.errors, self.questions, self.others = [], [], [], []
        return found

    def close(self):
        """Let Slicer show its boxes again."""
        self._timer.stop()
        for name, function in self._kept.items():
            setattr(slicer.util, name, function)
