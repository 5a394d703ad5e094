"""Thin stand-ins for what slicer-core does not have: Qt widgets, the parameter node wrapper, base classes.

They are honest about what they are not: an attribute or a signal that the real class does not have in both Qt 5 and
Qt 6 raises here, and nothing is drawn. MRML is real. What they cannot show is in the Slicer-run tests.
"""

import enum
import importlib.util
import json
import sys
import types
import typing
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

MODULE_FOLDER = Path(__file__).parents[2] / "SAM2VolumeSeg"
WIDGET = "enabled toolTip minimumSize maximumSize sizePolicy geometry palette autoFillBackground "
BUTTON = WIDGET + "text checked checkable "
NUMBER = WIDGET + "minimum maximum value singleStep decimals specialValueText "
PROPERTIES = {
    "QWidget": WIDGET,
    "qMRMLWidget": WIDGET,
    "QFrame": WIDGET,
    "QGroupBox": WIDGET + "title",
    "QScrollArea": WIDGET + "frameShape widgetResizable",
    "QLabel": WIDGET + "text wordWrap buddy",
    "QLineEdit": WIDGET + "text",
    "QPushButton": BUTTON,
    "QCheckBox": BUTTON,
    "QComboBox": WIDGET + "currentIndex minimumContentsLength sizeAdjustPolicy",
    "QSpinBox": NUMBER,
    "QDoubleSpinBox": NUMBER,
    "ctkSliderWidget": NUMBER,
    "QProgressBar": NUMBER + "textVisible",
    "QTableWidget": WIDGET + "fixedHeight columnCount tabKeyNavigation selectionMode selectionBehavior",
    "ctkCollapsibleButton": WIDGET + "text collapsed",
    "ctkPathLineEdit": WIDGET + "currentPath",
    "qMRMLNodeComboBox": WIDGET + "nodeTypes noneEnabled addEnabled removeEnabled node",
    "qMRMLSegmentEditorWidget": WIDGET,
}
# Signatures that exist in Qt 5 and in Qt 6 (and in CTK and Slicer of both).
SIGNALS = {
    "QPushButton": ["clicked(bool)"],
    "QCheckBox": ["toggled(bool)"],
    "QComboBox": ["currentIndexChanged(int)", "activated(int)"],
    "QShortcut": ["activated()"],
    "QLineEdit": ["editingFinished()"],
    "QSpinBox": ["valueChanged(int)"],
    "QDoubleSpinBox": ["valueChanged(double)"],
    "ctkSliderWidget": ["valueChanged(double)"],
    "ctkPathLineEdit": ["currentPathChanged(QString)"],
    "qMRMLNodeComboBox": ["currentNodeChanged(vtkMRMLNode*)"],
    "QTimer": ["timeout()"],
    "qMRMLPlotView": ["dataSelected(vtkStringArray*,vtkCollection*)"],
    "qSlicerSegmentEditorEffectFactory": ["effectRegistered(QString)"],
    "QTableWidget": [
        "cellClicked(int,int)",
        "currentCellChanged(int,int,int,int)",
        "itemChanged(QTableWidgetItem*)",
        "itemSelectionChanged()",
    ],
    "qMRMLSegmentEditorWidget": [
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)",
        "currentSegmentIDChanged(QString)",
    ],
}
# What a parameter node shows in a widget: the type, and the property that changes with the first signal of its kind.
SHOWS = {
    "QCheckBox": (bool, "checked"),
    "QSpinBox": (int, "value"),
    "QDoubleSpinBox": (float, "value"),
    "ctkSliderWidget": (float, "value"),
    "ctkPathLineEdit": (Path, "currentPath"),
    "QComboBox": (enum.Enum, "currentIndex"),
    "qMRMLNodeComboBox": ("node", "node"),  # stands for currentNode() and setCurrentNode()
}
DEFAULTS = {"enabled": True, "text": "", "checked": False, "value": 0, "currentIndex": -1, "currentPath": ""}


