"""Thin stand-ins for what slicer-core does not have: Qt widgets, the parameter node wrapper, base classes.

They are honest about what they are not: an attribute, a method or a signal that the real class does not have in both
Qt 5 and Qt 6 raises here, and nothing is drawn. MRML is real. What they cannot show is in the Slicer-run tests.
"""

import enum
import importlib.util
import json
import sys
import types
import typing
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

WIDGET = {"enabled", "toolTip", "minimumSize", "sizePolicy", "geometry"}
BUTTON = WIDGET | {"text", "checked", "checkable"}
NUMBER = WIDGET | {"minimum", "maximum", "value", "singleStep", "decimals"}
PROPERTIES = {
    "QWidget": WIDGET,
    "qMRMLWidget": WIDGET,
    "QLabel": WIDGET | {"text", "wordWrap", "buddy"},
    "QPushButton": BUTTON,
    "QCheckBox": BUTTON,
    "QComboBox": WIDGET | {"currentIndex"},
    "QSpinBox": NUMBER - {"decimals"},
    "QDoubleSpinBox": NUMBER,
    "ctkSliderWidget": NUMBER,
    "QProgressBar": NUMBER - {"decimals", "singleStep"},
    "QTableWidget": WIDGET | {"columnCount", "tabKeyNavigation", "selectionMode", "selectionBehavior"},
    "ctkCollapsibleButton": WIDGET | {"text", "collapsed"},
    "ctkPathLineEdit": WIDGET | {"currentPath"},
    "qMRMLNodeComboBox": WIDGET | {"nodeTypes", "noneEnabled", "addEnabled", "removeEnabled"},
    "qMRMLSegmentEditorWidget": WIDGET,
}
# Signatures that exist in Qt 5 and in Qt 6 (and in CTK and Slicer of both).
SIGNALS = {
    "QPushButton": {"clicked(bool)", "toggled(bool)"},
    "QCheckBox": {"toggled(bool)", "stateChanged(int)"},
    "QComboBox": {"currentIndexChanged(int)"},
    "QSpinBox": {"valueChanged(int)"},
    "QDoubleSpinBox": {"valueChanged(double)"},
    "ctkSliderWidget": {"valueChanged(double)"},
    "ctkPathLineEdit": {"currentPathChanged(QString)"},
    "qMRMLNodeComboBox": {"currentNodeChanged(vtkMRMLNode*)"},
    "QTimer": {"timeout()"},
    "QTableWidget": {
        "cellClicked(int,int)",
        "currentCellChanged(int,int,int,int)",
        "itemChanged(QTableWidgetItem*)",
        "itemSelectionChanged()",
    },
    "qMRMLSegmentEditorWidget": {
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)",
        "currentSegmentIDChanged(QString)",
    },
}
DEFAULTS = {"enabled": True, "text": "", "checked": False, "value": 0, "currentIndex": -1, "currentPath": ""}


class Emitter:
    """connect, disconnect, and emit for tests."""

    kind = "QObject"

    def __init__(self):
        object.__setattr__(self, "slots", {})  # Widget guards its attributes

    def connect(self, signal, slot):
        assert signal in SIGNALS.get(self.kind, ()), f"{self.kind} has no signal {signal} in both Qt 5 and Qt 6"
        self.slots.setdefault(signal, []).append(slot)

    def emit(self, signal, *values):
        assert signal in SIGNALS.get(self.kind, ()), f"{self.kind} has no signal {signal} in both Qt 5 and Qt 6"
        for slot in list(self.slots.get(signal, [])):
            slot(*values)


class Widget(Emitter):
    """A widget of class `kind` with that class's properties and nothing else."""

    CHANGED = {  # property that changes: signal
        "checked": "toggled(bool)",
        "currentIndex": "currentIndexChanged(int)",
        "currentPath": "currentPathChanged(QString)",
    }

    def __init__(self, kind, name):
        super().__init__()
        set_ = object.__setattr__
        set_(self, "kind", kind)
        set_(self, "name", name)
        set_(self, "values", {})
        set_(self, "dynamic", {})
        set_(self, "visible", True)

    def __getattr__(self, name):
        if name not in PROPERTIES[self.kind]:
            raise AttributeError(f"{self.kind} has no property {name}")
        return self.values.get(name, DEFAULTS.get(name))

    def __setattr__(self, name, value):
        if name not in PROPERTIES[self.kind]:
            raise AttributeError(f"{self.kind} has no property {name}")
        changed = self.values.get(name, DEFAULTS.get(name)) != value
        self.values[name] = value
        signal = self.CHANGED.get(name)
        if name == "value" and self.kind in SIGNALS:
            signal = next(iter(SIGNALS[self.kind]))
        if changed and signal in SIGNALS.get(self.kind, ()):
            self.emit(signal, value)

    def property(self, name):
        return self.dynamic.get(name)

    def setVisible(self, visible):
        object.__setattr__(self, "visible", visible)

    def click(self):
        """What a mouse or the space bar does; a disabled button does nothing."""
        if self.enabled:
            if self.kind == "QCheckBox":
                self.checked = not self.checked
            else:
                self.emit("clicked(bool)", False)


