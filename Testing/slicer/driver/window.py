"""The main window: its size, what of a widget is in sight, and pictures of it."""

import time

import ctk
import slicer

from driver.report import NotTried


class Window:
    """Slicer's main window."""

    def __init__(self, folder):
        self.folder = folder
        self.main = slicer.util.mainWindow()

    @property
    def size(self):
        """Width and height in pixels, without the frame."""
        return self.main.width, self.main.height

    def resize(self, width, height):
        """Give the window a size, without its frame.

        Raises:
            NotTried: it does not get that size here.
        """
        self.main.showNormal()
        self.main.resize(width, height)
        self.settle(0.5)
        if self.size != (width, height):
            raise NotTried("the window becomes {} x {} here: is the screen too small?".format(*self.size))

    def settle(self, seconds=0.0):
        """Let layouts and views come to rest, and a window manager do its part."""
        end = time.monotonic() + seconds
        for _round in range(10):
            slicer.app.processEvents()
        while time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)

    def fold_data_probe(self, folded):
        """Fold Slicer's Data Probe, or open it."""
        slicer.util.findChild(self.main, "DataProbeCollapsibleWidget").collapsed = folded
        self.settle()

    def assert_in_sight(self, widget, name):
        """Fail unless the whole of a widget is in sight."""
        seen = widget.visibleRegion().boundingRect()
        if seen.width() < widget.width or seen.height() < widget.height:
            size, part = f"{widget.width} x {widget.height}", f"{seen.width()} x {seen.height()}"
            raise AssertionError(f"of {name} ({size} pixels), {part} are in sight")

    def picture(self, name, widget=None):
        """Keep a picture of the window, or of a widget."""
        self.settle()
        slicer.util.forceRenderAllViews()
        slicer.app.processEvents()
        image = ctk.ctkWidgetsUtils.grabWidget(self.main if widget is None else widget)
        path = self.folder / f"{name}.png"
        assert image.save(str(path)), f"{path} was not written"