class Emitter:
    """connect, disconnect, and emit for tests."""

    def __init__(self, kind):
        vars(self).update(kind=kind, slots={}, blocked=False)  # Widget guards its attributes

    def connect(self, signal, slot):
        assert signal in SIGNALS.get(self.kind, ()), f"{self.kind} has no signal {signal} in both Qt 5 and Qt 6"
        self.slots.setdefault(signal, []).append(slot)

    def disconnect(self, signal, slot):
        self.slots[signal].remove(slot)

    def emit(self, signal, *values):
        assert signal in SIGNALS[self.kind]
        for slot in () if self.blocked else list(self.slots.get(signal, ())):
            slot(*values)


class Widget(Emitter):
    """A widget of class `kind` with that class's properties, their setters, and nothing else."""

    def __init__(self, kind, name="", **values):
        super().__init__(kind)
        vars(self).update(name=name, values=values, dynamic={}, visible=True)

    def __getattr__(self, name):
        properties = PROPERTIES[self.kind].split()
        setter = name[3:4].lower() + name[4:] if name.startswith("set") else ""
        if setter in properties:
            return lambda value: setattr(self, setter, value)
        if name not in properties:
            raise AttributeError(f"{self.kind} has no property {name}")
        return self.values.get(name, DEFAULTS.get(name))

    def __setattr__(self, name, value):
        if getattr(self, name) != value:
            self.values[name] = value
            if name in SHOWS.get(self.kind, ()):
                self.emit(SIGNALS[self.kind][0], value)

    def property(self, name):
        return self.dynamic.get(name)

    def setVisible(self, visible):
        vars(self).update(visible=visible)

    def inherits(self, kind):
        return kind == self.kind

    def layout(self):
        """Takes more widgets, which are drawn by no one here."""
        return SimpleNamespace(addWidget=lambda widget: None)

    def blockSignals(self, blocked):
        before = self.blocked
        vars(self).update(blocked=blocked)
        return before

    def click(self):
        """What a mouse or the space bar does; a disabled button does nothing."""
        if self.enabled and self.kind == "QCheckBox":
            self.checked = not self.checked
        elif self.enabled:
            if self.checkable:
                self.checked = not self.checked
            self.emit("clicked(bool)", bool(self.checked))


class ComboBox(Widget):
    @property
    def items(self):
        return self.values.setdefault("items", [])

    @property
    def currentText(self):
        return self.items[self.currentIndex][0]

    def clear(self):
        self.items.clear()
        self.values["currentIndex"] = -1

    def addItem(self, text, data=None):
        self.items.append((text, data))
        self.currentIndex = max(self.currentIndex, 0)

    def itemText(self, index):
        return self.items[index][0]

    def findData(self, data):
        return [item[1] for item in self.items].index(data)

    def itemData(self, index):
        return self.items[index][1]


class NodeComboBox(Widget):
    def setMRMLScene(self, scene):
        pass

    def currentNode(self):
        return self.node

    def setCurrentNode(self, node):
        self.node = node


class TableItem:
    def __init__(self, text=""):
        self.text, self.checkState = (lambda: text), (lambda: None)
        self.place, self.table = (-1, -1), None
        self.data, self.toolTip = {}, ""

    def setData(self, role, value):
        self.data[role] = value

    def setText(self, text):
        self.text = lambda: text

    def setToolTip(self, text):
        self.toolTip = text

    def setFlags(self, flags):
        pass

    def setCheckState(self, state):
        self.checkState = lambda: state
        if self.table is not None:
            self.table.emit("itemChanged(QTableWidgetItem*)", self)

    def row(self):
        return self.place[0]

    def column(self):
        return self.place[1]


