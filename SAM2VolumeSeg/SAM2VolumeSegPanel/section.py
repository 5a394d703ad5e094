"""What all sections of the panel have in common."""

from types import SimpleNamespace

import qt


class Section:
    """A part of the panel. It is given the state that all share, the logic, and of the widgets only its own.

    Attributes:
        WIDGETS: names of its widgets in the .ui file.
    """

    WIDGETS = ()

    def __init__(self, state, logic, ui):
        self.state, self.logic = state, logic
        self.ui = SimpleNamespace(**{name: getattr(ui, name) for name in self.WIDGETS})

    def setColour(self, widget, colour):
        """Fill a widget with a light colour, with black letters: they can be read in the light and the dark theme."""
        palette = qt.QPalette()
        palette.setColor(qt.QPalette.Window, qt.QColor(colour))
        palette.setColor(qt.QPalette.WindowText, qt.QColor("black"))
        widget.setPalette(palette)

    def showText(self, label, text):
        """Show a sentence; without one the label takes no place."""
        label.text = text
        label.setVisible(bool(text))


class Timers:
    """Timers that wait until they are started, start anew when they are started again, and fire once.

    Slicer's own QTimer.singleShot makes a timer that stays until the application ends: not for what goes on for long.
    """

    def __init__(self):
        self._timers = []

    def make(self, milliseconds, handler):
        """A timer; 0 ms: as soon as the application has nothing else to do."""
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.connect("timeout()", handler)
        self._timers.append(timer)
        return timer

    def stop(self):
        """Let none of them fire any more."""
        for timer in self._timers:
            timer.stop()