class ComboBox(Widget):
    @property
    def currentText(self):
        return self.values["items"][self.currentIndex]

    def clear(self):
        self.values["items"] = []
        self.values["currentIndex"] = -1

    def addItem(self, text):
        self.values.setdefault("items", []).append(text)
        self.currentIndex = max(self.currentIndex, 0)


class NodeComboBox(Widget):
    def setMRMLScene(self, scene):
        self.values["scene"] = scene

    def currentNode(self):
        return self.values.get("node")

    def setCurrentNode(self, node):
        if node is not self.currentNode():
            self.values["node"] = node
            self.emit("currentNodeChanged(vtkMRMLNode*)", node)


class TableItem:
    def __init__(self, text=""):
        self._text, self._flags, self._state, self._place, self._table = text, None, None, (-1, -1), None

    def text(self):
        return self._text

    def setFlags(self, flags):
        self._flags = flags

    def checkState(self):
        return self._state

    def setCheckState(self, state):
        self._state = state
        if self._table is not None:
            self._table.emit("itemChanged(QTableWidgetItem*)", self)

    def row(self):
        return self._place[0]

    def column(self):
        return self._place[1]


class Table(Widget):
    def setRowCount(self, count):
        cells = self.values.setdefault("cells", {})
        self.values["cells"] = {place: item for place, item in cells.items() if place[0] < count}
        self.values["rows"] = count
        if self.currentRow() >= count:
            self.setCurrentCell(count - 1, 0)

    def setItem(self, row, column, item):
        assert row < self.values["rows"], "setItem beyond the last row does nothing in Qt"
        item._place, item._table = (row, column), self
        self.values["cells"][row, column] = item
        self.emit("itemChanged(QTableWidgetItem*)", item)  # as Qt does

    def item(self, row, column):
        return self.values["cells"].get((row, column))

    @property
    def rowCount(self):
        return self.values.get("rows", 0)

    def currentRow(self):
        return self.values.get("current", -1)

    def setCurrentCell(self, row, column):
        before = self.currentRow()
        self.values["current"] = row
        if row != before:
            self.emit("currentCellChanged(int,int,int,int)", row, column, before, column)
            self.emit("itemSelectionChanged()")

    def resizeColumnsToContents(self):
        pass

    def verticalHeader(self):
        return SimpleNamespace(setVisible=lambda visible: None)

    def horizontalHeader(self):
        return SimpleNamespace(setStretchLastSection=lambda stretch: None)

    def texts(self):
        """For tests: the cells as text, row by row."""
        count = self.columnCount
        return [[self.item(row, column).text() for column in range(count)] for row in range(self.values.get("rows", 0))]


class SegmentEditor(Widget):
    """Keeps its nodes in the real vtkMRMLSegmentEditorNode and its history in a real vtkSegmentationHistory."""

    def setMaximumNumberOfUndoStates(self, count):
        self.values["states"] = count

    def setMRMLSegmentEditorNode(self, node):
        assert self.values.get("scene") is None or self.values.get("node") is None or node is not None
        self.values["node"] = node

    def mrmlSegmentEditorNode(self):
        return self.values.get("node")

    def setMRMLScene(self, scene):
        assert self.values.get("node") is not None, "set the editor node before the scene"
        self.values["scene"] = scene

    def segmentationNode(self):
        node = self.values.get("node")
        return node.GetSegmentationNode() if node else None

    def sourceVolumeNode(self):
        node = self.values.get("node")
        return node.GetSourceVolumeNode() if node else None

    def setSegmentationNode(self, node):
        import slicer

        if node is self.segmentationNode():
            return
        self.values["node"].SetAndObserveSegmentationNode(node)
        history = None
        if node is not None:
            history = slicer.vtkSegmentationHistory()
            history.SetSegmentation(node.GetSegmentation())
            history.SetMaximumNumberOfStates(self.values["states"])
        self.values["history"] = history
        self.emit("segmentationNodeChanged(vtkMRMLSegmentationNode*)", node)

    def setSourceVolumeNode(self, node):
        if self.segmentationNode() is None:
            return  # as the real one: ignored until a segmentation is chosen
        self.values["node"].SetAndObserveSourceVolumeNode(node)
        self.emit("sourceVolumeNodeChanged(vtkMRMLVolumeNode*)", node)

    def currentSegmentID(self):
        node = self.values.get("node")
        return (node.GetSelectedSegmentID() or "") if node else ""

    def setCurrentSegmentID(self, segment_id):
        self.values["node"].SetSelectedSegmentID(segment_id)
        self.emit("currentSegmentIDChanged(QString)", segment_id)

    def saveStateForUndo(self):
        self.values["history"].SaveState()

    def undo(self):
        self.values["history"].RestorePreviousState()

    def redo(self):
        self.values["history"].RestoreNextState()

    def undoPossible(self):
        """For tests."""
        return bool(self.values["history"].IsRestorePreviousStateAvailable())

    def setActiveEffect(self, effect):
        assert effect is None

    def nothing(self, *arguments):
        """What only matters with windows."""

    setupViewObservations = removeViewObservations = updateWidgetFromMRML = nothing
    installKeyboardShortcuts = uninstallKeyboardShortcuts = nothing


