"""Propagate: what is said before a run, its progress, its end, and what may happen meanwhile."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.checkpoints import CheckpointError
from SAM2VolumeSegLib.model.pace import KINDS, Speed, Work
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import readiness
from SAM2VolumeSegLib.propagation.workload import Workload
from SAM2VolumeSegLib.volume import Plane

# ------------------------------------------------------------------------------------------------------ before a run


@pytest.fixture
def a_section(a_state, a_ui):
    """The section with a heavy model whose speed is known: a second for each piece of work."""
    from SAM2VolumeSegPanel.run_section import RunSection

    a_state.logic.workload = lambda seeds, *others: work_of(10 * len(seeds))
    measure = SimpleNamespace(speed=Speed(*(1.0,) * len(KINDS)), before=lambda then: False)
    measure.offer = measure.stop = lambda _: None
    editor = SimpleNamespace(widget=SimpleNamespace(mrmlSegmentEditorNode=lambda: None), isEntered=lambda: True)
    section = RunSection(a_state, a_state.logic, a_ui, editor, measure, a_state.timers)
    section.updateWriting = lambda: None  # needs the scene
    section.update()
    return section


def work_of(slices):
    """A run that encodes and predicts so many slices."""
    each = {("bone", Plane.AXIAL): Work(predict=slices)} if slices else {}
    return Workload(slices, Work(encode=slices), each, dict.fromkeys(each, 0.0), {}, {})


def test_before_a_run_it_is_said_how_many_slices_where_and_how_long(a_section):
    text = "Up to 10 slices on the NVIDIA graphics card. About 30 s, measured on this computer."
    assert a_section.ui.estimateLabel.text == text
    assert a_section.ui.propagateButton.enabled and not a_section.ui.cancelButton.enabled


def test_a_measurement_that_goes_on_is_said_and_can_be_cancelled(a_section, a_state):
    a_section.measure.speed, a_state.measurement = None, object()
    a_state.workChanged.emit()
    assert a_section.ui.estimateLabel.text.endswith("How long that takes is being measured...")
    assert a_section.ui.propagateButton.enabled and a_section.ui.cancelButton.enabled


def test_what_keeps_a_run_from_starting_is_said(a_section, a_state):
    def says(words):
        a_state.choicesChanged.emit()
        return words in a_section.ui.estimateLabel.text and not a_section.ui.propagateButton.enabled

    requirements, facts = a_state.requirements, replace(a_state.facts, sam2=None)
    a_state.requirements = readiness.check(facts)
    assert says("Up to 10 slices. First put right what is said at the top.")
    a_state.requirements = requirements
    a_state.logic.workload = lambda *given: work_of(0)
    assert says("Nothing is painted on the axes that are switched on under Advanced.")
    a_state.logic.devicePlan = refuse(InputError("This machine has no device 'cuda'."))
    a_state.parameters.device = ch.Device.CUDA
    a_state.makePlan()
    a_state.logic.workload = lambda *given: work_of(10)
    assert says("This machine has no device 'cuda'.")
    a_state.found = replace(a_state.found, seeds={})
    assert says("Paint at least one slice first.")


def refuse(error):
    """A function that raises, whatever it is asked."""

    def refused(*arguments):
        raise error

    return refused


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CheckpointError("It is damaged.", "fetch again", "..."), "It is damaged. Choose the model, press Delete"),
        (ZeroDivisionError(), "Something unexpected went wrong."),
    ],
)
def test_a_run_that_does_not_start_is_told_in_one_sentence(a_section, a_state, a_desktop, error, words):
    a_state.logic.startRun, a_state.logic.editorNode = refuse(error), lambda: None
    a_section.ui.propagateButton.click()
    boxes = a_desktop.told if isinstance(error, InputError) else a_desktop.errors
    assert len(a_desktop.errors + a_desktop.told) == 1 and boxes[0].startswith(words)
    assert a_section.ui.propagateButton.enabled and a_section.ui.progressLabel.text == ""


def test_a_second_press_starts_no_second_run(a_section, a_state, a_desktop, monkeypatch):
    """Neither while the model is loaded nor during the run."""
    started = []
    run = SimpleNamespace(state="running", cancel=lambda: setattr(run, "state", "cancelled"))
    a_state.logic.startRun, a_state.logic.editorNode = lambda *arguments: started.append(1) or run, lambda: None
    monkeypatch.setattr(a_desktop.slicer.app, "processEvents", a_section.onPropagate)
    a_section.ui.propagateButton.click()
    a_section.onPropagate()
    assert started == [1] and not a_section.ui.propagateButton.enabled
    a_section.ui.cancelButton.click()
    assert run.state == "cancelled" and a_section.ui.propagateButton.enabled


def test_leaving_the_module_while_the_model_is_loaded_starts_nothing(a_section, a_state, a_desktop, monkeypatch):
    a_state.logic.startRun = refuse(AssertionError())
    monkeypatch.setattr(a_desktop.slicer.app, "processEvents", lambda: a_state.setParameters(None))
    a_section.ui.propagateButton.click()
    assert a_state.propagation is None and a_desktop.errors == [] and a_section.ui.progressLabel.text == ""


def test_pytorch_is_not_loaded_while_somebody_paints(a_section, a_state, stand_in):
    """That takes seconds, during which Slicer stands still; a plan that is known from before needs none."""
    a_state.logic.isTorchLoaded, a_state.logic.devicePlan = False, refuse(AssertionError())
    a_state.parameters.inputSize = ch.InputSize.PIXELS_256
    a_state.onChoicesChanged()
    stand_in.process_events(3)
    assert "has not been measured on this computer yet" in a_section.ui.estimateLabel.text
    assert a_section.ui.propagateButton.enabled and a_state.plan is None
    a_state.logic.remembered.plan = lambda choices: ("cuda:0", 256, "key", 8)
    a_state.onChoicesChanged()
    assert "About 30 s, measured" in a_section.ui.estimateLabel.text and a_state.plan.batchSize == 8


def test_what_is_known_already_is_looked_up_in_pieces_before_it_is_said(a_section, a_state, stand_in):
    """One corrected slice: "13 s" was said where it took 62 s, and looking it up must not freeze the window."""
    looked = []

    def look(*given):
        for n in range(3):
            looked.append(n)
            yield
        return replace(work_of(2), slices=10, known=8)

    a_state.logic.knowledge, a_state.logic.workAhead = lambda choices: (1, 2, 3), look
    a_state.onChoicesChanged()
    assert looked == [] and "Looking up what is known already" in a_section.ui.estimateLabel.text
    stand_in.process_events()
    text = a_section.ui.estimateLabel.text
    assert "Up to 10 slices on the NVIDIA graphics card; 8 of them are known already. About 14 s" in text
    a_state.onChoicesChanged()
    stand_in.process_events()
    assert looked == [0, 1, 2] and a_section.ui.estimateLabel.text == text
    seeds = a_state.found.seeds["bone"]
    a_state.found.seeds["bone"] = [replace(seeds[0], mask=seeds[0].mask.copy()), *seeds[1:]]  # painted anew
    a_state.onChoicesChanged()
    stand_in.process_events()
    assert looked == 2 * [0, 1, 2]


def test_the_device_is_asked_for_after_the_panel_was_shown(a_section, a_state, stand_in):
    """Even where PyTorch is loaded: another model is another file to look at."""
    a_state.parameters.inputSize = ch.InputSize.PIXELS_256
    a_state.onChoicesChanged()
    assert a_section.ui.estimateLabel.text == "Up to 10 slices. Looking at this computer..."
    stand_in.process_events()
    assert "on the NVIDIA graphics card" in a_section.ui.estimateLabel.text


# ------------------------------------------------------------------------------------- with the demo model


def test_propagate_gives_a_new_segmentation_and_corrects_the_measured_time(
    a_panel, a_painted_scene, a_desktop, stand_in, run_to_end, mask_of, segmentations
):
    before, measured = segmentations(), a_panel.logic.remembered.timings().seen
    a_panel.ui.propagateButton.click()
    assert a_panel.ui.cancelButton.enabled and not a_panel.ui.propagateButton.enabled
    stand_in.process_events(2)
    assert re.match(r"Bone: axial slice at S: [\d.]+mm, \d+ of 16\. About", a_panel.ui.progressLabel.text)
    assert segmentations() == before
    run_to_end(press=False)
    assert a_desktop.errors == []
    assert segmentations() == before + 1
    result = a_panel.state.parameters.result
    assert result is not a_painted_scene.painted and a_panel.ui.resultComboBox.currentNode() is result
    found = mask_of(result)
    for n in a_painted_scene.slices:
        assert np.array_equal(found[n], a_painted_scene.bone[n])
    dice = 2 * (found & a_painted_scene.bone).sum() / (found.sum() + a_painted_scene.bone.sum())
    assert dice > 0.8
    assert a_panel.ui.progressLabel.text.startswith("Done in")
    stand_in.process_events()
    assert re.search("[1-9] of them are known already. About .* measured on this", a_panel.ui.estimateLabel.text)
    assert a_panel.logic.remembered.timings().seen != measured
    assert result.GetSegmentation().ContainsRepresentation("Closed surface")


def test_into_the_painted_segments_is_one_undo_step(a_panel, a_painted_scene, a_desktop, run_to_end, mask_of):
    a_panel.state.parameters.target = ch.Target.SAME
    a_panel.state.parameters.limitToRange = True
    before = mask_of(a_painted_scene.painted)
    run_to_end()
    assert a_desktop.errors == []
    after = mask_of(a_painted_scene.painted)
    assert after.sum() > before.sum()
    a_panel.editor.widget.undo()
    assert np.array_equal(mask_of(a_painted_scene.painted), before)
    assert not a_panel.editor.widget.undoPossible()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_cancel_leaves_the_scene_as_it_was(a_panel, stand_in, steps, segmentations):
    before = segmentations()
    a_panel.ui.propagateButton.click()
    stand_in.process_events(steps)
    a_panel.ui.cancelButton.click()
    stand_in.process_events(3)
    assert segmentations() == before and a_panel.state.propagation is None
    assert a_panel.ui.progressLabel.text == "Cancelled. Nothing was written."
    assert a_panel.ui.propagateButton.enabled


@pytest.mark.parametrize("which", ["volume", "painted"])
def test_deleting_a_node_during_a_run_ends_it_with_a_sentence(a_panel, a_painted_scene, a_desktop, stand_in, which):
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    a_desktop.slicer.mrmlScene.RemoveNode(getattr(a_painted_scene, which))
    stand_in.process_events(3)
    assert a_panel.state.propagation is None and len(a_desktop.told) == 1 and "Nothing was written" in a_desktop.told[0]
    assert a_panel.state.parameters.result is None


def test_closing_the_scene_during_a_run_cancels_it(a_panel, a_desktop, stand_in, segmentations):
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    a_desktop.slicer.mrmlScene.Clear()
    stand_in.process_events(3)
    assert a_panel.state.propagation is None and segmentations() == 0


def test_what_is_switched_off_and_gone_does_not_stop_a_run(a_panel, a_painted_scene, a_desktop, stand_in):
    """A painted slice switched off and then erased has no line in the table where it could be switched on again."""
    marks = a_panel.state.marks
    n = a_painted_scene.slices[-1]
    marks.skipped["bone"] = [(Plane.AXIAL, n), (Plane.AXIAL, n + 2)]
    marks.absent["bone"] = [(Plane.AXIAL, n + 2)]
    a_panel.state.setMarks(marks)
    a_painted_scene.paint(a_painted_scene.slices[:-1])
    stand_in.process_events(2)
    a_panel.ui.propagateButton.click()
    assert a_desktop.errors == [] and a_panel.state.propagation is not None
    seeds = a_panel.state.propagation.run.request.seeds["bone"]
    assert [seed.index for seed in seeds] == list(a_painted_scene.slices[:-1])
    a_panel.ui.cancelButton.click()


def test_what_the_result_will_replace_is_said_before_the_run(a_panel, a_painted_scene, a_desktop, stand_in):
    """Overwrite all is Slicer's default; a finished neighbour is not what the user wants to lose to a leak."""
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    painted.GetSegmentation().AddEmptySegment("neighbour", "L4")
    neighbour = np.zeros(a_painted_scene.bone.shape, np.uint8)
    neighbour[2:4, 2:4, 2:4] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(neighbour, painted, "neighbour", a_painted_scene.volume)
    p, label, editor = a_panel.state.parameters, a_panel.ui.writingLabel, a_panel.logic.editorNode()
    p.scope = ch.Scope.SELECTED
    a_panel.editor.widget.setCurrentSegmentID("bone")
    stand_in.process_events(3)
    assert label.text == "" and not label.visible
    p.target = ch.Target.SAME
    stand_in.process_events(3)
    assert 'Where the result reaches "L4", it replaces what is there' in label.text and label.visible
    editor.SetOverwriteMode(editor.OverwriteNone)
    assert label.text == "" and not label.visible
    editor.SetOverwriteMode(editor.OverwriteVisibleSegments)
    p.scope = ch.Scope.ALL
    stand_in.process_events(3)
    assert label.text == ""


