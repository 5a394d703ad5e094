"""What a real Slicer can show of the defects that the first one showed, by their numbers in issue 16.

Beside what the tutorial, the main way, the sizes and SAM2VolumeSegSlicerTest show. Those of estimates and of measuring
(1, 8, 12, 19, 28 to 30) have their own tests.
"""

import slicer
import vtk

from driver.phantom import VIEWS
from driver.runs import choose_demo, no_box, run, segmentation_count, shown, start_run


def walk(desk):
    """Each by itself, with a scene of its own, in the smallest window."""
    with desk.report.check("defects: the window has 1366 x 768"):
        desk.window.resize(1366, 768)
    for defect in (
        _model, _download, _messages, _effect, _finished, _oblique, _no_views, _plain_words, _own_file, _elsewhere,
    ):  # fmt: skip
        with desk.report.check(f"defects: a scene for {defect.__name__.strip('_')}"):
            desk.close_scene()
            nodes = desk.load_sample()
            desk.open_module()
            choose_demo(desk)
            desk.wait(lambda nodes=nodes: desk.choices.volume is nodes[0] and desk.rows(), "painted slices", 30)
            desk.boxes.take()
            defect(desk, *nodes)
    no_box(desk, "defects")


def _model(desk, *_nodes):
    """A scene that is closed does not set the model back."""
    with desk.report.check("defect 2: the chosen model is still chosen after Close Scene"):
        chosen = desk.ui.modelComboBox.currentText
        desk.close_scene()
        desk.load_ct()
        desk.open_module()
        assert desk.ui.modelComboBox.currentText == chosen, desk.ui.modelComboBox.currentText


def _download(desk, *_nodes):
    """Download is about the chosen model. The question is answered with Cancel."""
    with desk.report.check("defect 3: the table marks the chosen model, and Download asks about it"):
        before = desk.ui.modelComboBox.currentText
        models = type(desk.choices.model)
        for model in (models.LARGE, models.BASE_PLUS):
            desk.choose("modelComboBox", model.label())
            table = desk.ui.modelsTable
            assert table.item(table.currentRow(), 0).text() == model.value
            if desk.ui.downloadButton.enabled:  # else it is on this computer
                desk.press("downloadButton")
                said = desk.boxes.questions + desk.boxes.told
                assert any(model.value in text or "Set up" in text for text in said), said
                assert desk.panel.state.download is None
            desk.boxes.take()
        desk.choose("modelComboBox", before)


def _messages(desk, *_nodes):
    """What is said about a scene goes with it."""
    with desk.report.check("defect 10: nothing is said about a scene that was closed"):
        run(desk, "a run before the scene is closed")
        assert desk.ui.progressLabel.text
        desk.press("editResultButton")
        desk.press("useSliceButton")
        desk.close_scene()
        assert not desk.ui.progressLabel.text and not desk.ui.resultNoteLabel.text, desk.ui.progressLabel.text
    with desk.report.check("defect 10: the status bar is empty after some seconds"):
        desk.wait(lambda: not desk.status(), lambda: f"the status bar is empty: {desk.status()}", 30)


def _effect(desk, *_nodes):
    """The effect says what it did, also when all was known."""
    check, effect = desk.report.check, None
    with check("defect 13: the effect is in the editor of the panel"):
        desk.press_in_editor("SAM2 propagate")
        effect = desk.panel.editor.widget.activeEffect().self()
    if effect is None:  # which is said above
        return
    for number in ("a first", "a second"):
        with check(f"defect 13: the effect says what {number} run did"):
            before = segmentation_count()
            with desk.freezes.watch(f"{number} run of the effect"):
                effect.propagateButton.click()
            assert segmentation_count() == before + 1
            assert effect.resultLabel.text and effect.resultLabel.isVisible(), "nothing is said"
    with check("defect 13: its progress window has a title"):
        assert desk.boxes.progress == {"SAM2 propagate"}, desk.boxes.progress
    desk.picture("effect")
    with check("defect 13: the effect can be left"):
        desk.panel.editor.widget.setActiveEffect(None)