KINDS = {
    "QComboBox": ComboBox,
    "QTableWidget": Table,
    "qMRMLNodeComboBox": NodeComboBox,
    "qMRMLSegmentEditorWidget": SegmentEditor,
}


def load_ui(path):
    """Build the widgets of a .ui file."""
    root = ET.parse(path).getroot()
    widgets = {}
    for element in root.iter("widget"):
        kind = element.get("class")
        widget = KINDS.get(kind, Widget)(kind, element.get("name"))
        for item in element.findall("property"):
            value = _value(item[0])
            if item.get("stdset") == "0":
                widget.dynamic[item.get("name")] = value
            elif item.get("name") != "orientation":
                setattr(widget, item.get("name"), value)
        widgets[widget.name] = widget
    receivers = [c.findtext("receiver") for c in root.iter("connection") if "mrmlSceneChanged" in c.findtext("signal")]

    def set_scene(scene):
        for name in receivers:
            widgets[name].setMRMLScene(scene)

    return SimpleNamespace(widgets=widgets, setMRMLScene=set_scene)


def _value(element):
    text = element.text or ""
    convert = {"bool": lambda t: t == "true", "number": int, "double": float}.get(element.tag, str)
    return convert(text)


class Timer(Emitter):
    """QTimer; singleShot waits in `queue` until `process_events`, which tests call, runs it."""

    kind = "QTimer"
    queue: typing.ClassVar[list] = []
    active: typing.ClassVar[list] = []

    def setSingleShot(self, single):
        assert single

    def setInterval(self, milliseconds):
        assert milliseconds >= 0

    def start(self):
        if self not in Timer.active:
            Timer.active.append(self)

    def stop(self):
        if self in Timer.active:
            Timer.active.remove(self)

    @staticmethod
    def singleShot(milliseconds, slot):
        Timer.queue.append(slot)


def process_events(rounds=1):
    """Let timers fire, `rounds` times."""
    for _round in range(rounds):
        fired, Timer.active[:] = list(Timer.active), []
        for timer in fired:
            timer.emit("timeout()")
        waiting, Timer.queue[:] = list(Timer.queue), []
        for slot in waiting:
            slot()


def qt_module():
    """The module `qt`, as far as the module uses it."""
    qt = types.ModuleType("qt")
    qt.QTimer, qt.QTableWidgetItem = Timer, TableItem
    qt.Qt = SimpleNamespace(
        Checked=2, Unchecked=0, ItemIsEnabled=32, ItemIsSelectable=1, ItemIsUserCheckable=16, WaitCursor=3
    )
    return qt


# ------------------------------------------------------------------------------------ slicer.parameterNodeWrapper


class WithinRange:
    def __init__(self, *values):
        self.values = values


WIDGETS_OF = {
    bool: {"QCheckBox"},
    int: {"QSpinBox"},
    float: {"QDoubleSpinBox", "ctkSliderWidget"},
    Path: {"ctkPathLineEdit"},
    enum.Enum: {"QComboBox"},
    "node": {"qMRMLNodeComboBox"},
}


