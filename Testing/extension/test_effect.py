"""The Segment Editor effect, loaded as Slicer loads it: real MRML, real logic, real demo model, stand-ins for Qt."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.seeds import paint_seeds
from SAM2VolumeSegLib.volume import Plane

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "SAM2VolumeSeg"
EFFECT = "SegmentEditorSAM2PropagateLib"
sys.path.insert(0, str(ROOT / "Testing" / "module"))

import stand_ins  # noqa: E402

pytestmark = pytest.mark.numeric

BAR = 0.6  # Dice on a tiny phantom, one axis: that a result came out, not how good the demo model is


class ScriptedEffect:
    """The C++ side of an effect: the real editor node, and an undo history that is the editor's."""

    def __init__(self, node, slicer):
        self.node, self.slicer = node, slicer
        self.rows, self.histories, self.isActive = [], {}, True

    def parameterSetNode(self):
        return self.node

    def active(self):
        return self.isActive

    def addLabeledOptionsWidget(self, label, widget):
        self.rows.append((label, widget))

    def addOptionsWidget(self, widget):
        self.rows.append(("", widget))

    def saveStateForUndo(self):
        segmentation = self.node.GetSegmentationNode().GetSegmentation()
        history = self.slicer.vtkSegmentationHistory()
        history.SetSegmentation(segmentation)
        history.SetMaximumNumberOfStates(5)
        history.SaveState()
        self.histories[len(self.histories)] = history

    def undo(self):
        self.histories[len(self.histories) - 1].RestorePreviousState()


class Dialog(SimpleNamespace):
    """QProgressDialog."""

    def close(self):
        self.closed = True

    def deleteLater(self):
        assert self.closed


@pytest.fixture
def an_editor(a_slicer_scene, a_phantom, monkeypatch):
    """A Segment Editor with the effect, on a phantom whose structure "middle" is painted on three axial slices."""
    slicer = a_slicer_scene
    for name in [name for name in sys.modules if name.split(".")[0] in ("SAM2VolumeSeg", "SAM2VolumeSegPanel", EFFECT)]:
        monkeypatch.delitem(sys.modules, name)
    editor = SimpleNamespace(slicer=slicer, errors=[], told=[], dialogs=[], selected=[], events=lambda: None)

    def dialog(**values):
        editor.dialogs.append(Dialog(value=0, wasCanceled=False, closed=False, **values))
        return editor.dialogs[-1]

    def process_events():
        editor.events()

    base = stand_ins.module("SegmentEditorEffects", AbstractScriptedSegmentEditorEffect=Base)
    for name, module in (stand_ins.modules() | {"SegmentEditorEffects": base}).items():
        monkeypatch.setitem(sys.modules, name, module)
    settings = SimpleNamespace(value=lambda key: None, setValue=lambda key, value: None)
    application = SimpleNamespace(
        majorVersion=5, minorVersion=12, testingEnabled=lambda: False,
        processEvents=process_events, userSettings=lambda: settings, connect=lambda *_: None,
    )  # fmt: skip
    monkeypatch.setattr(slicer, "app", application, raising=False)
    monkeypatch.setattr(slicer.util, "createProgressDialog", dialog)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: editor.errors.append(text))
    monkeypatch.setattr(slicer.util, "infoDisplay", lambda text, **_: editor.told.append(text), raising=False)
    monkeypatch.setattr(slicer.util, "selectModule", editor.selected.append, raising=False)
    monkeypatch.syspath_prepend(str(FOLDER))

    volume = a_phantom.volume
    editor.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    editor.volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.ijk_to_ras))
    slicer.util.updateVolumeFromArray(editor.volume, volume.voxels)
    editor.volume.CreateDefaultDisplayNodes()
    editor.painted = paint_seeds(a_phantom.seeds(planes=(Plane.AXIAL,))["middle"], volume)
    editor.segmentation = segmentation_node(slicer, editor.volume, {"middle": editor.painted})
    logic = stand_ins.load("SAM2VolumeSeg", FOLDER / "SAM2VolumeSeg.py").SAM2VolumeSegLogic()
    node = logic.editorNode()
    node.SetAndObserveSegmentationNode(editor.segmentation)
    node.SetAndObserveSourceVolumeNode(editor.volume)
    node.SetSelectedSegmentID("middle")
    p = editor.parameters = logic.getParameterNode()
    p.model, p.inputSize, p.device = ch.ModelChoice.DEMO, ch.InputSize.PIXELS_192, ch.Device.CPU
    p.direction, p.show3D = ch.Direction.FORWARD, False

    editor.scripted = ScriptedEffect(node, slicer)
    effect = stand_ins.load(EFFECT, FOLDER / EFFECT / "SegmentEditorEffect.py")
    editor.effect = effect.SegmentEditorEffect(editor.scripted)
    editor.effect.setupOptionsFrame()
    editor.effect.activate()
    yield editor
    for name in [name for name in sys.modules if name.split(".")[0] in ("SAM2VolumeSeg", "SAM2VolumeSegPanel", EFFECT)]:
        del sys.modules[name]