def test_masking_counts_also_when_the_editor_was_closed_during_the_run(
    a_panel, a_painted_scene, a_desktop, stand_in, run_to_end, mask_of
):
    """A new editor node would overwrite all segments, as Slicer's default is."""
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    painted.GetSegmentation().AddEmptySegment("neighbour", "L4")
    neighbour = np.zeros(a_painted_scene.bone.shape, np.uint8)
    neighbour[5] = a_painted_scene.bone[5]
    slicer.util.updateSegmentBinaryLabelmapFromArray(neighbour, painted, "neighbour", a_painted_scene.volume)
    p, editor = a_panel.state.parameters, a_panel.logic.editorNode()
    p.scope, p.target = ch.Scope.SELECTED, ch.Target.SAME
    editor.SetOverwriteMode(editor.OverwriteNone)
    a_panel.editor.widget.setCurrentSegmentID("bone")
    stand_in.process_events(3)
    a_panel.ui.propagateButton.click()
    stand_in.process_events()
    slicer.mrmlScene.RemoveNode(editor)
    run_to_end(press=False)
    assert a_desktop.errors == []
    array = slicer.util.arrayFromSegmentBinaryLabelmap
    assert mask_of(painted)[5].any()
    assert np.array_equal(array(painted, "neighbour", a_painted_scene.volume), neighbour)