def base_type(hint):
    """The type of a parameter without annotations."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def kind_of(hint):
    """The key of WIDGETS_OF."""
    hint = base_type(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return enum.Enum
    return "node" if getattr(hint, "__name__", "").startswith("vtkMRML") else hint


def parameter_node_wrapper(cls):
    """The class decorator: typed, validated properties on a real vtkMRMLScriptedModuleNode, and binding to widgets."""
    hints = typing.get_type_hints(cls, include_extras=True)
    defaults = {name: getattr(cls, name) for name in hints if hasattr(cls, name)}
    cls.hints = hints

    def make(name, hint):
        return property(lambda self: self.read(name, hint), lambda self, value: self.write(name, hint, value))

    for name, hint in hints.items():
        setattr(cls, name, make(name, hint))

    def init(self, node):
        self.parameterNode, self.bound, self.tags = node, [], {}

    def read(self, name, hint):
        kind, text = kind_of(hint), self.parameterNode.GetParameter(name)
        if kind == "node":
            return self.parameterNode.GetNodeReference(name)
        if not text:
            return defaults.get(name, Path() if kind is Path else [])
        if kind is enum.Enum:
            return base_type(hint)[text]
        return Path(text) if kind is Path else json.loads(text)

    def write(self, name, hint, value):
        kind = kind_of(hint)
        if kind == "node":
            if value is not None and not value.IsA(base_type(hint).__name__):
                raise TypeError(f"{name}: {value.GetClassName()}")
            self.parameterNode.SetNodeReferenceID(name, value.GetID() if value else None)
            return
        _check(name, hint, kind, value)
        text = value.name if kind is enum.Enum else str(value) if kind is Path else json.dumps(value)
        self.parameterNode.SetParameter(name, text)

    def connect(self, widgets):
        pairs = list(widgets.items())
        for name, widget in pairs:
            if name not in hints:
                raise ValueError(f"Cannot find a param with the given name: {name}")
            assert widget.kind in WIDGETS_OF[kind_of(hints[name])], (name, widget.kind)
            _prepare(widget, hints[name])
        return _bind(self, pairs)

    def _bind(self, pairs):
        state = {"updating": False}

        def to_gui(caller=None, event=None):
            if not state["updating"]:
                state["updating"] = True
                try:
                    for name, widget in pairs:
                        _show(widget, getattr(self, name), hints[name])
                finally:
                    state["updating"] = False

        def to_node(name, widget):
            def changed(*values):
                if not state["updating"]:
                    setattr(self, name, _shown(widget, hints[name]))

            return changed

        to_gui()
        connected = []
        for name, widget in pairs:
            signal = "toggled(bool)" if widget.kind == "QCheckBox" else next(iter(SIGNALS[widget.kind]))
            slot = to_node(name, widget)
            widget.connect(signal, slot)
            connected.append((widget, signal, slot))
        tag = self.parameterNode.AddObserver("ModifiedEvent", to_gui)
        self.tags[tag] = connected
        return tag

    def disconnect(self, tag):
        for widget, signal, slot in self.tags.pop(tag, []):
            widget.slots[signal].remove(slot)
        self.parameterNode.RemoveObserver(tag)

    cls.__init__, cls.read, cls.write = init, read, write
    cls.connectParametersToGui, cls.disconnectGui = connect, disconnect  # connectGui gives no tag in Slicer 5.10
    cls.StartModify = lambda self: self.parameterNode.StartModify()
    cls.EndModify = lambda self, was: self.parameterNode.EndModify(was)
    cls.AddObserver = lambda self, event, slot, priority=0.0: self.parameterNode.AddObserver(event, slot, priority)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    return cls


def _check(name, hint, kind, value):
    base = base_type(hint)
    wanted = (int, float) if base is float else typing.get_origin(base) or base
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name}: {value!r} is no {hint}")
    for annotation in getattr(hint, "__metadata__", ()):
        if isinstance(annotation, WithinRange) and not annotation.values[0] <= value <= annotation.values[1]:
            raise ValueError(f"{name}: {value} is not within {annotation.values}")


def _prepare(widget, hint):
    if widget.kind == "QComboBox":
        widget.clear()
        for member in base_type(hint):
            widget.addItem(member.label())
    for annotation in getattr(hint, "__metadata__", ()):
        if isinstance(annotation, WithinRange):
            widget.minimum, widget.maximum = annotation.values


def _show(widget, value, hint):
    if widget.kind == "QComboBox":
        widget.currentIndex = list(base_type(hint)).index(value)
    elif widget.kind == "qMRMLNodeComboBox":
        widget.setCurrentNode(value)
    elif widget.kind == "ctkPathLineEdit":
        widget.currentPath = str(value)
    elif widget.kind == "QCheckBox":
        widget.checked = value
    else:
        widget.value = value


def _shown(widget, hint):
    if widget.kind == "QComboBox":
        return list(base_type(hint))[widget.currentIndex]
    if widget.kind == "qMRMLNodeComboBox":
        return widget.currentNode()
    if widget.kind == "ctkPathLineEdit":
        return Path(widget.currentPath)
    return widget.checked if widget.kind == "QCheckBox" else widget.value


# ---------------------------------------------------------------------------------- slicer.ScriptedLoadableModule


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    resources = Path(__file__).parents[2] / "SAM2VolumeSeg" / "Resources"

    def __init__(self, parent=None):
        self.parent = parent
        self.layout = SimpleNamespace(addWidget=lambda widget: None)

    def setup(self):
        pass

    def resourcePath(self, name):
        return str(self.resources / name)

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


def module(name, **members):
    """A module object with these members."""
    made = types.ModuleType(name)
    vars(made).update(members)
    return made


def load(name, path):
    """A Python file as a module of that name, as Slicer's factory loads it."""
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made
