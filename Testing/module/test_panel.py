"""The panel as a whole: opening, leaving, closing, loading and reloading."""

from types import SimpleNamespace

from SAM2VolumeSegLib.panel import choices as ch


def test_the_panel_opens_on_what_is_in_the_scene(a_panel, a_painted_scene):
    assert a_panel.editor.widget.segmentationNode() is a_painted_scene.painted
    assert a_panel.editor.widget.sourceVolumeNode() is a_painted_scene.volume
    assert a_panel.state.parameters.volume is a_painted_scene.volume
    assert a_panel.ui.readyLabel.text == "ready" and not a_panel.ui.hintBar.visible


def test_the_panel_opens_on_an_empty_scene_and_says_what_to_do(a_module, stand_in):
    widget = a_module.SAM2VolumeSegWidget(SimpleNamespace(isEntered=False))
    widget.setup()
    stand_in.process_events()
    assert "Load a CT" in widget.ui.adviceLabel.text
    assert not widget.ui.propagateButton.enabled
    widget.cleanup()


def test_the_standard_segment_editor_shows_the_same_work(a_panel, a_desktop):
    shared = a_desktop.slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert a_panel.editor.widget.mrmlSegmentEditorNode() is shared


def test_closing_the_scene_lets_go_of_everything(a_panel, a_desktop):
    a_desktop.slicer.mrmlScene.Clear()
    assert a_panel.state.parameters.volume is None
    assert a_panel.ui.seedsTable.texts() == []


def test_leaving_and_coming_back_keeps_the_choices(a_panel):
    a_panel.state.parameters.radius = 0.5
    model = a_panel.state.parameters.model
    a_panel.exit()
    a_panel.enter()
    assert a_panel.ui.radiusSlider.value == 0.5
    assert a_panel.state.parameters.model is model and model is not next(iter(ch.ModelChoice))
    a_panel.ui.recentSpinBox.value = 1
    assert a_panel.state.parameters.recent == 1


def test_reload_reloads_the_library_too(a_panel, monkeypatch):
    import sys

    modules = dict(sys.modules)
    a_panel.onReload()
    assert not any(name.startswith("SAM2VolumeSegLib") for name in sys.modules)
    sys.modules.update(modules)


def test_a_scene_that_is_loaded_keeps_its_choice_whatever_the_node_lists_choose_meanwhile(
    a_panel, a_painted_scene, a_desktop, stand_in
):
    slicer, p = a_desktop.slicer, a_panel.state.parameters
    scene, editor = slicer.mrmlScene, a_panel.editor.widget
    scene.InvokeEvent(scene.StartImportEvent)
    for chosen in (None, scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "The last in the list")):
        editor.setSegmentationNode(chosen)
        a_panel.ui.resultComboBox.setCurrentNode(chosen)
    scene.InvokeEvent(scene.EndImportEvent)
    stand_in.process_events(2)
    assert a_panel.state.parameters.segmentation is editor.segmentationNode() is a_painted_scene.painted
    assert a_panel.state.parameters.volume is editor.sourceVolumeNode() is a_painted_scene.volume
    assert a_panel.state.parameters.result is None and p.result is None
    assert a_panel.ui.seedsTable.texts()


def test_only_the_editor_that_is_seen_takes_the_mouse(a_panel, a_desktop, stand_in, monkeypatch):
    """All editors on the shared node follow the views when an effect is chosen; Undo is that of the one who painted."""
    slicer, node = a_desktop.slicer, a_panel.editor.widget.mrmlSegmentEditorNode()
    standard = stand_in.SegmentEditor("qMRMLSegmentEditorWidget", "standard")
    monkeypatch.setattr(slicer.modules, "SegmentEditorWidget", SimpleNamespace(editor=standard), raising=False)
    for entered in (True, False, True):
        (a_panel.enter if entered else a_panel.exit)()
        a_panel.parent.isEntered = entered
        for editor in (standard, a_panel.editor.widget):  # as the real ones do in answer to the node
            editor.setupViewObservations()
        node.SetActiveEffectName("Paint" if entered else "Erase")
        assert (a_panel.editor.widget.values["views"], standard.values["views"]) == (entered, not entered)
    a_panel.cleanup()
    standard.setupViewObservations()
    node.SetActiveEffectName("")
    assert standard.values["views"]