def test_undo_works_also_when_the_result_was_in_the_editor(a_panel, a_painted_scene, a_desktop, run_to_end, mask_of):
    """The editor keeps the history of what it shows: a state saved there would not bring the painted slices back."""
    run_to_end()
    a_panel.ui.editResultButton.click()
    a_panel.state.parameters.target = ch.Target.SAME
    before = mask_of(a_painted_scene.painted)
    run_to_end()
    assert mask_of(a_painted_scene.painted).sum() > before.sum()
    a_panel.editor.widget.undo()
    assert np.array_equal(mask_of(a_painted_scene.painted), before)


def test_undo_is_that_of_the_editor_for_which_the_module_was_left(
    a_panel, a_painted_scene, a_desktop, stand_in, monkeypatch, run_to_end, mask_of
):
    """Every editor widget has a history of its own, also on a shared node."""
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    a_panel.state.parameters.target = ch.Target.SAME
    before = mask_of(painted)
    a_panel.ui.propagateButton.click()
    stand_in.process_events()
    a_panel.exit()
    a_panel.parent.isEntered = False
    editor = stand_in.SegmentEditor("qMRMLSegmentEditorWidget", "standard")
    history = slicer.vtkSegmentationHistory()
    history.SetSegmentation(painted.GetSegmentation())
    editor.values.update(node=a_panel.logic.editorNode(), history=history)
    standard = SimpleNamespace(editor=editor, parent=SimpleNamespace(isEntered=True))
    monkeypatch.setattr(slicer.modules, "SegmentEditorWidget", standard, raising=False)
    run_to_end(press=False)
    assert mask_of(painted).sum() > before.sum()
    editor.undo()
    assert np.array_equal(mask_of(painted), before)


