"""Static checks of the .ui file against the module's Python: what would only show as an error in Slicer's console."""

import ast
import enum
import re
import typing
import xml.etree.ElementTree as ET
from itertools import chain

import pytest

from SAM2VolumeSegLib.panel import choices
from SAM2VolumeSegLib.propagation.choices import CHOICES

MODULE_FOLDER_NAME = "SAM2VolumeSeg"
QT5_AND_6 = re.compile(r"^\w+\((?:[\w:*, ]*)\)$")
GONE_IN_QT6 = {"currentIndexChanged(QString)", "buttonClicked(int)", "activated(QString)", "highlighted(QString)"}


@pytest.fixture
def a_ui(request):
    return ET.parse(request.config.rootpath / MODULE_FOLDER_NAME / "Resources" / "UI" / "SAM2VolumeSeg.ui").getroot()


@pytest.fixture
def sources(request):
    folder = request.config.rootpath / MODULE_FOLDER_NAME
    files = [folder / "SAM2VolumeSeg.py", *sorted((folder / "SAM2VolumeSegPanel").glob("*.py"))]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def widgets(root):
    return {element.get("name"): element for element in root.iter("widget")}


def bound(root):
    """Widget element by parameter name."""
    found = {}
    for element in root.iter("widget"):
        for item in element.findall("property[@name='SlicerParameterName']"):
            assert item.get("stdset") == "0", "SlicerParameterName must be a dynamic property"
            name = item.findtext("string")
            assert name not in found, f"two widgets are bound to {name}: the last one wins"
            found[name] = element
    return found


def test_every_bound_widget_has_a_parameter_of_a_type_it_can_show(a_ui, a_module, stand_in):
    parameters = a_module.SAM2VolumeSegLogic().getParameterNode().parameters
    for name, element in bound(a_ui).items():
        assert name in parameters, f"{name} is not in the parameter node class"
        kind, _property = stand_in.SHOWS[element.get("class")]
        assert kind == parameters[name].kind


def test_every_choice_is_in_the_panel(a_ui, a_module):
    """A choice without a widget could only be changed by a script."""
    by_handlers = {"volume", "segmentation", "absent", "skipped", "marksVolume", "marksSegmentation"}
    by_handlers |= {"suspectsSeen", "suspectsDone"}
    hints = a_module.SAM2VolumeSegLogic().getParameterNode().hints
    assert set(hints) == set(bound(a_ui)) | by_handlers


def test_the_parameter_node_has_the_choices_of_the_library_with_their_defaults(a_module):
    p, plain = a_module.SAM2VolumeSegLogic().getParameterNode(), choices.Choices()
    for name in vars(plain):
        if name != "model":  # the best one that is on this computer
            assert getattr(p, name) == getattr(plain, name), name


def text(element, name):
    return element.findtext(f"property[@name='{name}']/*") or ""


def label_of(root, element):
    """What stands beside a widget."""
    return next(text(item, "text") for item in root.iter("widget") if text(item, "buddy") == element.get("name"))


SHOWN = [(choices.name_of(choice.field), choice) for choice in CHOICES if choice.field != "planes"]


@pytest.mark.parametrize(("name", "choice"), SHOWN, ids=[name for name, _ in SHOWN])
def test_a_choice_has_the_words_and_the_range_of_the_table(a_ui, name, choice):
    """The .ui file repeats them, because Qt translates what stands there."""
    element = bound(a_ui)[name]
    assert label_of(a_ui, element) in (f"{choice.label}:", f"{choice.label} ({choice.unit}):")
    assert text(element, "toolTip").startswith(choice.help)
    if element.get("class") == "QCheckBox":
        assert text(element, "text") == choice.values[True]
    if element.get("class") in ("QSpinBox", "QDoubleSpinBox", "ctkSliderWidget"):
        lowest = float(text(element, "minimum") or 0)
        assert (lowest, float(text(element, "maximum"))) == choice.limits
        assert float(text(element, "value") or lowest) == choice.default


def test_what_is_beside_the_range_of_a_choice_has_its_words_too(a_ui):
    """The axes, the limits in HU, and the switch for every painted slice are widgets of their own."""
    ours = {choice.field: choice for choice in CHOICES}
    elements = bound(a_ui)
    for plane, label in ours["planes"].values.items():
        assert plane is None or text(elements[plane.value], "text") == label
    for name in ("windowLower", "windowUpper", "rangeLower", "rangeUpper"):
        limits = tuple(float(text(elements[name], end)) for end in ("minimum", "maximum"))
        assert limits == ours["window"].limits
    assert text(elements["keepAllSeeds"], "text") == ours["memory.radius"].values[None]


