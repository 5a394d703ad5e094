"""Mouse and keys in widgets and slice views, as events."""

import qt
import slicer
import vtk


def click(widget, x, y):
    """Press and release the left button at a place of a widget."""
    left, none = qt.Qt.LeftButton, qt.Qt.NoButton
    for kind, held in ((qt.QEvent.MouseButtonPress, left), (qt.QEvent.MouseButtonRelease, none)):
        event = qt.QMouseEvent(kind, qt.QPointF(x, y), left, held, qt.Qt.NoModifier)
        qt.QCoreApplication.sendEvent(widget, event)
    slicer.app.processEvents()


def click_cell(table, row, column):
    """Click into a cell of a table: on its box where it has one, else beside its text."""
    item = table.item(row, column)
    table.scrollToItem(item)
    slicer.app.processEvents()
    rect = table.visualItemRect(item)
    click(table.viewport(), rect.left() + 10, rect.center().y())


def press_key(widget, key):
    """Press and release a key in a widget."""
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        qt.QCoreApplication.sendEvent(widget, qt.QKeyEvent(kind, key, qt.Qt.NoModifier, ""))
    slicer.app.processEvents()


def choose(combo, text):
    """Choose an item of a list by keyboard, which tells it as a press on it does."""
    items = [combo.itemText(n) for n in range(combo.count)]
    assert text in items, f"{text!r} is none of {items}"
    for _press in range(len(items)):
        if combo.currentText == text:
            return
        wanted = items.index(text)
        press_key(combo, qt.Qt.Key_Down if combo.currentIndex < wanted else qt.Qt.Key_Up)
    assert combo.currentText == text, f"{combo.currentText!r} is chosen, and not {text!r}"


def pixels(slice_node, points):
    """Where points (RAS in mm) are in a slice view, in pixels of its picture, from its lower left."""
    to_pixels = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(slice_node.GetXYToRAS(), to_pixels)
    found = []
    for point in points:
        x, y = to_pixels.MultiplyPoint([*point, 1.0])[:2]
        found.append((round(x), round(y)))
    return found


def drag(slice_widget, places):
    """Draw with the left button through places of a slice view."""
    interactor = slice_widget.interactorStyle().GetInteractor()
    interactor.SetEventPosition(*places[0])
    interactor.MouseMoveEvent()
    interactor.LeftButtonPressEvent()
    for place in places:
        interactor.SetEventPosition(*place)
        interactor.MouseMoveEvent()
        slicer.app.processEvents()
    interactor.LeftButtonReleaseEvent()
    slicer.app.processEvents()
