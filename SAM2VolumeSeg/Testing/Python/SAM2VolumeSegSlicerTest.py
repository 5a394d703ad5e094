"""The module in a real Slicer. Unattended, with a main window or without (Slicer warns where the path is relative):

    Slicer --testing --no-splash [--no-main-window] --disable-cli-modules --additional-module-paths "$PWD/SAM2VolumeSeg"
        --python-code "import slicer.testing;
                       slicer.testing.runUnitTest(['SAM2VolumeSeg/Testing/Python'], 'SAM2VolumeSegSlicerTest')"

Only what needs PyTorch or sam2 is skipped where they are missing, and painting with the mouse where there is no window.
"""

import importlib
import json
import os
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

import qt
import slicer
import vtk

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import readiness
from SAM2VolumeSegLib.scene.phantom import load_phantom_into_scene

PROVENANCE = "SAM2VolumeSeg.Provenance"
VIEWS = {"Red": "axial", "Green": "coronal", "Yellow": "sagittal"}


class SAM2VolumeSegSlicerTest(unittest.TestCase):
    """The user's way through the module."""

    def setUp(self):
        global ch  # noqa: PLW0603 - Reload makes new classes, and the parameter node takes no old ones
        ch = importlib.import_module("SAM2VolumeSegLib.panel.choices")
        slicer.mrmlScene.Clear()
        self.panel = self.openPanel()

    def tearDown(self):
        self.panel.run.end()
        slicer.mrmlScene.Clear()

    # -------------------------------------------------------------------------------------------------- ways and means

    def openPanel(self):
        """The module's widget, entered where there is a main window."""
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule("SAM2VolumeSeg")
        panel = self.currentPanel()
        panel.initializeParameterNode()
        return panel

    def currentPanel(self):
        """The widget that the last Reload made: getModuleWidget goes on giving the first one."""
        first = slicer.util.getModuleWidget("SAM2VolumeSeg")
        return getattr(slicer.modules, "SAM2VolumeSegWidget", first)

    def loadPhantom(self):
        """CT, painted slices and reference, chosen in the panel; a run takes one segment on one axis (fast)."""
        volume, painted, reference = load_phantom_into_scene()
        self.panel.editor.widget.setSegmentationNode(painted)
        self.panel.editor.widget.setSourceVolumeNode(volume)
        p = self.panel.state.parameters
        p.model = ch.ModelChoice.DEMO
        p.direction = ch.Direction.FORWARD
        p.coronal = p.sagittal = False
        p.scope = ch.Scope.SELECTED
        self.panel.editor.widget.setCurrentSegmentID(self.segmentIDs(painted)[0])
        self.waitUntil(lambda: self.panel.state.found.seeds, "painted slices are found")
        return volume, painted, reference

    def waitUntil(self, condition, what, seconds=300):
        """Let Slicer work until something has happened."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"waited in vain: {what}")
            slicer.app.processEvents()

    def needEngine(self):
        """Skip where PyTorch or sam2 is missing; they are not installed in testing mode."""
        requirements = readiness.check(self.panel.logic.facts(ch.Choices(model=ch.ModelChoice.DEMO)))
        if not requirements.are_met:
            self.skipTest(requirements.headline)

    def propagate(self):
        """Press Propagate and wait for the end. The model may be measured before."""
        self.press("propagateButton")
        self.waitUntilRunning()
        self.waitUntil(lambda: self.panel.state.propagation is None, "the run ends", 1800)

    def press(self, name):
        """Press a button of the panel as soon as that is possible."""
        button = getattr(self.panel.ui, name)
        self.waitUntil(lambda: button.enabled, f"{name} can be pressed")
        button.click()

    def waitUntilRunning(self):
        """Until the run has begun; where the model was never used before, it is measured first."""
        self.waitUntil(lambda: self.panel.state.measurement is None, "the model is measured")
        self.assertIsNotNone(self.panel.state.propagation, self.panel.ui.estimateLabel.text)

    def voxels(self, node, segmentID, volume):
        """A segment on the CT's grid."""
        return slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentID, volume) > 0

    def segmentIDs(self, node):
        """All segments of a node."""
        segmentation = node.GetSegmentation()
        return [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]

    def segmentationCount(self):
        """Segmentation nodes in the scene."""
        return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")

    def rows(self):
        """The seed table as text."""
        table = self.panel.ui.seedsTable
        return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]

    # ------------------------------------------------------------------------------------------------- opening, set up

    def test_set_up_section(self):
        """What is missing is said, models are listed, and testing mode installs nothing."""
        self.assertTrue(self.panel.ui.readyLabel.text)
        self.assertTrue(self.panel.ui.readinessLabel.text)
        self.assertEqual(self.panel.ui.modelsTable.rowCount, 5)
        for item in self.panel.state.requirements:
            self.assertIn(item.sentence, self.panel.ui.readinessLabel.text)
        if slicer.app.testingEnabled():
            with self.assertLogs(level="INFO") as log:  # the box is not shown in testing mode
                self.panel.setupSection.onSetup()
            self.assertIn("testing mode", " ".join(log.output))

    def test_every_choice_is_bound(self):
        """Widgets write to the parameter node, and follow it."""
        p, ui = self.panel.state.parameters, self.panel.ui
        bound = [widget for widget in vars(ui).values() if widget.property("SlicerParameterName")]
        self.assertGreater(len(bound), 30)
        p.radius = 0.55
        self.assertAlmostEqual(ui.radiusSlider.value, 0.55)
        ui.recentSpinBox.value = 1
        self.assertEqual(p.recent, 1)
        for choice in ch.WindowChoice:
            p.window = choice
            self.assertEqual(ui.windowComboBox.currentText, choice.label())
        ui.directionComboBox.currentIndex = 1
        self.assertEqual(p.direction, ch.Direction.FORWARD)
        for preset, recent in (("Stock SAM2", 6), ("Paper's best", 2)):
            self.panel.choices.onPreset([ui.presetComboBox.itemText(n) for n in range(3)].index(preset))
            self.assertEqual(ui.recentSpinBox.value, recent)
            self.assertEqual(ui.presetComboBox.currentText, preset)
        ui.recentSpinBox.value = 3
        self.assertEqual(ui.presetComboBox.currentText, "Changed")

    def test_the_panel_keeps_its_size(self):
        """Opening sections and effects makes it neither wider nor higher, and Propagate stays in sight."""
        if slicer.util.mainWindow() is None:
            self.skipTest("There is nothing to see without a main window.")
        self.loadPhantom()
        ui = self.panel.ui
        slicer.app.processEvents()
        panel = ui.scrollArea.parentWidget()
        width, place = panel.width, ui.propagateButton.mapTo(panel, qt.QPoint(0, 0))
        names = ("result", "options", "advanced", "setup")
        for name in names:
            getattr(ui, f"{name}CollapsibleButton").collapsed = False
            slicer.app.processEvents()
        self.panel.editor.widget.setActiveEffectByName("Threshold")
        for _round in range(5):
            slicer.app.processEvents()
        self.assertEqual(panel.width, width)
        self.assertEqual(ui.propagateButton.mapTo(panel, qt.QPoint(0, 0)).y(), place.y())
        self.assertFalse(ui.propagateButton.visibleRegion().isEmpty())
        self.panel.editor.widget.setActiveEffect(None)
        for name in names:
            getattr(ui, f"{name}CollapsibleButton").collapsed = True

    def test_rows_are_low_and_the_last_column_reaches_the_edge(self):
        """Eight painted slices in sight, each 20 pixels high."""
        self.loadPhantom()
        table = self.panel.ui.seedsTable
        self.assertEqual({table.rowHeight(row) for row in range(table.rowCount)}, {20})
        self.assertLessEqual(table.height, 9 * 20 + 8)
        if slicer.util.mainWindow() is not None:
            slicer.app.processEvents()
            columns = sum(table.columnWidth(column) for column in range(table.columnCount))
            self.assertAlmostEqual(columns, table.viewport().width, delta=2)

    def test_a_ct_that_is_loaded_while_the_module_is_open_is_chosen(self):
        """Nothing has to be selected by hand."""
        volume, _painted, _reference = load_phantom_into_scene()
        self.waitUntil(lambda: self.panel.state.parameters.volume is volume, "the CT is chosen", 30)
        self.waitUntil(self.rows, "its painted slices are found", 30)

    def test_places_are_written_as_the_slice_view_writes_them(self):
        """Letter and number of the table are those in the bar of the view."""
        if slicer.app.layoutManager() is None:
            self.skipTest("Slice views need the main window.")
        volume, _painted, _reference = self.loadPhantom()
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        self.panel.views.turn()
        for row in self.panel.seeds.rows[::2]:
            self.panel.views.goTo(row.plane, row.index)
            slicer.app.processEvents()
            name = next(name for name, plane in VIEWS.items() if plane == row.plane.value)
            bar = slicer.app.layoutManager().sliceWidget(name).sliceController().sliceOffsetSlider()
            self.assertTrue(row.position.startswith(bar.prefix), (row.position, bar.prefix))
            self.assertAlmostEqual(float(row.position[len(bar.prefix) : -2]), bar.value, 1)

    def test_the_editor_is_shared(self):
        """The Segment Editor of Slicer and this module work on the same nodes."""
        volume, painted, _reference = self.loadPhantom()
        node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        self.assertIs(self.panel.editor.widget.mrmlSegmentEditorNode(), node)
        self.assertIs(node.GetSegmentationNode(), painted)
        self.assertIs(node.GetSourceVolumeNode(), volume)
        self.assertIs(self.panel.state.parameters.volume, volume)

    # ----------------------------------------------------------------------------------------------------------- seeds

    def test_seed_table(self):
        """Seeds are listed, can be switched off, and move the views."""
        volume, _painted, _reference = self.loadPhantom()
        rows = self.rows()
        self.assertGreaterEqual(len(rows), 3)
        self.assertEqual({row[1] for row in rows}, set(VIEWS.values()))
        self.panel.ui.seedsTable.item(0, 0).setCheckState(qt.Qt.Unchecked)
        self.waitUntil(lambda: len(list(self.panel.state.parameters.skipped)) == 1, "the box is kept", 30)
        self.assertEqual(self.panel.ui.seedsTable.item(0, 0).checkState(), qt.Qt.Unchecked)
        red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
        if red is not None:
            slicer.util.setSliceViewerLayers(background=volume, fit=True)
            self.panel.views.turn()
            self.panel.ui.seedsTable.setCurrentCell(1, 1)
            first = red.GetSliceOffset()
            self.panel.ui.seedsTable.setCurrentCell(2, 1)
            self.assertNotEqual(red.GetSliceOffset(), first)

    def test_painting_with_the_effect_in_all_three_views(self):
        """One stroke in each view gives one seed in each plane, and a step of undo in the editor that is seen."""
        if slicer.app.layoutManager() is None:
            self.skipTest("Painting needs the slice views of the main window.")
        slicer.util.selectModule("SegmentEditor")  # its editor lives on, shares the node, and must not take the strokes
        slicer.util.selectModule("SAM2VolumeSeg")
        volume, painted, _reference = self.loadPhantom()
        segmentID = painted.GetSegmentation().AddEmptySegment("stroke", "Stroke")
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        self.panel.views.turn()
        editor = self.panel.editor.widget
        editor.setCurrentSegmentID(segmentID)
        editor.setActiveEffectByName("Paint")
        effect = editor.activeEffect()
        self.assertIsNotNone(effect)
        effect.setParameter("BrushSphere", "0")
        effect.setCommonParameter("BrushDiameterIsRelative", "0")
        effect.setCommonParameter("BrushAbsoluteDiameter", "12")
        for name in VIEWS:
            widget = slicer.app.layoutManager().sliceWidget(name)
            slicer.app.processEvents()
            size = widget.interactorStyle().GetInteractor().GetRenderWindow().GetSize()  # not that of the Qt widget
            middle = (size[0] // 2, size[1] // 2)
            slicer.util.clickAndDrag(widget, start=middle, end=(middle[0] + 12, middle[1]))
        self.waitUntil(lambda: "Stroke" in self.panel.ui.seedsCollapsibleButton.text, "the new segment is shown", 30)
        self.waitUntil(
            lambda: sorted(row[1] for row in self.rows()) == sorted(VIEWS.values()), "three planes are found", 30
        )
        editor.undo()
        self.waitUntil(lambda: len(self.rows()) == 2, "one stroke is taken back", 30)
        editor.setActiveEffect(None)

    def test_a_segment_that_is_chosen_by_key_or_script_is_followed(self):
        """The editor sends no signal for it."""
        _volume, painted, _reference = self.loadPhantom()
        first, second = (painted.GetSegmentation().GetNthSegment(n).GetName() for n in range(2))
        self.waitUntil(lambda: first in self.panel.ui.seedsCollapsibleButton.text, "the first segment is shown", 30)
        self.panel.editor.widget.setCurrentSegmentID(self.segmentIDs(painted)[1])
        self.waitUntil(lambda: second in self.panel.ui.seedsCollapsibleButton.text, "the second segment is shown", 30)

    def test_absent_here_and_next_slice(self):
        """The shown slice is marked; the button for the next slice moves a view to it."""
        self.loadPhantom()
        red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
        if red is None:
            self.skipTest("There is no slice view without a main window.")
        self.panel.views.turn()
        bounds = [0.0] * 6
        self.panel.state.parameters.volume.GetRASBounds(bounds)
        red.SetSliceOffset(bounds[5] - 1)
        before = len(self.rows())
        self.panel.ui.absentButton.click()
        self.assertEqual(len(self.rows()), before + 1)
        self.panel.ui.absentButton.click()
        self.assertEqual(len(self.rows()), before)
        self.assertFalse(self.panel.ui.nextSliceButton.enabled)  # the phantom's seeds are a full set
        middle = [row for row in self.panel.seeds.rows if row.plane.value == "axial"][1]
        self.panel.seeds.switch(
            self.panel.state.parameters, self.panel.state.segment.ID, (middle.plane, middle.index), False
        )
        self.press("nextSliceButton")
        wanted = self.panel.seeds.advice.next
        self.assertEqual(wanted[0].value, "axial")
        self.assertEqual(self.panel.views.shownSlice(), wanted)

    # ---------------------------------------------------------------------------------------------------------- window

    def shownPictures(self):
        """What lies over the CT, by the name of the view."""
        found = {}
        for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            composite = slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
            node = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")
            if node is not None:
                found[composite.GetLayoutName()] = node
        return found

    def test_the_views_show_what_the_model_sees(self):
        """Pictures by the engine's own code over the CT; they follow the views and leave no trace."""
        volume, _painted, _reference = self.loadPhantom()
        display = volume.GetDisplayNode()
        display.SetAutoWindowLevel(0)
        display.SetWindowLevelMinMax(-20, 300)
        before = slicer.util.arrayFromVolume(volume).copy()
        count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
        if red is not None:
            for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
                composite = slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
                composite.SetBackgroundVolumeID(volume.GetID())
            self.panel.views.turn()
        self.panel.ui.showWindowCheckBox.click()
        self.waitUntil(lambda: self.panel.ui.previewLabel.text, "the pictures are made", 60)
        if red is not None:
            self.assertIn("Red", self.shownPictures(), self.panel.ui.previewLabel.text)
            axial = [row for row in self.panel.seeds.rows if row.plane.value == "axial"]
            self.panel.views.goTo(axial[0].plane, axial[0].index)
            first = slicer.util.arrayFromVolume(self.shownPictures()["Red"]).copy()
            self.panel.views.goTo(axial[1].plane, axial[1].index)
            self.assertTrue((slicer.util.arrayFromVolume(self.shownPictures()["Red"]) != first).any())
            if slicer.app.layoutManager() is not None:  # scrolling goes on by the CT's slices
                logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
                self.assertAlmostEqual(logic.GetLowestVolumeSliceSpacing()[2], volume.GetSpacing()[2], 3)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "scene.mrml")
            slicer.mrmlScene.SetURL(path)
            self.assertTrue(slicer.mrmlScene.Commit(path))
            with open(path, encoding="utf-8") as file:
                self.assertNotIn("What the model sees", file.read())
        self.panel.ui.showWindowCheckBox.click()
        self.waitUntil(lambda: not self.panel.preview.preview.is_shown, "the views are given back", 60)
        self.assertEqual(self.shownPictures(), {})
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), count)
        self.assertEqual((display.GetWindowLevelMin(), display.GetWindowLevelMax()), (-20, 300))
        self.assertTrue((slicer.util.arrayFromVolume(volume) == before).all())

    def test_what_a_script_changes_is_followed(self):
        """Names, segments, transforms and deleted nodes reach the panel without a press in it."""
        volume, painted, _reference = self.loadPhantom()
        segment = painted.GetSegmentation().GetNthSegment(0)
        segment.SetName("Renamed by a script")
        self.waitUntil(
            lambda: "Renamed by a script" in self.panel.ui.seedsCollapsibleButton.text, "the new name is shown", 30
        )
        before = self.rows()
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(2, 3, 30.0)
        transform.SetMatrixTransformToParent(matrix)
        for node in (volume, painted):
            node.SetAndObserveTransformNodeID(transform.GetID())
        self.waitUntil(lambda: self.rows() != before, "the new positions are shown", 30)
        slicer.mrmlScene.RemoveNode(volume)
        self.waitUntil(lambda: not self.rows(), "the CT is gone", 30)

    # ------------------------------------------------------------------------------------------------------------- run

    def test_run_with_the_demo_model(self):
        """A new segmentation with the same names and colors, close to the reference, and how it was made."""
        self.needEngine()
        volume, painted, reference = self.loadPhantom()
        self.panel.state.parameters.scope = ch.Scope.ALL
        before = self.segmentationCount()
        self.propagate()
        self.assertEqual(self.segmentationCount(), before + 1)
        result = self.panel.state.parameters.result
        self.assertIsNot(result, painted)
        scores = []
        for segmentID in self.segmentIDs(painted):
            source = painted.GetSegmentation().GetSegment(segmentID)
            resultID = result.GetSegmentation().GetSegmentIdBySegmentName(source.GetName())
            self.assertTrue(resultID, source.GetName())
            self.assertEqual(result.GetSegmentation().GetSegment(resultID).GetColor(), source.GetColor())
            referenceID = reference.GetSegmentation().GetSegmentIdBySegmentName(source.GetName())
            found, wanted = self.voxels(result, resultID, volume), self.voxels(reference, referenceID, volume)
            scores.append(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))
        self.assertGreater(sum(scores) / len(scores), 0.6, scores)
        made = json.loads(result.GetAttribute(PROVENANCE))
        self.assertEqual(made["model"]["name"], "demo")

    def test_the_time_is_measured_when_it_is_asked_for(self):
        """Not by itself, while somebody may paint; then the sentence says it, and the settings keep it."""
        self.needEngine()
        self.loadPhantom()
        settings, key = slicer.app.userSettings(), "SAM2VolumeSeg/Timings"
        kept = settings.value(key)
        try:
            settings.setValue(key, "")
            self.panel.run.update()
            end = time.monotonic() + 3
            while time.monotonic() < end:
                slicer.app.processEvents()
            self.assertFalse(settings.value(key))
            self.press("measureButton")
            self.waitUntil(
                lambda: "measured on this computer." in self.panel.ui.estimateLabel.text, "the model is measured", 120
            )
            self.assertIsNone(self.panel.state.propagation)
            self.assertIn("edge", settings.value(key))
        finally:
            settings.setValue(key, kept or settings.value(key))

    def test_what_is_known_is_not_counted_again(self):
        """After a run, and after a cancelled one, the estimate says how much of the next is known."""
        self.needEngine()
        self.loadPhantom()
        self.press("propagateButton")
        self.waitUntilRunning()
        self.waitUntil(
            lambda: self.panel.ui.progressBar.value > 30 or self.panel.state.propagation is None, "a third is done"
        )
        self.panel.ui.cancelButton.click()
        self.waitUntil(lambda: "are known already" in self.panel.ui.estimateLabel.text, "a part is known", 30)
        self.propagate()
        self.waitUntil(lambda: "are known already" in self.panel.ui.estimateLabel.text, "all is known", 30)

    def test_a_ct_that_is_moved_after_painting_can_be_used_again(self):
        """The message says what to do, and that helps."""
        volume, painted, _reference = self.loadPhantom()
        before = len(self.panel.state.found.seeds)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Move")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 7.3)
        transform.SetMatrixTransformToParent(matrix)
        volume.SetAndObserveTransformNodeID(transform.GetID())
        self.panel.state.findSeeds()
        self.assertIn("was moved by the transform", self.panel.state.found.problem)
        painted.SetAndObserveTransformNodeID(transform.GetID())
        self.panel.state.findSeeds()
        self.assertEqual(len(self.panel.state.found.seeds), before)

    def test_hiding_what_the_model_sees_logs_nothing(self):
        """A warning and a critical entry for each view, each time."""
        if slicer.util.mainWindow() is None:
            self.skipTest("There is no slice view without a main window.")
        volume, _painted, _reference = self.loadPhantom()
        slicer.util.setSliceViewerLayers(background=volume)
        p = self.panel.state.parameters
        p.showWindow = True
        self.waitUntil(lambda: "pixels" in self.panel.ui.previewLabel.text, "the pictures are shown", 30)
        self.assertIn("160", self.panel.ui.previewLabel.text)  # the demo model's, also without PyTorch
        log = slicer.app.errorLogModel()
        before = log.logEntryCount()
        p.showWindow = False
        self.waitUntil(lambda: not self.panel.ui.previewLabel.text, "the pictures are gone", 30)
        entries = [log.logEntryDescription(n) for n in range(before, log.logEntryCount())]
        self.assertEqual([text for text in entries if "RemoveNode" in text], [])

    def test_reload_and_test_skips_in_words(self):
        """Where something is missing, as PyTorch: no error."""
        import SAM2VolumeSeg
        from SAM2VolumeSeg import SAM2VolumeSegTest

        missing = unittest.mock.Mock(are_met=False, headline="PyTorch is missing.", __iter__=lambda self: iter(()))
        with (
            unittest.mock.patch.object(SAM2VolumeSeg.readiness, "check", return_value=missing),
            unittest.mock.patch.object(slicer.util, "delayDisplay", create=True) as said,
        ):
            SAM2VolumeSegTest().runTest()
        said.assert_called_once()

    def test_cancel(self):
        """Nothing is written."""
        self.needEngine()
        self.loadPhantom()
        before = self.segmentationCount()
        self.press("propagateButton")
        self.waitUntilRunning()
        self.waitUntil(
            lambda: self.panel.ui.progressBar.value > 0 or self.panel.state.propagation is None,
            "the first slice is done",
        )
        self.panel.ui.cancelButton.click()
        self.assertIsNone(self.panel.state.propagation)
        for _round in range(20):
            slicer.app.processEvents()
        self.assertEqual(self.segmentationCount(), before)
        self.assertTrue(self.panel.ui.propagateButton.enabled)

    def test_undo_is_one_step(self):
        """Into the painted segments, and back with one undo; redo brings it again."""
        self.needEngine()
        volume, painted, _reference = self.loadPhantom()
        segmentID = self.segmentIDs(painted)[0]
        before = self.voxels(painted, segmentID, volume)
        self.panel.state.parameters.target = ch.Target.SAME
        self.propagate()
        after = self.voxels(painted, segmentID, volume)
        self.assertGreater(after.sum(), before.sum())
        self.panel.editor.widget.undo()
        self.assertTrue((self.voxels(painted, segmentID, volume) == before).all())
        self.panel.editor.widget.redo()
        self.assertTrue((self.voxels(painted, segmentID, volume) == after).all())

    def test_correct_and_go_again(self):
        """A slice of the result becomes a seed."""
        self.needEngine()
        self.loadPhantom()
        red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
        if red is None:
            self.skipTest("There is no slice view without a main window.")
        self.propagate()
        self.panel.views.turn()
        axial = [row for row in self.panel.seeds.rows if row.plane.value == "axial"]
        self.panel.views.goTo(axial[0].plane, (axial[0].index + axial[1].index) // 2)
        before = len(self.rows())
        self.panel.ui.editResultButton.click()
        for _round in range(2):  # copied, taken back while the editor shows the result, copied again
            self.panel.ui.useSliceButton.click()
            self.assertEqual(len(self.rows()), before + 1)
            if _round == 0:
                self.press("takeBackButton")
                self.assertEqual(len(self.rows()), before)
        self.panel.ui.editSeedsButton.click()
        self.assertIs(self.panel.editor.widget.segmentationNode(), self.panel.state.parameters.segmentation)

    def test_review(self):
        """Expected Dice, a self-check, a suspect that is gone to, and Fix here, where there is a suspect."""
        self.needEngine()
        self.loadPhantom()
        self.propagate()
        panel, ui = self.panel, self.panel.ui
        self.waitUntil(lambda: panel.reviewing.review is not None, "the result is reviewed")
        self.assertFalse(ui.reviewCollapsibleButton.collapsed)
        self.assertEqual(ui.reviewTable.rowCount, 1)
        self.press("selfCheckButton")
        self.assertEqual(ui.selfCheckButton.text, "Cancel")
        self.waitUntil(lambda: panel.state.checking is None, "the self-check ends", 1800)
        self.assertIsNotNone(panel.reviewing.review.check)
        self.assertIn("left out", ui.reviewLabel.text)
        ui.commentLineEdit.text = "looked at"
        panel.verdict.onSaid()
        self.assertEqual(next(iter(panel.reviewing.verdicts.values())).comment, "looked at")
        before = slicer.mrmlScene.GetNumberOfNodes()
        ui.showErrorsCheckBox.click()
        self.waitUntil(lambda: panel.errors.errors is not None and panel.errors.errors.is_shown, "errors in colour")
        legends = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode")
        self.assertEqual(legends, 2)
        ui.showErrorsCheckBox.click()
        self.waitUntil(lambda: not panel.errors.errors.is_shown, "errors are not shown any more")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        if not panel.suspects.lines:
            return
        panel.suspects.onNext()
        self.assertEqual(len(panel.state.parameters.suspectsSeen), 1)
        suspect, before = panel.suspects.suspects[0], len(panel.seeds.rows)
        if slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceNode") is not None:
            panel.views.turn()
            self.press("fixButton")
            self.assertIs(panel.editor.widget.segmentationNode(), panel.state.parameters.segmentation)
            self.assertIn((suspect.plane, suspect.index), panel.views.shown())
            self.assertIn(len(panel.seeds.rows) - before, (0, 1))  # 0: the result is empty there

    def test_review_beside_a_reference_and_its_report(self):
        """Figures, the distance on the surface, and files that somebody else can read."""
        self.needEngine()
        _volume, _painted, reference = self.loadPhantom()
        self.propagate()
        panel, p = self.panel, self.panel.state.parameters
        self.waitUntil(lambda: panel.reviewing.review is not None, "the result is reviewed")
        p.reference = reference
        self.waitUntil(lambda: panel.reviewing.comparison is not None, "it is compared")
        self.assertIn("HD95", panel.ui.reviewLabel.text)
        p.showDistance = True
        self.waitUntil(lambda: panel.errors.distance is not None, "the distance is shown")
        self.assertTrue(panel.errors.distance.is_shown)
        p.showDistance = False
        with tempfile.TemporaryDirectory() as folder:
            panel.report.write(Path(folder))
            self.waitUntil(lambda: panel.state.checking is None, "the report is written")
            self.assertEqual(sorted(os.listdir(folder)), ["review.csv", "review.html", "suspects.csv"])

    def test_plot_along_an_axis(self):
        """A chart in Slicer's plot view, and the layout from before comes back."""
        self.needEngine()
        self.loadPhantom()
        self.propagate()
        panel, p, manager = self.panel, self.panel.state.parameters, slicer.app.layoutManager()
        self.waitUntil(lambda: panel.reviewing.review is not None, "the result is reviewed")
        layout = None if manager is None else manager.layout
        before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode")
        p.plot = ch.PlotAxis.AXIAL
        charts = lambda: slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode")  # noqa: E731
        self.waitUntil(lambda: charts() == before + 1, "there is a chart")
        if manager is not None:
            self.assertIsNotNone(manager.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode())
            points, selected = vtk.vtkIdTypeArray(), vtk.vtkCollection()
            points.InsertNextValue(2)
            selected.AddItem(points)
            panel.views.turn()
            panel.plot.onPoint(vtk.vtkStringArray(), selected)  # as a click into the plot
            self.assertEqual(panel.views.shown()[0][0].value, "axial")
        p.plot = ch.PlotAxis.NONE
        self.waitUntil(lambda: charts() == before, "the chart is gone")
        self.assertEqual(layout, None if manager is None else manager.layout)

    def test_keys_of_the_list_of_suspects(self):
        """Two active shortcuts with one key would both be silent; this is Qt's own say."""
        if slicer.util.mainWindow() is None:
            self.skipTest("Keys need a main window.")
        self.panel.enter()
        self.panel.ui.reviewCollapsibleButton.collapsed = False
        self.panel.ui.suspectsTable.setFocus()
        slicer.app.processEvents()
        enabled = [shortcut.enabled for _key, shortcut in self.panel.keys._own]
        self.assertEqual(enabled, [True] * 3)
        self.panel.ui.propagateButton.setFocus()

    def test_one_result_is_seen_at_a_time(self):
        """Named by its preset; the one before is an outline; the 3D views look at it."""
        self.needEngine()
        _volume, painted, _reference = self.loadPhantom()
        self.propagate()
        p = self.panel.state.parameters
        first = p.result
        self.assertIn(painted.GetName(), first.GetName())
        self.assertFalse(painted.GetDisplayVisibility())
        self.propagate()
        self.assertIs(p.compared, first)
        self.assertFalse(first.GetDisplayVisibility())
        self.panel.ui.showComparedCheckBox.click()
        self.assertTrue(first.GetDisplayVisibility())
        self.assertFalse(first.GetDisplayNode().GetVisibility2DFill())
        camera = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCameraNode")
        if camera is not None:
            bounds = [0.0] * 6
            p.result.GetRASBounds(bounds)
            for n, position in enumerate(camera.GetFocalPoint()):
                self.assertTrue(bounds[2 * n] <= position <= bounds[2 * n + 1], (bounds, camera.GetFocalPoint()))

    def test_script(self):
        """Three lines, no panel."""
        self.needEngine()
        from SAM2VolumeSeg import SAM2VolumeSegLogic

        volume, painted, _reference = load_phantom_into_scene()
        choices = ch.Choices(model=ch.ModelChoice.DEMO, coronal=False, sagittal=False, direction=ch.Direction.FORWARD)
        wanted = self.segmentIDs(painted)[:1]
        result = SAM2VolumeSegLogic().segment(volume, painted, choices, segmentIDs=wanted)
        self.assertEqual(len(self.segmentIDs(result)), 1)

    # ----------------------------------------------------------------------------------------------------------- scene

    def test_a_saved_scene_restores_everything(self):
        """Choices, marks, nodes, where a result came from, and its review."""
        self.needEngine()
        self.loadPhantom()
        self.propagate()
        p = self.panel.state.parameters
        p.radius = 0.45
        self.panel.ui.seedsTable.item(0, 0).setCheckState(qt.Qt.Unchecked)
        self.waitUntil(lambda: list(p.skipped), "the box is kept", 30)
        names = (p.volume.GetName(), p.segmentation.GetName(), p.result.GetName())
        made, skipped = p.result.GetAttribute(PROVENANCE), list(p.skipped)
        self.waitUntil(lambda: self.panel.reviewing.review is not None, "the review", 120)
        suspects = [line.key for line in self.panel.suspects.lines]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
        self.panel = self.openPanel()
        self.panel.initializeParameterNode()
        p = self.panel.state.parameters
        self.assertEqual((p.volume.GetName(), p.segmentation.GetName(), p.result.GetName()), names)
        self.assertAlmostEqual(p.radius, 0.45)
        self.assertEqual(p.result.GetAttribute(PROVENANCE), made)
        self.assertEqual(list(p.skipped), skipped)
        self.assertEqual(sum(len(slices) for slices in self.panel.state.marks.skipped.values()), 1)
        self.waitUntil(lambda: self.panel.reviewing.review is not None, "the review goes on", 120)
        self.assertEqual([line.key for line in self.panel.suspects.lines], suspects)

    def test_closing_the_scene_while_a_run_goes_on(self):
        """The run is cancelled, and the panel can be used again."""
        self.needEngine()
        self.loadPhantom()
        self.press("propagateButton")
        self.waitUntilRunning()
        slicer.app.processEvents()
        slicer.mrmlScene.Clear()
        for _round in range(20):
            slicer.app.processEvents()
        self.assertIsNone(self.panel.state.propagation)
        self.panel = self.openPanel()
        self.loadPhantom()
        self.assertTrue(self.rows())

    def test_deleting_the_ct_while_a_run_goes_on(self):
        """The run ends with a sentence; nothing is written."""
        self.needEngine()
        volume, _painted, _reference = self.loadPhantom()
        before = self.segmentationCount()
        self.press("propagateButton")
        self.waitUntilRunning()
        slicer.mrmlScene.RemoveNode(volume)
        self.waitUntil(lambda: self.panel.state.propagation is None, "the run ends")
        self.assertEqual(self.segmentationCount(), before)

    def test_an_oblique_ct_turns_the_views_or_says_why_not(self):
        """Views at an angle are noticed; the button turns them."""
        volume, _painted, _reference = self.loadPhantom()
        red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
        if red is None:
            self.skipTest("There is no slice view without a main window.")
        transform = vtk.vtkTransform()
        transform.RotateX(20)
        matrix = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(matrix)
        vtk.vtkMatrix4x4.Multiply4x4(transform.GetMatrix(), matrix, matrix)
        volume.SetIJKToRASMatrix(matrix)
        self.panel.state.viewChanged.emit()
        self.assertIn("angle", self.panel.ui.hintLabel.text)
        self.panel.ui.hintButton.click()
        self.assertNotIn("angle", self.panel.hint.hint.sentence if self.panel.hint.hint else "")

    def test_reload(self):
        """Reload, as a developer does, twice."""
        for _round in range(2):
            old = self.panel
            self.panel.onReload()
            self.panel = self.currentPanel()
            self.assertIsNot(self.panel, old)
            self.assertTrue(self.panel.ui.readyLabel.text)
            self.assertIsNone(old.state.parameters)
            if slicer.util.mainWindow() is not None:
                slicer.util.selectModule("Data")
                self.assertIsNone(self.panel.state.parameters)
                slicer.util.selectModule("SAM2VolumeSeg")
                self.assertIsNotNone(self.panel.state.parameters)
                self.assertIsNone(old.state.parameters)

    # ---------------------------------------------------------------------------------------------------------- effect

    def test_the_effect_is_in_the_editor_and_runs(self):
        """It is registered, shares the choices of the module, and makes a new segmentation."""
        if slicer.app.layoutManager() is None:
            self.loadPhantom()
            editor = self.panel.editor.widget
            self.waitUntil(lambda: "SAM2 propagate" in editor.availableEffectNames(), "it is offered", 30)
            self.skipTest("It is offered. Running it needs the slice views of the main window.")
        _volume, painted, _reference = self.loadPhantom()
        editor = self.panel.editor.widget
        self.waitUntil(lambda: "SAM2 propagate" in editor.availableEffectNames(), "the effect is offered", 30)
        editor.setActiveEffectByName("SAM2 propagate")
        self.assertIsNotNone(editor.activeEffect(), editor.availableEffectNames())
        effect = editor.activeEffect().self()
        self.assertEqual(effect.boxes["model"].currentText, ch.ModelChoice.DEMO.label())
        effect.boxes["window"].setCurrentIndex(effect.boxes["window"].findText(ch.WindowChoice.LUNG.label()))
        self.assertEqual(self.panel.state.parameters.window, ch.WindowChoice.LUNG)
        effect.boxes["window"].setCurrentIndex(effect.boxes["window"].findText(ch.WindowChoice.BONE.label()))
        self.needEngine()
        before = self.segmentationCount()
        effect.propagateButton.click()
        self.assertEqual(self.segmentationCount(), before + 1)
        self.assertIsNot(self.panel.state.parameters.result, painted)
        editor.setActiveEffect(None)


if __name__ == "__main__":
    unittest.main()