def test_a_result_is_remembered_when_the_module_was_left_during_the_run(a_panel, stand_in, run_to_end):
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    a_panel.exit()
    run_to_end(press=False)
    a_panel.enter()
    assert a_panel.state.parameters.result is not None and a_panel.ui.editResultButton.enabled


def test_a_run_is_seen_in_the_status_bar_while_another_module_is_shown(a_panel, a_desktop, stand_in, run_to_end):
    """Before, the only sign were the jerks of the views."""
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    assert not any("SAM2" in text for text in a_desktop.status)
    a_panel.exit()
    a_panel.parent.isEntered = False
    stand_in.process_events(3)
    assert re.match(r"SAM2 Volume Segmentation: \d+ %\. About", a_desktop.status[-1])
    run_to_end(press=False)
    assert a_desktop.status[-1].startswith("Done in")


def test_what_was_said_about_a_scene_goes_with_it(a_panel, a_desktop, stand_in, run_to_end):
    run_to_end()
    assert a_panel.ui.progressLabel.text.startswith("Done in")
    a_desktop.slicer.mrmlScene.Clear()
    assert a_panel.ui.progressLabel.text == ""


def test_the_bar_keeps_its_place_and_is_empty_without_a_run(a_panel, stand_in, run_to_end):
    bar = a_panel.ui.progressBar
    for _round in range(2):
        assert bar.visible and bar.value == 0 and not bar.textVisible
        a_panel.ui.propagateButton.click()
        stand_in.process_events(3)
        assert bar.visible and bar.textVisible and not a_panel.ui.estimateLabel.visible
        a_panel.ui.cancelButton.click()
        assert a_panel.ui.estimateLabel.visible


