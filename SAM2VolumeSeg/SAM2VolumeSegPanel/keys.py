"""The keys of the panel (see `SAM2VolumeSegLib.panel.keys`)."""

import qt
import slicer

from SAM2VolumeSegLib.panel.keys import KEYS


class Keys:
    """Takes keys while the panel or the views have the focus; elsewhere, and in another module, they are not ours."""

    def __init__(self, panel, handlers):
        """Make the keys.

        Args:
            panel: the widget of the panel.
            handlers: what is done, by the action of a key.
        """
        self._handlers = handlers
        self._shortcuts = []
        self._take(panel)
        if slicer.app.layoutManager() is not None:
            self._take(slicer.app.layoutManager().viewport())
        self.enable(False)

    def _take(self, widget):
        for key in KEYS:
            shortcut = qt.QShortcut(qt.QKeySequence(key.sequence), widget)
            shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
            shortcut.connect("activated()", self._handlers[key.action])
            self._shortcuts.append(shortcut)

    def enable(self, enabled):
        """Take the keys, or leave them: another module is shown."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(enabled)

    def close(self):
        """The panel is closed, and another one may take its place: the views go on without us."""
        self.enable(False)
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self._shortcuts = []