class Table(Widget):
    def __init__(self, kind, name):
        super().__init__(kind, name, cells={}, rows=0, current=-1, titles={})

    rowCount = property(lambda self: self.values["rows"])

    def setRowCount(self, count):
        cells = self.values["cells"]
        self.values |= {"rows": count, "cells": {place: cells[place] for place in cells if place[0] < count}}
        if self.currentRow() >= count:
            self.setCurrentCell(count - 1, 0)

    def setItem(self, row, column, item):
        assert row < self.rowCount, "setItem beyond the last row does nothing in Qt"
        item.place, item.table = (row, column), self
        self.values["cells"][row, column] = item
        self.emit("itemChanged(QTableWidgetItem*)", item)  # as Qt does

    def item(self, row, column):
        return self.values["cells"].get((row, column))

    def currentRow(self):
        return self.values["current"]

    def setCurrentCell(self, row, column):
        before, self.values["current"] = self.currentRow(), row
        if row != before:
            self.emit("currentCellChanged(int,int,int,int)", row, column, before, column)
            self.emit("itemSelectionChanged()")

    def verticalHeader(self):
        keep = lambda pixels: self.values.update(rowHeight=pixels)  # noqa: E731
        ignore = lambda _value: None  # noqa: E731
        return SimpleNamespace(setVisible=ignore, setMinimumSectionSize=ignore, setDefaultSectionSize=keep)

    def clearSelection(self):
        pass

    def rowHeight(self, row):
        return self.values["rowHeight"]

    height = property(lambda self: self.fixedHeight)

    def horizontalHeader(self):
        resize = lambda column, mode: None  # noqa: E731
        return SimpleNamespace(setStretchLastSection=lambda stretch: None, setSectionResizeMode=resize)

    def horizontalHeaderItem(self, column):
        return self.values["titles"].setdefault(column, TableItem()) if column < self.columnCount else None

    def texts(self):
        """For tests: the cells as text, row by row."""
        return [[self.item(row, n).text() for n in range(self.columnCount)] for row in range(self.rowCount)]


class SegmentEditor(Widget):
    """Keeps its nodes in the real vtkMRMLSegmentEditorNode and its history in a real vtkSegmentationHistory."""

    def __init__(self, kind="qMRMLSegmentEditorWidget", name="editor"):
        super().__init__(kind, name, node=None, scene=None, history=None, effects=0, states=10)

    def setMaximumNumberOfUndoStates(self, count):
        self.values["states"] = count

    def setMRMLSegmentEditorNode(self, node):
        self.values["node"] = node

    def mrmlSegmentEditorNode(self):
        return self.values["node"]

    def setMRMLScene(self, scene):
        assert self.values["node"] is not None, "set the editor node before the scene"
        self.values["scene"] = scene

    def segmentationNode(self):
        return self.values["node"] and self.values["node"].GetSegmentationNode()

    def sourceVolumeNode(self):
        return self.values["node"] and self.values["node"].GetSourceVolumeNode()

    def setSegmentationNode(self, node):
        if node is self.segmentationNode():
            return
        self.values["node"].SetAndObserveSegmentationNode(node)
        self.values["history"] = None if node is None else self.newHistory(node)
        if node is not None:  # as the real one: the volume that the segmentation was made for, also when that is none
            self.setSourceVolumeNode(node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()))
        self.emit("segmentationNodeChanged(vtkMRMLSegmentationNode*)", node)

    def newHistory(self, node):
        import slicer

        history = slicer.vtkSegmentationHistory()
        history.SetSegmentation(node.GetSegmentation())
        history.SetMaximumNumberOfStates(self.values["states"])
        return history

    def setSourceVolumeNode(self, node):
        # As the real one: ignored until a segmentation is chosen.
        if self.segmentationNode() is not None and node is not self.sourceVolumeNode():
            self.values["node"].SetAndObserveSourceVolumeNode(node)
            self.emit("sourceVolumeNodeChanged(vtkMRMLVolumeNode*)", node)

    def currentSegmentID(self):
        return (self.values["node"] and self.values["node"].GetSelectedSegmentID()) or ""

    def setCurrentSegmentID(self, segment_id):
        self.values["node"].SetSelectedSegmentID(segment_id)  # the signal is sent for a click into the table only

    def saveStateForUndo(self):
        self.values["history"].SaveState()

    def undo(self):
        self.values["history"].RestorePreviousState()

    def redo(self):
        self.values["history"].RestoreNextState()

    def undoPossible(self):
        """For tests."""
        return bool(self.values["history"].IsRestorePreviousStateAvailable())

    def setupViewObservations(self):
        self.values["views"] = True

    def removeViewObservations(self):
        self.values["views"] = False

    def updateEffectList(self):
        self.values["effects"] += 1

    def nothing(self, *arguments):
        """What only matters with windows."""

    setActiveEffect = updateWidgetFromMRML = nothing

    def setActiveEffectByName(self, name):
        self.values["effect"] = name

    def installKeyboardShortcuts(self):
        self.values["keys"] = True

    def uninstallKeyboardShortcuts(self):
        self.values["keys"] = False