def test_the_effect_calls_its_choices_as_the_panel_does(a_ui, request):
    effect = request.config.rootpath / MODULE_FOLDER_NAME / "SegmentEditorSAM2PropagateLib" / "SegmentEditorEffect.py"
    boxes = re.findall(r'addBox\("(\w+)", _\("(.+?)"\)', effect.read_text(encoding="utf-8"))
    assert len(boxes) > 2
    for name, label in boxes:
        assert label == label_of(a_ui, bound(a_ui)[name])


def test_parameters_have_no_reserved_names_and_sliders_have_ranges(a_ui, a_module, stand_in):
    reserved = {"default", "isCached", "dataType", "getValue", "setValue", "connectGui", "disconnectGui"}
    reserved |= {
        "StartModify",
        "EndModify",
        "AddObserver",
        "RemoveObserver",
        "Modified",
        "connectParametersToGui",
        "allParameters",
    }
    hints = a_module.SAM2VolumeSegLogic().getParameterNode().hints
    assert not reserved & set(hints)
    for name, element in bound(a_ui).items():
        if element.get("class") in ("ctkSliderWidget", "QSpinBox", "QDoubleSpinBox"):
            annotations = typing.get_args(hints[name])[1:]
            assert any(isinstance(item, stand_in.WithinRange) for item in annotations), f"{name} has no range"


def test_every_combo_box_shows_words_not_names(a_module):
    hints = a_module.SAM2VolumeSegLogic().getParameterNode().hints
    enums = [hint for hint in hints.values() if isinstance(hint, type) and issubclass(hint, enum.Enum)]
    assert len(enums) > 8
    for member in chain.from_iterable(enums):
        assert member.label() and "_" not in member.label() and member.label() != member.name


def test_every_widget_that_python_uses_is_in_the_file_and_belongs_to_a_section(a_ui, sources):
    """A section is given the widgets that it lists, and no others."""
    names = set(widgets(a_ui))
    for file, source in sources.items():
        tree = ast.parse(source)
        listed = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WIDGETS"
            for name in ast.literal_eval(node.value)
        }
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self.ui", "ui")
        }
        if file != "SAM2VolumeSeg.py":
            assert used == listed, f"{file}: {used ^ listed}"
        assert used <= names, f"{file}: {used - names}"


def test_every_button_does_something(a_panel):
    for name, widget in vars(a_panel.ui).items():
        assert widget.kind != "QPushButton" or widget.slots, f"nothing happens when {name} is pressed"


def test_every_button_is_pressed_by_a_test(a_ui, request):
    """What no test reaches fails first at the user's desk."""
    sources = [path.read_text("utf-8") for path in request.path.parent.glob("test_*.py")]
    for name, element in widgets(a_ui).items():
        pressed = (f"{name}.click()", f'"{name}"')
        assert element.get("class") != "QPushButton" or any(text in source for text in pressed for source in sources)


