"""The logic without a panel, as a script uses it."""

import pytest

from SAM2VolumeSegLib.panel import choices as ch


def test_three_lines_segment_a_node(a_module, a_painted_scene, mask_of):
    choices = ch.Choices(model=ch.ModelChoice.DEMO, device=ch.Device.CPU, direction=ch.Direction.FORWARD, extend=False)
    seen = []
    logic = a_module.SAM2VolumeSegLogic()
    result = logic.segment(a_painted_scene.volume, a_painted_scene.painted, choices, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 10
    assert mask_of(result).sum() > 500


def test_a_script_that_raises_in_its_progress_writes_nothing(a_module, a_painted_scene, segmentations):
    def stop(progress):
        raise KeyboardInterrupt

    before = segmentations()
    choices = ch.Choices(model=ch.ModelChoice.DEMO, device=ch.Device.CPU)
    with pytest.raises(KeyboardInterrupt):
        a_module.SAM2VolumeSegLogic().segment(a_painted_scene.volume, a_painted_scene.painted, choices, progress=stop)
    assert segmentations() == before


def test_without_a_choice_a_script_gets_the_best_model_that_is_here(a_module, monkeypatch, tmp_path):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    assert a_module.SAM2VolumeSegLogic().recommended().model is ch.ModelChoice.DEMO
    from SAM2VolumeSegLib.model import checkpoints

    path = checkpoints.path_in_store(checkpoints.find("tiny"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(checkpoints.find("tiny").size)
    assert a_module.SAM2VolumeSegLogic().recommended().model is ch.ModelChoice.TINY


def test_a_second_run_is_expected_to_be_faster(a_panel, run_to_end):
    """Its slices are encoded already, and the estimate knows it."""
    state = a_panel.state
    state.parameters.extend = False  # where the structure ends beyond the paint, nobody knows before the run

    def work():
        return a_panel.logic.workload(state.seedsOfRun(), state.found.volume, state.parameters)

    first = work()
    run_to_end()
    assert (first.once.encode, work().once.encode) == (10, 0) and first.predicted == work().predicted
    state.parameters.marginMm = 0.0
    assert work().once.encode == 10


def test_the_plan_of_an_earlier_session_is_known_without_pytorch(a_panel, a_module, monkeypatch):
    """Loading PyTorch freezes the window for seconds: a time that was measured is told before."""
    logic, p = a_module.SAM2VolumeSegLogic(), a_panel.state.parameters
    monkeypatch.setattr(logic, "devicePlan", None)
    assert logic.remembered.plan(p) == a_panel.logic.devicePlan(p)
    p.inputSize = a_module.ch.InputSize.PIXELS_256
    assert logic.remembered.plan(p) is None
    monkeypatch.setattr("importlib.metadata.version", lambda package: "another")
    p.inputSize = a_module.ch.InputSize.PIXELS_192
    assert logic.remembered.plan(p) is None


def test_only_what_was_computed_changes_what_is_remembered(a_panel, run_to_end, stand_in):
    """A run that found everything made was taken for a fast encoder, and a cancelled one for nothing."""
    key, kept = a_panel.state.plan.speedKey, a_panel.logic.remembered.timings
    before = kept().seen[key]
    a_panel.ui.propagateButton.click()
    stand_in.process_events(9)
    a_panel.ui.cancelButton.click()
    cancelled = kept().seen[key]
    assert len(cancelled["call"]) == 2 and cancelled["edge"] == before["edge"]
    run_to_end()
    after = kept().seen[key]
    assert len(after["edge"]) == 2
    run_to_end()  # knows all
    again = kept().seen[key]
    assert {kind for kind in again if again[kind] != after[kind]} <= {"visit", "vote", "edge"}


def test_a_new_scene_begins_with_the_model_that_was_chosen_last_and_a_scene_keeps_its_own(
    a_module, a_desktop, monkeypatch, tmp_path
):
    """Before, closing the scene set the model back to one that was not on the computer."""
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    from SAM2VolumeSegLib.model import checkpoints

    logic = a_module.SAM2VolumeSegLogic()
    p = logic.getParameterNode()
    assert p.model is ch.ModelChoice.DEMO
    for name in ("small", "tiny"):
        path = checkpoints.path_in_store(checkpoints.find(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(checkpoints.find(name).size)
    assert logic.getParameterNode().model is ch.ModelChoice.DEMO  # what this scene has
    p.model = ch.ModelChoice.TINY
    logic.remembered.keepModel(p)
    a_desktop.slicer.mrmlScene.Clear()
    assert logic.getParameterNode().model is ch.ModelChoice.TINY
    p = logic.getParameterNode()
    p.model = ch.ModelChoice.OWN
    logic.remembered.keepModel(p)
    a_desktop.slicer.mrmlScene.Clear()
    assert logic.getParameterNode().model is ch.ModelChoice.TINY  # a file of one's own belongs to its scene