class ScrollArea(Widget):
    """Remembers where it was scrolled to."""

    def verticalScrollBar(self):
        return SimpleNamespace(setValue=lambda value: self.values.update(scrolled=value))

    def ensureWidgetVisible(self, widget):
        self.values["scrolled"] = widget.name


class Shortcut(Emitter):
    """A key of a widget; `made` has those that exist."""

    made: typing.ClassVar[list] = []

    def __init__(self, sequence, parent):
        super().__init__("QShortcut")
        vars(self).update(sequence=sequence, parent=parent, context=None, enabled=True)
        Shortcut.made.append(self)

    def setContext(self, context):
        vars(self).update(context=context)

    def setEnabled(self, enabled):
        vars(self).update(enabled=enabled)

    def deleteLater(self):
        Shortcut.made.remove(self)

    @staticmethod
    def press(sequence):
        """For tests: press a key in the panel. Two shortcuts of one widget with the same key are both silent in Qt."""
        active = [shortcut for shortcut in Shortcut.made if shortcut.sequence == sequence and shortcut.enabled]
        assert len(active) <= 1, f"{sequence} is ambiguous"
        for shortcut in active:
            shortcut.emit("activated()")


KINDS = {
    "QScrollArea": ScrollArea,
    "QComboBox": ComboBox,
    "QTableWidget": Table,
    "qMRMLNodeComboBox": NodeComboBox,
    "qMRMLSegmentEditorWidget": SegmentEditor,
}


def load_ui(path=MODULE_FOLDER / "Resources" / "UI" / "SAM2VolumeSeg.ui"):
    """Build the widgets of a .ui file."""
    root = ET.parse(path).getroot()
    convert = {"bool": lambda text: text == "true", "number": int, "double": float}
    widgets = {}
    for element in root.iter("widget"):
        kind, name = element.get("class"), element.get("name")
        widget = widgets[name] = KINDS.get(kind, Widget)(kind, name)
        for item in element.findall("property"):
            value = convert.get(item[0].tag, str)(item[0].text or "")
            if item.get("stdset") == "0":
                widget.dynamic[item.get("name")] = value
            elif item.get("name") != "orientation":
                setattr(widget, item.get("name"), value)
    receivers = [c.findtext("receiver") for c in root.iter("connection") if "mrmlSceneChanged" in c.findtext("signal")]

    def set_scene(scene):
        for name in receivers:
            widgets[name].setMRMLScene(scene)

    return SimpleNamespace(widgets=widgets, setMRMLScene=set_scene)


class Timer(Emitter):
    """A single-shot QTimer: fires in `process_events`, which tests call."""

    waiting: typing.ClassVar[list] = []

    def __init__(self):
        super().__init__("QTimer")

    def setSingleShot(self, single):
        assert single

    def setInterval(self, milliseconds):
        assert milliseconds >= 0

    def start(self):
        if self not in Timer.waiting:
            Timer.waiting.append(self)

    def stop(self):
        if self in Timer.waiting:
            Timer.waiting.remove(self)

    @staticmethod
    def singleShot(milliseconds, slot):
        timer = Timer()
        timer.connect("timeout()", slot)
        timer.start()


def process_events(rounds=1):
    """Let timers fire, `rounds` times."""
    for _round in range(rounds):
        fired, Timer.waiting[:] = list(Timer.waiting), []
        for timer in fired:
            timer.emit("timeout()")


