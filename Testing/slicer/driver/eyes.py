"""What is to be seen of the module's panel, the views and the status bar."""

import time

import qt
import slicer


class Eyes:
    """Looks at the running application.

    Attributes:
        report: a `Report`.
        window: a `Window`.
    """

    def __init__(self, report, window):
        self.report, self.window = report, window

    @property
    def panel(self):
        """The module's widget."""
        return slicer.util.getModuleWidget("SAM2VolumeSeg")

    @property
    def ui(self):
        """The widgets of its panel by name, with those that the Segment Editor in it had from the beginning."""
        return self.panel.ui

    @property
    def choices(self):
        """The parameter node."""
        return self.panel.state.parameters

    def widget(self, name):
        """A widget of the panel, or a button of the editor in it."""
        own = getattr(self.ui, name, None)
        if own is not None:
            return own
        found = slicer.util.findChildren(self.panel.editor.widget, name=name, className="Q*Button")
        assert found, f"there is no {name}"
        return found[0]

    def views(self):
        """The widget with all views."""
        return slicer.app.layoutManager().viewport()

    def view(self, name):
        """The widget of a slice view."""
        return slicer.app.layoutManager().sliceWidget(name)

    def rows(self):
        """The table of painted slices: plane and place."""
        table = self.ui.seedsTable
        return [(table.item(row, 1).text(), table.item(row, 2).text()) for row in range(table.rowCount)]

    def scrolled(self):
        """By how many pixels the panel is scrolled down."""
        return self.ui.scrollArea.verticalScrollBar().value

    def status(self):
        """What the status bar says."""
        return self.window.main.statusBar().currentMessage()

    def colour(self, name):
        """The colour that a widget of the panel is filled with, as "#rrggbb"."""
        return self.widget(name).palette.color(qt.QPalette.Window).name()

    def places(self):
        """Where the views and Propagate are in the window, as [left, top, width, height]."""
        found = []
        for widget in (self.views(), self.ui.propagateButton):
            corner = widget.mapTo(self.window.main, qt.QPoint(0, 0))
            found.append([corner.x(), corner.y(), widget.width, widget.height])
        return found

    def is_in_sight(self, name):
        """Check that the whole of a widget can be seen, of the panel or of the editor in it."""
        size = "{} x {}".format(*self.window.size)
        with self.report.check(f"{size}: {name} is in sight without scrolling"):
            self.window.assert_in_sight(self.widget(name), name)

    def picture(self, name, of_views=False):
        """Keep a picture of the window, or of the views alone."""
        with self.report.check(f"picture {name}"):
            self.window.picture(name, self.views() if of_views else None)

    def wait(self, condition, what, seconds=60):
        """Let Slicer work until something has happened; returns what the condition has become.

        Args:
            condition: a function.
            what: is waited for, in words; or a function that says how things are when it was in vain.
            seconds: to wait at most.
        """
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain: {what() if callable(what) else what}")
            slicer.app.processEvents()
            time.sleep(0.001)
        return found