def test_every_mrml_widget_gets_the_scene(a_ui):
    top = next(a_ui.iter("widget"))
    assert top.get("class") == "qMRMLWidget"
    mrml = {name for name, element in widgets(a_ui).items() if element.get("class").startswith("qMRML")}
    connected = {
        c.findtext("receiver")
        for c in a_ui.iter("connection")
        if c.findtext("sender") == top.get("name")
        and c.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and c.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    assert connected == mrml - {top.get("name")}


def test_every_node_list_names_the_nodes_it_is_for(a_ui):
    """Without it the list has every node of the scene, and choosing a wrong one is a TypeError."""
    lists = [element for element in a_ui.iter("widget") if element.get("class") == "qMRMLNodeComboBox"]
    assert lists
    for element in lists:
        kinds = [item.text for item in element.findall("property[@name='nodeTypes']/stringlist/string")]
        assert kinds == ["vtkMRMLSegmentationNode"], element.get("name")


def test_every_class_that_qt_does_not_know_is_declared(a_ui):
    declared = {item.findtext("class"): item for item in a_ui.iter("customwidget")}
    used = {element.get("class") for element in a_ui.iter("widget") if not element.get("class").startswith("Q")}
    assert set(declared) == used
    for name, item in declared.items():
        assert item.findtext("header") == f"{name}.h"
        assert (item.findtext("container") == "1") == (name in ("qMRMLWidget", "ctkCollapsibleButton"))


def test_signals_are_the_same_in_qt_5_and_qt_6(sources, stand_in):
    known = set(chain.from_iterable(stand_in.SIGNALS.values())) | {
        "startupCompleted()",
        "focusChanged(QWidget*,QWidget*)",
    }
    for file, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "connect":
                if len(node.args) == 1:  # a signal of our own
                    continue
                signal = node.args[0].value
                assert QT5_AND_6.match(signal) and signal not in GONE_IN_QT6
                assert signal in known, f"{file}: is {signal} in both? Add it to stand_ins.SIGNALS when it is"


def test_everything_the_user_can_touch_explains_itself(a_ui):
    for name, element in widgets(a_ui).items():
        if element.get("class") not in ("QPushButton", "QCheckBox", "QTableWidget", "qMRMLNodeComboBox") and (
            element.find("property[@name='SlicerParameterName']") is None and element.get("class") != "QComboBox"
        ):
            continue
        tip = element.findtext("property[@name='toolTip']/string")
        assert tip and tip.endswith("."), f"{name} has no tool tip that is a sentence"


def test_labels_lead_to_their_widgets(a_ui):
    """The keyboard and a screen reader find a field by its label."""
    names = widgets(a_ui)
    for name, element in names.items():
        buddy = element.findtext("property[@name='buddy']/cstring")
        if buddy is not None:
            assert buddy in names, f"{name} names the missing widget {buddy}"
    labelled = {element.findtext("property[@name='buddy']/cstring") for element in names.values()}
    for name, element in names.items():
        if element.get("class") in (
            "QComboBox",
            "QSpinBox",
            "QDoubleSpinBox",
            "ctkSliderWidget",
            "ctkPathLineEdit",
            "QLineEdit",
        ):
            assert name in labelled, f"{name} has no label"


def test_no_shortcut_is_taken_from_the_application(a_ui, sources):
    """Keys are those of keys.py, which takes them for the panel and the views alone (see test_keys.py)."""
    assert not any(item.get("name") == "shortcut" for item in a_ui.iter("property"))
    assert [name for name, source in sources.items() if "QShortcut" in source] == ["keys.py"]


# ---------------------------------------------------------------------------------------------------- where things are


def inside(root, name):
    """Names of the widgets inside of a widget, in the order of the file."""
    return [element.get("name") for element in widgets(root)[name].iter("widget")][1:]


def test_what_is_pressed_again_and_again_does_not_scroll(a_ui):
    """Below the part that scrolls: the advice with its buttons, Propagate, Cancel, what a run says, what is shown."""
    always = inside(a_ui, "dockWidget") + inside(a_ui, "readinessWidget") + inside(a_ui, "hintBar")
    always += inside(a_ui, "editingBar")
    for name in (
        "adviceLabel", "nextSliceButton", "absentButton", "propagateButton", "cancelButton", "progressBar",
        "estimateLabel", "progressLabel", "showResultCheckBox", "showPaintedCheckBox", "showComparedCheckBox",
        "useSliceButton", "takeBackButton", "editResultButton", "editSeedsButton", "modelComboBox", "downloadButton",
        "hintButton",
    ):  # fmt: skip
        assert name in always and name not in inside(a_ui, "scrollArea"), name


def test_sections_follow_the_work_and_what_is_rarely_needed_is_closed(a_ui):
    sections = [name for name in inside(a_ui, "scrollContents") if name.endswith("CollapsibleButton")]
    assert (
        sections
        == [f"{name}CollapsibleButton" for name in ("seeds", "review", "result", "options", "advanced", "setup")]
        and inside(a_ui, "scrollContents").index("segmentEditorWidget") == 0
    )
    closed = [name for name in sections if text(widgets(a_ui)[name], "collapsed") == "true"]
    assert closed == sections[1:]


def test_nothing_in_the_panel_makes_it_wider_or_higher_than_it_was(a_ui):
    """Views jump when an effect or a section that is opened needs more room than the panel has."""
    scroll = widgets(a_ui)["scrollArea"]
    assert text(scroll, "widgetResizable") == "true"
    policy = scroll.find("property[@name='sizePolicy']/sizepolicy")
    assert (policy.get("hsizetype"), policy.get("vsizetype")) == ("Ignored", "Ignored")
    for name, element in widgets(a_ui).items():
        if element.get("class") == "QComboBox":
            assert text(element, "sizeAdjustPolicy").endswith("AdjustToMinimumContentsLengthWithIcon"), name
    tables = [element for element in a_ui.iter("widget") if element.get("class") == "QTableWidget"]
    for table in tables:  # the other one is as high as its rows, at most eight
        assert table.get("name") == "seedsTable" or table.find("property[@name='maximumSize']") is not None
    scrolling = [e for e in widgets(a_ui)["scrollContents"].find("layout") if e.find("spacer") is not None]
    assert len(scrolling) == 1  # at the end, so that nothing else is stretched


def test_nothing_is_styled_by_hand(a_ui, sources):
    """Slicer's own light and dark themes must keep working."""
    assert not any(item.get("name") == "styleSheet" for item in a_ui.iter("property"))
    assert not any("styleSheet" in source for source in sources.values())


def test_widget_names_do_not_collide_with_those_inside_the_segment_editor(a_ui):
    """childWidgetVariables lists the editor's inner widgets too; theirs begin with a capital letter."""
    names = set(widgets(a_ui)) - {"SAM2VolumeSeg"}
    assert all(re.match(r"[a-z]+[A-Z0-9]?", name) and name[0].islower() for name in names)
