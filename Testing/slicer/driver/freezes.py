"""How long the application does not answer: the gaps between the beats of a timer in its event loop."""

import time
from contextlib import contextmanager

import qt
import slicer

BEAT = 20  # ms
PAINTING = 0.5
"""Seconds that the window may stand still at most while somebody may paint."""


class Freezes:
    """A stopwatch for the event loop. It measures while somebody waits for events, and what their handlers take."""

    def __init__(self, report):
        self.report = report
        self._last = self._longest = 0.0
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(BEAT)
        self._timer.connect("timeout()", self._onBeat)

    @contextmanager
    def watch(self, doing, limit=None):
        """Measure the longest freeze in the block.

        Args:
            doing: what goes on, in words.
            limit: seconds; a longer freeze fails a check. None: it is only noted.
        """
        slicer.app.processEvents()  # what had piled up before is not counted
        self._longest, self._last = 0.0, time.monotonic()
        self._timer.start()
        try:
            yield
        finally:
            slicer.app.processEvents()
            self._gap()
            self._timer.stop()
            text = f"longest freeze while {doing}: {self._longest:.2f} s"
            self.report.measure(text)
            if limit is not None:
                with self.report.check(f"no freeze above {limit} s while {doing}"):
                    assert self._longest <= limit, text

    def _onBeat(self):
        self._gap()
        self._timer.start()

    def _gap(self):
        now = time.monotonic()
        self._longest, self._last = max(self._longest, now - self._last), now