class Palette(dict):
    """Colours by role."""

    Window, WindowText = "Window", "WindowText"
    setColor = dict.__setitem__


class Pixmap:
    """A picture: the rectangles that were drawn on it."""

    def __init__(self, width, height):
        self.size, self.rectangles = (width, height), []

    def fill(self, colour):
        self.rectangles = [(0, 0, *self.size, colour)]


class Painter:
    """Draws on a picture, until it is told that it is done."""

    def __init__(self, pixmap):
        self.pixmap = pixmap

    def fillRect(self, x, y, width, height, colour):
        assert all(isinstance(value, int) for value in (x, y, width, height))
        self.pixmap.rectangles.append((x, y, width, height, colour))

    def end(self):
        self.pixmap = None


def effect_factory():
    """qSlicerSegmentEditorEffectFactory, of which there is one."""
    factory = Emitter("qSlicerSegmentEditorEffectFactory")
    factory.instance = lambda: factory
    return factory


def qt_module():
    """The module `qt`, as far as it is used."""
    flags = SimpleNamespace(Checked=2, Unchecked=0, ItemIsEnabled=32, ItemIsSelectable=1, ItemIsUserCheckable=16)
    flags.WidgetShortcut, flags.WidgetWithChildrenShortcut, flags.DecorationRole = 0, 3, 1
    return module(
        "qt",
        Qt=flags,
        QTimer=Timer,
        QTableWidgetItem=TableItem,
        QComboBox=lambda: ComboBox("QComboBox"),
        QPushButton=lambda text: Widget("QPushButton", text=text),
        QPalette=Palette,
        QPixmap=Pixmap,
        QFileDialog=SimpleNamespace(getExistingDirectory=lambda parent, title, folder: ""),
        QPainter=Painter,
        QColor=lambda name: name,
        QHeaderView=SimpleNamespace(ResizeToContents=3),
        QKeySequence=lambda text: text,
        QShortcut=Shortcut,
        QLabel=lambda: Widget("QLabel"),
        QIcon=lambda path: Path(path).read_bytes(),
    )


# ------------------------------------------------------------------------------------ slicer.parameterNodeWrapper


class WithinRange:
    def __init__(self, *values):
        self.values = values


class Parameter:
    """A typed, validated attribute that is kept in the wrapper's `parameterNode`, and can be shown in a widget."""

    def __init__(self, name, hint, default):
        self.name, self.default = name, default
        self.type, *more = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        self.range = next((item.values for item in more if isinstance(item, WithinRange)), None)
        is_enum = isinstance(self.type, type) and issubclass(self.type, enum.Enum)
        is_node = getattr(self.type, "__name__", "").startswith("vtkMRML")
        self.kind = enum.Enum if is_enum else "node" if is_node else self.type

    def __get__(self, owner, _class=None):
        if self.kind == "node":
            return owner.parameterNode.GetNodeReference(self.name)
        text = owner.parameterNode.GetParameter(self.name)
        if not text:
            return self.default
        return self.type[text] if self.kind is enum.Enum else Path(text) if self.kind is Path else json.loads(text)

    def __set__(self, owner, value):
        if self.kind == "node":
            assert value is None or value.IsA(self.type.__name__), f"{self.name}: {value.GetClassName()}"
            owner.parameterNode.SetNodeReferenceID(self.name, value and value.GetID())
            return
        wanted = (int, float) if self.type is float else typing.get_origin(self.type) or self.type
        if not isinstance(value, wanted) or (isinstance(value, bool) and self.kind is not bool):
            raise TypeError(f"{self.name}: {value!r} is no {self.type}")
        if self.range and not self.range[0] <= value <= self.range[1]:
            raise ValueError(f"{self.name}: {value} is not within {self.range}")
        text = value.name if self.kind is enum.Enum else str(value) if self.kind is Path else json.dumps(value)
        owner.parameterNode.SetParameter(self.name, text)

    def prepare(self, widget):
        kind, _property = SHOWS[widget.kind]
        assert kind == self.kind, f"a {widget.kind} cannot show {self.name}"
        if self.kind is enum.Enum:
            widget.clear()
            for member in self.type:
                widget.addItem(member.label())
        if self.range:
            widget.minimum, widget.maximum = self.range

    def show(self, widget, value):
        value = list(self.type).index(value) if self.kind is enum.Enum else value
        setattr(widget, SHOWS[widget.kind][1], str(value) if self.kind is Path else value)

    def shown(self, widget):
        value = getattr(widget, SHOWS[widget.kind][1])
        return list(self.type)[value] if self.kind is enum.Enum else Path(value) if self.kind is Path else value


