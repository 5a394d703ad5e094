"""The keys of the panel (see `SAM2VolumeSegLib.panel.keys`)."""

import qt
import slicer

from SAM2VolumeSegLib.panel.keys import KEYS, LIST_KEYS

TEXT_FIELDS = ("QLineEdit", "QTextEdit", "QPlainTextEdit", "QAbstractSpinBox")


class Keys:
    """Takes keys while the panel or the views have the focus; elsewhere, and in another module, they are not ours.

    A list has keys of its own while it has the focus. Two active shortcuts with one key would both be silent in Qt, so
    the panel's for these keys, and all of the Segment Editor's (which are the main window's), rest meanwhile. While
    text is typed, all rest.
    """

    def __init__(self, panel, handlers, widget=None, editor=None):
        """Make the keys.

        Args:
            panel: the widget of the panel.
            handlers: what is done, by the action of a key.
            widget: the list with keys of its own.
            editor: the Segment Editor's widget.
        """
        self._handlers, self._list, self._editor = handlers, widget, editor
        self._shortcuts = []  # (key, shortcut)
        self._isEnabled = self._isInList = self._isTyping = False
        self._take(panel)
        if slicer.app.layoutManager() is not None:
            self._take(slicer.app.layoutManager().viewport())
        self._own = [self._made(key, widget, qt.Qt.WidgetShortcut) for key in LIST_KEYS if widget is not None]
        self._update()
        slicer.app.connect("focusChanged(QWidget*,QWidget*)", self.onFocus)

    def _take(self, widget):
        self._shortcuts += [self._made(key, widget, qt.Qt.WidgetWithChildrenShortcut) for key in KEYS]

    def _made(self, key, widget, context):
        shortcut = qt.QShortcut(qt.QKeySequence(key.sequence), widget)
        shortcut.setContext(context)
        shortcut.connect("activated()", self._handlers[key.action])
        return key, shortcut

    def onFocus(self, before, now):
        """Another widget has the focus, or none."""
        wasInList, self._isInList = self._isInList, now is not None and now == self._list
        self._isTyping = now is not None and any(now.inherits(kind) for kind in TEXT_FIELDS)
        self._update()
        if self._isEnabled and slicer.util.mainWindow() is not None and wasInList != self._isInList:
            if self._isInList:
                self._editor.uninstallKeyboardShortcuts()
            else:
                self._editor.installKeyboardShortcuts()

    def _update(self):
        own = [key.sequence for key in LIST_KEYS] if self._isInList else []
        for key, shortcut in self._shortcuts:
            shortcut.setEnabled(self._isEnabled and not self._isTyping and key.sequence not in own)
        for _key, shortcut in self._own:
            shortcut.setEnabled(self._isEnabled and self._isInList)

    def enable(self, enabled):
        """Take the keys, or leave them: another module is shown."""
        self._isEnabled = enabled
        self._update()

    def close(self):
        """The panel is closed, and another one may take its place: the views go on without us."""
        slicer.app.disconnect("focusChanged(QWidget*,QWidget*)", self.onFocus)
        self.enable(False)
        for _key, shortcut in self._shortcuts + self._own:
            shortcut.deleteLater()
        self._shortcuts, self._own = [], []