def test_choices_that_do_not_go_together_are_told_before_a_run(a_panel):
    a_panel.ui.recentSpinBox.value = 6
    assert "two recent slices" in a_panel.ui.estimateLabel.text and not a_panel.ui.propagateButton.enabled
    a_panel.ui.recentSpinBox.value = 2
    for name in ("axial", "coronal", "sagittal"):
        setattr(a_panel.state.parameters, name, False)
    assert "All three axes are switched off" in a_panel.ui.estimateLabel.text
    a_panel.state.parameters.coronal = True
    assert "Nothing is painted on the axes" in a_panel.ui.estimateLabel.text


def test_a_result_that_may_be_cut_off_is_told_with_what_to_do(a_panel, a_desktop, run_to_end):
    """The model sees nothing beside the painted slices: nobody would look for the rest of the bone there."""
    a_panel.state.parameters.marginMm = 0.0
    run_to_end()
    text = a_panel.ui.resultNoteLabel.text
    assert a_desktop.errors == [] and a_panel.ui.progressLabel.text.startswith("Done in")
    assert a_panel.ui.resultNoteLabel.visible
    assert '"Bone" reaches the edge of what the model saw (' in text and text.endswith("or enlarge the margin.")
    a_desktop.slicer.mrmlScene.Clear()
    assert not a_panel.ui.resultNoteLabel.visible