def test_an_effect_that_is_registered_later_is_offered(a_panel, a_desktop):
    factory = a_desktop.slicer.qSlicerSegmentEditorEffectFactory.instance()
    factory.emit("effectRegistered(QString)", "SAM2 propagate")
    assert a_panel.editor.widget.values["effects"] == 1
    a_panel.cleanup()
    factory.emit("effectRegistered(QString)", "Another")
    assert a_panel.editor.widget.values["effects"] == 1


def test_a_panel_that_was_reloaded_over_stays_quiet(a_panel, stand_in):
    """Old versions of Slicer go on calling the first widget after a reload."""
    a_panel.cleanup()
    a_panel.enter()
    a_panel.exit()
    a_panel.cleanup()
    stand_in.process_events(3)
    assert a_panel.state.parameters is None


def test_the_module_registers_and_loads_its_sample(a_module, a_desktop, some_views, stand_in, monkeypatch):
    import sys

    parent = SimpleNamespace()
    a_module.SAM2VolumeSeg(parent)
    assert parent.categories == ["Segmentation"] and "startupCompleted()" in dict(a_desktop.connected)
    registered = []
    logic = SimpleNamespace(
        registerCustomSampleDataSource=lambda **source: registered.append(source),
        registerCustomSampleDataCategory=lambda category, title: registered.append(title),
    )
    monkeypatch.setitem(sys.modules, "SampleData", stand_in.module("SampleData", SampleDataLogic=logic))
    a_module.registerSampleData()
    assert registered[1]["uris"] == registered[1]["fileNames"] == []  # Slicer takes their length
    views = [a_desktop.slicer.mrmlScene.GetSingletonNode(n, "vtkMRMLSliceNode") for n in ("Red", "Green", "Yellow")]
    volume, painted, _reference = registered[1]["customDownloader"](None)
    assert volume.IsA("vtkMRMLScalarVolumeNode") and painted.GetSegmentation().GetNumberOfSegments() >= 2
    from SAM2VolumeSegLib.scene import seeds_from_segmentation, view_slice

    seeds = {(seed.plane, seed.index): seed for seed in seeds_from_segmentation(painted, volume)["bone_1"]}
    for view in views:  # each shows a filled slice of the first bone, its middle one
        assert seeds[view_slice(view, volume)].mask.sum() > 100


def test_the_panel_opens_at_its_top(a_panel):
    a_panel.ui.scrollArea.values["scrolled"] = 300
    a_panel.exit()
    a_panel.enter()
    assert a_panel.ui.scrollArea.values["scrolled"] == 0


def test_the_keys_are_in_the_help(a_module):
    parent = SimpleNamespace()
    a_module.SAM2VolumeSeg(parent)
    assert "<b>Ctrl+Return</b>" in parent.helpText and "not for clinical use" in parent.helpText


def test_reload_and_test_says_what_it_skips(a_module, a_desktop, monkeypatch):
    """Where PyTorch is missing: Slicer's own loop takes a skipped test for an error, and shows a box."""
    slicer, said = a_desktop.slicer, []
    monkeypatch.setattr(slicer.util, "delayDisplay", said.append, raising=False)
    missing = SimpleNamespace(are_met=False, headline="PyTorch is missing.")
    monkeypatch.setattr(a_module.readiness, "check", lambda facts: missing)

    class Checked(a_module.SAM2VolumeSegTest):
        def test_readiness_has_a_sentence_for_everything(self):
            said.append("run")

    Checked().runTest()
    assert said == ["Skipped: PyTorch is missing.", "run"]