class Base:
    """AbstractScriptedSegmentEditorEffect."""

    def __init__(self, scriptedEffect):
        self.scriptedEffect = scriptedEffect


def segmentation_node(slicer, volume, masks):
    from SAM2VolumeSegLib.scene.labelmaps import labelmap_of

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Painted")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for name, mask in masks.items():
        node.AddSegmentFromBinaryLabelmapRepresentation(labelmap_of(mask, volume, node), name, (0.9, 0.6, 0.2), name)
    return node


def mask_of(editor, node):
    return editor.slicer.util.arrayFromSegmentBinaryLabelmap(node, "middle", editor.volume) > 0


def segmentations(editor):
    return editor.slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def during(editor, action):
    """Let the user do something while a run goes on: after its third slice."""
    steps = iter(range(1000))
    editor.events = lambda: action() if next(steps) == 3 else None


def box(editor, name):
    return editor.effect.boxes[name]


def choose(editor, name, choice):
    chosen = box(editor, name)
    chosen.setCurrentIndex(chosen.findData(choice))


def test_the_panel_shows_and_sets_the_choices_of_the_module(an_editor):
    assert [label for label, _widget in an_editor.scripted.rows if label] == [
        "Window:", "Model:", "Segments:", "Result into:",
    ]  # fmt: skip
    assert box(an_editor, "model").itemData(box(an_editor, "model").currentIndex) == "DEMO"
    assert all(widget.toolTip for _label, widget in an_editor.scripted.rows)

    choose(an_editor, "window", "LUNG")

    assert an_editor.parameters.window is ch.WindowChoice.LUNG
    assert an_editor.parameters.model is ch.ModelChoice.DEMO


def test_a_choice_made_in_the_module_is_shown_when_the_effect_is_opened(an_editor):
    an_editor.parameters.target = ch.Target.SAME
    an_editor.effect.activate()

    assert box(an_editor, "target").itemData(box(an_editor, "target").currentIndex) == "SAME"


def test_a_neighbour_that_will_give_way_is_named_before_the_run(an_editor):
    """Overwrite all is Slicer's default; a finished neighbour is not what the user wants to lose to a leak."""
    an_editor.segmentation.GetSegmentation().AddEmptySegment("neighbour", "L4")
    choose(an_editor, "scope", "SELECTED")
    assert an_editor.effect.writingLabel.text == "" and not an_editor.effect.writingLabel.visible
    choose(an_editor, "target", "SAME")
    assert 'Where the result reaches "L4", it replaces' in an_editor.effect.writingLabel.text
    assert an_editor.effect.writingLabel.visible
    node = an_editor.scripted.node
    node.SetOverwriteMode(node.OverwriteNone)
    an_editor.effect.updateGUIFromMRML()  # as Slicer does when the node changes
    assert an_editor.effect.writingLabel.text == ""


def test_propagating_makes_a_new_segmentation_and_keeps_the_painted_one(an_editor, a_phantom):
    an_editor.effect.propagateButton.click()

    assert an_editor.errors == an_editor.told == []
    result = an_editor.parameters.result
    assert result is not None
    assert (
        an_editor.effect.resultLabel.text.startswith("Done in")
        and result.GetName() in an_editor.effect.resultLabel.text
    )
    assert segmentations(an_editor) == 2
    assert dice(mask_of(an_editor, result), a_phantom.references["middle"]) > BAR
    assert np.array_equal(mask_of(an_editor, an_editor.segmentation), an_editor.painted)
    assert an_editor.scripted.histories == {}
    assert an_editor.dialogs[0].closed
    assert an_editor.effect.propagateButton.enabled