class Wrapper:
    """What the decorator adds to a class beside its parameters."""

    def __init__(self, node):
        self.parameterNode, self._connected = node, {}

    def connectParametersToGui(self, widgets):
        updating = []

        def to_gui(caller=None, event=None):
            if not updating:
                updating.append(True)
                for name, widget in widgets.items():
                    self.parameters[name].show(widget, getattr(self, name))
                updating.clear()

        def to_node(name):
            return lambda *_values: updating or setattr(self, name, self.parameters[name].shown(widgets[name]))

        for name, widget in widgets.items():
            self.parameters[name].prepare(widget)
        to_gui()
        tag = self.parameterNode.AddObserver("ModifiedEvent", to_gui)
        self._connected[tag] = [(widget, SIGNALS[widget.kind][0], to_node(name)) for name, widget in widgets.items()]
        for widget, signal, slot in self._connected[tag]:
            widget.connect(signal, slot)
        return tag

    def disconnectGui(self, tag):
        for widget, signal, slot in self._connected.pop(tag, ()):
            widget.disconnect(signal, slot)
        self.parameterNode.RemoveObserver(tag)

    def __getattr__(self, name):
        if name in ("StartModify", "EndModify", "AddObserver", "RemoveObserver"):
            return getattr(self.parameterNode, name)
        raise AttributeError(name)


def parameter_node_wrapper(cls):
    """The class decorator: parameters on a real vtkMRMLScriptedModuleNode, and binding them to widgets."""
    hints = typing.get_type_hints(cls, include_extras=True)
    empty = {Path: Path()}
    parameters = {name: Parameter(name, hint, getattr(cls, name, empty.get(hint, []))) for name, hint in hints.items()}
    return type(cls.__name__, (Wrapper,), {"hints": hints, "parameters": parameters, **parameters})


# ---------------------------------------------------------------------------------- slicer.ScriptedLoadableModule


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        self.parent = parent
        self.layout = SimpleNamespace(addWidget=lambda widget: None)

    def setup(self):
        pass

    def resourcePath(self, name):
        return str(MODULE_FOLDER / "Resources" / name)

    def onReload(self):
        pass


class ScriptedLoadableModuleLogic:
    moduleName = "SAM2VolumeSeg"

    def getParameterNode(self):
        import slicer

        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node = scene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    pass


# ------------------------------------------------------------------------------------------------------- all together


def module(name, **members):
    """A module object with these members."""
    made = types.ModuleType(name)
    vars(made).update(members)
    return made


def modules():
    """What Slicer's Python can import beside MRML and slicer.util, by name."""
    bases = {name: value for name, value in globals().items() if name.startswith("ScriptedLoadableModule")}
    wrapper = {"parameterNodeWrapper": parameter_node_wrapper, "WithinRange": WithinRange}
    words = {"tr": lambda text: text, "translate": lambda context, text: text}
    return {
        "qt": qt_module(),
        "slicer.i18n": module("slicer.i18n", **words),
        "slicer.parameterNodeWrapper": module("slicer.parameterNodeWrapper", **wrapper),
        "slicer.ScriptedLoadableModule": module("slicer.ScriptedLoadableModule", **bases),
    }


def load(name, path):
    """A Python file as a module of that name, as Slicer's factory loads it."""
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made