def _finished(desk, _volume, _painted, reference):
    """A finished segmentation is not taken for seeds."""
    with desk.report.check("defect 15: a finished segmentation is recognised, and offered for correction"):
        desk.panel.editor.widget.setSegmentationNode(reference)
        desk.wait(lambda: desk.ui.hintBar.visible and "in a row" in desk.ui.hintLabel.text, "the yellow line", 30)
        assert desk.ui.hintButton.text == "Correct it", desk.ui.hintButton.text
        desk.press("hintButton")
        assert desk.panel.state.isCorrecting and desk.choices.result is reference
        assert shown(reference)[0], "it is hidden"
    desk.picture("finished-segmentation")


def _oblique(desk, volume, *_nodes):
    """Views at an angle are named, all of them."""
    with desk.report.check("defect 17: the yellow line names all turned views, and its button turns them"):
        transform, matrix = vtk.vtkTransform(), vtk.vtkMatrix4x4()
        transform.RotateX(15)
        transform.RotateY(15)
        volume.GetIJKToRASMatrix(matrix)
        vtk.vtkMatrix4x4.Multiply4x4(transform.GetMatrix(), matrix, matrix)
        volume.SetIJKToRASMatrix(matrix)
        slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").Modified()
        desk.wait(lambda: "angle" in desk.ui.hintLabel.text and desk.ui.hintBar.visible, "the yellow line", 30)
        missing = [view for view in VIEWS if view not in desk.ui.hintLabel.text]
        assert not missing, f"{missing} are not in: {desk.ui.hintLabel.text}"
        assert desk.ui.hintButton.text == "Turn the views to the CT", desk.ui.hintButton.text
        desk.picture("views-at-an-angle")
        desk.press("hintButton")
        desk.wait(lambda: "angle" not in desk.ui.hintLabel.text or not desk.ui.hintBar.visible, "it goes", 30)


def _no_views(desk, *_nodes):
    """A layout without slice views is noticed."""
    with desk.report.check("defect 18: a layout without slice views is said, and its button brings them back"):
        desk.hide_slice_views()
        desk.wait(lambda: "no slice view" in desk.ui.hintLabel.text and desk.ui.hintBar.visible, "the yellow line", 30)
        desk.press("hintButton")
        desk.wait(lambda: len(desk.panel.views.nodes()) == len(VIEWS), "the views are back", 30)


def _plain_words(desk, *_nodes):
    """What the user can put right is no error."""
    with desk.report.check("defect 24: Absent here on a painted slice is answered in a plain box, without an error"):
        desk.press_row(1)
        desk.press("absentButton")
        assert desk.boxes.told and not desk.boxes.errors, (desk.boxes.told, desk.boxes.errors)
        desk.boxes.take()
    with desk.report.check("defects 16, 18: Absent here is about the view that the mouse was in last"):
        desk.scroll("Yellow", 1)
        desk.point_at("Yellow")
        before = len(desk.rows())
        desk.press("absentButton")
        desk.wait(lambda: len(desk.rows()) == before + 1, lambda: f"one more row: {desk.rows()}, {desk.boxes.told}", 30)
        marked = [(row.plane.value, row.index) for row in desk.panel.seeds.rows if row.absent]
        assert marked == [("sagittal", 1)], marked
        desk.press("absentButton")


def _own_file(desk, *_nodes):
    """No file is no dot."""
    with desk.report.check("defect 25: the field for a model of one's own is empty at first"):
        before, models = desk.ui.modelComboBox.currentText, type(desk.choices.model)
        desk.choose("modelComboBox", models.OWN.label())
        path = desk.ui.ownCheckpointLineEdit.currentPath
        desk.choose("modelComboBox", before)
        assert path == "", repr(path)


def _elsewhere(desk, *_nodes):
    """A run is seen while another module is shown."""
    with desk.report.check("defect 26: the status bar tells of a run while another module is shown"):
        start_run(desk)
        desk.open_module("Data")
        desk.wait(lambda: "SAM2 Volume Segmentation" in desk.status(), lambda: f"it says: {desk.status()}", 120)
        desk.open_module()
        desk.press("cancelButton")
        desk.wait(lambda: desk.panel.state.propagation is None, "the run ends", 30)