def test_a_second_result_is_seen_alone(an_editor):
    """Before, all results lay over each other in the same colours."""
    an_editor.effect.propagateButton.click()
    first = an_editor.parameters.result
    an_editor.effect.propagateButton.click()
    second = an_editor.parameters.result
    assert (first.GetDisplayVisibility(), second.GetDisplayVisibility()) == (0, 1)
    assert an_editor.segmentation.GetDisplayVisibility()  # it is in the editor
    choose(an_editor, "target", "REPLACE")
    an_editor.effect.propagateButton.click()
    assert second.GetScene() is None and segmentations(an_editor) == 3


def test_a_result_that_may_be_cut_off_is_told_until_the_next_run(an_editor):
    """The model sees nothing beside the painted slices: nobody would look for the rest of the bone there."""
    label = an_editor.effect.resultLabel
    an_editor.parameters.marginMm = 0.0
    an_editor.effect.propagateButton.click()
    assert an_editor.errors == [] and label.visible
    assert '"middle" reaches the edge of what the model saw (' in label.text
    during(an_editor, lambda: setattr(an_editor.dialogs[-1], "wasCanceled", True))
    an_editor.effect.propagateButton.click()
    assert label.text == "" and not label.visible


def test_propagating_into_the_painted_segments_is_one_undo_step(an_editor, a_phantom):
    choose(an_editor, "target", "SAME")
    choose(an_editor, "scope", "SELECTED")

    an_editor.effect.propagateButton.click()

    assert an_editor.errors == []
    assert segmentations(an_editor) == 1
    result = mask_of(an_editor, an_editor.segmentation)
    assert dice(result, a_phantom.references["middle"]) > BAR
    assert result[an_editor.painted].all()
    an_editor.scripted.undo()
    assert np.array_equal(mask_of(an_editor, an_editor.segmentation), an_editor.painted)


@pytest.mark.parametrize("how", ["cancel", "deactivate", "remove the CT", "close the scene"])
def test_a_run_that_is_ended_early_writes_nothing(an_editor, how):
    def end():
        if how == "cancel":
            an_editor.dialogs[0].wasCanceled = True
        elif how == "deactivate":
            an_editor.effect.deactivate()
        elif how == "remove the CT":
            an_editor.slicer.mrmlScene.RemoveNode(an_editor.volume)
        else:
            an_editor.slicer.mrmlScene.Clear()

    during(an_editor, end)
    an_editor.effect.propagateButton.click()

    assert an_editor.scripted.histories == {}
    assert segmentations(an_editor) == (0 if how == "close the scene" else 1)
    assert an_editor.errors == [] and len(an_editor.told) == (how != "cancel")
    assert all("Nothing was written" in text for text in an_editor.told)
    assert an_editor.dialogs[0].closed
    assert an_editor.effect.propagation is None
    assert an_editor.effect.propagateButton.enabled


def test_a_second_click_during_a_run_starts_nothing(an_editor):
    an_editor.events = an_editor.effect.onPropagate

    an_editor.effect.propagateButton.click()

    assert an_editor.errors == []
    assert len(an_editor.dialogs) == 1
    assert segmentations(an_editor) == 2


def test_another_segmentation_in_the_editor_is_not_overwritten(an_editor):
    choose(an_editor, "target", "SAME")
    other = segmentation_node(an_editor.slicer, an_editor.volume, {"middle": an_editor.painted})
    during(an_editor, lambda: an_editor.scripted.node.SetAndObserveSegmentationNode(other))

    an_editor.effect.propagateButton.click()

    assert len(an_editor.told) == 1
    assert np.array_equal(mask_of(an_editor, an_editor.segmentation), an_editor.painted)
    assert np.array_equal(mask_of(an_editor, other), an_editor.painted)
    assert an_editor.scripted.histories == {}


def test_what_is_missing_is_said_with_its_way_out(an_editor, tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    choose(an_editor, "model", "SMALL")

    an_editor.effect.propagateButton.click()

    (text,) = an_editor.told
    assert "small" in text
    assert "is not on this computer" in text
    assert "All choices" in text
    assert segmentations(an_editor) == 1


def test_a_missing_ct_is_said_in_a_sentence(an_editor):
    an_editor.scripted.node.SetAndObserveSourceVolumeNode(None)

    an_editor.effect.propagateButton.click()

    assert an_editor.told == ["No CT is chosen. Choose the source volume above, and paint on it."]


def test_an_unexpected_error_is_shown_and_leaves_the_editor_usable(an_editor, monkeypatch):
    def broken(*_arguments):
        raise RuntimeError("out of memory, for example")

    monkeypatch.setattr(type(an_editor.effect.logic()), "startRun", broken)
    an_editor.effect.propagateButton.click()

    assert len(an_editor.errors) == 1
    assert an_editor.errors[0].endswith("Nothing was written.")
    assert an_editor.effect.propagateButton.enabled
    assert an_editor.dialogs[0].closed


def test_a_slice_that_was_switched_off_in_the_module_is_left_out_on_these_nodes(an_editor):
    p = an_editor.parameters
    p.marksVolume, p.marksSegmentation = an_editor.volume, an_editor.segmentation
    p.skipped = ["axial:16:middle"]
    assert seeds_of_run(an_editor) == ["axial:4", "axial:27"]
    p.marksVolume = None
    assert seeds_of_run(an_editor) == ["axial:4", "axial:16", "axial:27"]


def seeds_of_run(editor):
    editor.effect.propagateButton.click()
    assert editor.errors == []
    return json.loads(editor.parameters.result.GetAttribute("SAM2VolumeSeg.Provenance"))["segments"]["middle"]["seeds"]


def test_icon_help_and_the_way_to_the_module(an_editor, monkeypatch):
    an_editor.effect.moduleButton.click()

    assert an_editor.selected == ["SAM2VolumeSeg"]
    icons = []
    for lightness in (240, 50, None):  # a light theme, a dark one, and no window
        color = SimpleNamespace(lightness=lambda value=lightness: value)
        window = None if lightness is None else SimpleNamespace(palette=SimpleNamespace(color=lambda role, c=color: c))
        monkeypatch.setattr(an_editor.slicer.util, "mainWindow", lambda window=window: window, raising=False)
        icons.append(an_editor.effect.icon())
    assert icons[0] == icons[2] != icons[1] and all(icon.startswith(b"<svg") for icon in icons)
    assert "Propagate" in an_editor.effect.helpText()


def test_clones_share_one_logic_and_use_the_modules_when_it_is_open(an_editor, monkeypatch):
    clone = type(an_editor.effect)(ScriptedEffect(an_editor.scripted.node, an_editor.slicer))
    assert clone.logic() is an_editor.effect.logic()

    opened = SimpleNamespace(logic=object())
    monkeypatch.setattr(an_editor.slicer.modules, "SAM2VolumeSegWidget", opened, raising=False)
    assert clone.logic() is opened.logic


def test_the_hidden_module_registers_the_effect_from_its_file(an_editor, monkeypatch):
    connected, made = [], []

    class Instance:
        def __init__(self, parent):
            made.append(self)

        def setPythonSource(self, path):
            self.path = path

        def self(self):
            return SimpleNamespace(register=lambda: setattr(self, "registered", True))

    effects = SimpleNamespace(qSlicerSegmentEditorScriptedEffect=Instance)
    monkeypatch.setitem(sys.modules, "qSlicerSegmentationsEditorEffectsPythonQt", effects)
    an_editor.slicer.app.connect = lambda signal, slot: connected.append((signal, slot))
    module = stand_ins.load("SegmentEditorSAM2Propagate", FOLDER / "SegmentEditorSAM2Propagate.py")
    monkeypatch.delitem(sys.modules, "SegmentEditorSAM2Propagate")
    parent = SimpleNamespace()

    module.SegmentEditorSAM2Propagate(parent)
    ((signal, slot),) = connected
    slot()

    assert parent.hidden
    assert "SAM2VolumeSeg" in parent.dependencies
    assert signal == "startupCompleted()"
    assert made[0].registered
    assert Path(made[0].path) == FOLDER / EFFECT / "SegmentEditorEffect.py"
    assert an_editor.effect.clone().path == made[0].path
