"""The driver of a real Slicer (Testing/slicer/drive.py) on stand-ins, as far as they go: its ways, and their words.

What is not tried here is in NOT_TRIED, by name: pixels, Slicer's own widgets, real time, whole runs. What brings a
press to a widget is not tried either: the hands below are in place of the driver's `mouse`, `window` and `freezes`, and
of a part of its `desk`.
"""

import sys
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

# By way. Where a window has not the size that is asked for, all that is looked at in it is not tried either; without
# the effect, none of its runs.
NOT_TRIED = {
    "main": """
        main way: the window has 1366 x 768
        no freeze while painting two slices
        picture two-strokes-1366x768
        1366 x 768: propagateButton is in sight without scrolling
        no freeze while the first run of the main way
        1366 x 768: editResultButton is in sight without scrolling
        no freeze while correcting a slice
        1366 x 768: useSliceButton is in sight without scrolling
        no freeze while the run after a corrected slice
        picture main-way-1366x768
    """,
    "tutorial": """
        tutorial: the window has 1600 x 1000
        no freeze while loading the phantom
        no freeze while opening the module
        picture painted
        no freeze while going from row to row
        1600 x 1000: nextSliceButton is in sight without scrolling
        no freeze while showing what the model sees
        picture what-the-model-sees
        tutorial 5: the line above Propagate says how many slices that takes
        1600 x 1000: propagateButton is in sight without scrolling
        1600 x 1000: cancelButton is in sight without scrolling
        no freeze while the run of the tutorial
        picture running
        no freeze while the rest of the run of the tutorial
        tutorial: Dice of Bone 1 with Recommended is that of the page
        tutorial: Dice of Bone 2 with Recommended is that of the page
        picture result
        1600 x 1000: showPaintedCheckBox is in sight without scrolling
        1600 x 1000: showComparedCheckBox is in sight without scrolling
        picture compare-with-the-reference
        1600 x 1000: editResultButton is in sight without scrolling
        1600 x 1000: useSliceButton is in sight without scrolling
        1600 x 1000: takeBackButton is in sight without scrolling
        picture correcting
        no freeze while the run after the correction
        1600 x 1000: editSeedsButton is in sight without scrolling
        picture advanced
        tutorial 9: a run with Stock SAM2
        tutorial: Dice of Bone 1 with Stock SAM2 is that of the page
        tutorial: Dice of Bone 2 with Stock SAM2 is that of the page
        picture stock-sam2
        tutorial 9: a run with Paper's best
        tutorial: Dice of Bone 1 with Paper's best is that of the page
        tutorial: Dice of Bone 2 with Paper's best is that of the page
        picture papers-best
    """,
    "sizes": """
        sizes: the window has 1600 x 1000 at first
        1600 x 1000: propagateButton is in sight without scrolling
        no freeze while a run with the phantom
        1600 x 1000: editResultButton is in sight without scrolling
        1366 x 768: the window has that size
        1600 x 1000: the window has that size
        1920 x 1200: the window has that size
        sizes: the Data Probe is as it was
    """,
    "defects": """
        defects: the window has 1366 x 768
        1366 x 768: downloadButton is in sight without scrolling
        1366 x 768: propagateButton is in sight without scrolling
        no freeze while a run before the scene is closed
        1366 x 768: editResultButton is in sight without scrolling
        1366 x 768: useSliceButton is in sight without scrolling
        defect 13: the effect is in the editor of the panel
        1366 x 768: hintButton is in sight without scrolling
        picture finished-segmentation
        picture views-at-an-angle
        defect 18: a layout without slice views is said, and its button brings them back
        1366 x 768: absentButton is in sight without scrolling
        1366 x 768: cancelButton is in sight without scrolling
    """,
}


@pytest.fixture
def a_desk(a_module, a_desktop, some_views, stand_in, monkeypatch, request):
    """A desk of the driver with hands for stand-ins, and the module open at it."""
    slicer, folder = a_desktop.slicer, request.config.rootpath / "Testing" / "slicer"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(sys.modules, "ctk", SimpleNamespace())
    widget = a_module.SAM2VolumeSegWidget(SimpleNamespace(isEntered=True))
    widget.setup()
    settings = SimpleNamespace(allKeys=lambda: list(a_desktop.settings), value=a_desktop.settings.get)
    settings.setValue, settings.remove = a_desktop.settings.__setitem__, a_desktop.settings.pop
    for name, value in (("processEvents", stand_in.process_events), ("activeModalWidget", lambda: None)):
        monkeypatch.setattr(slicer.app, name, value, raising=False)
    monkeypatch.setattr(slicer.app, "userSettings", lambda: settings)
    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda name: widget, raising=False)
    for name in ("infoDisplay", "errorDisplay", "confirmOkCancelDisplay", "showStatusMessage"):
        monkeypatch.setattr(slicer.util, name, getattr(slicer.util, name))  # others are put there
    desk = make_desk(a_module, a_desktop, some_views)
    yield desk
    widget.cleanup()
    for name in [name for name in sys.modules if name.split(".")[0] == "driver"]:
        del sys.modules[name]


def make_desk(a_module, a_desktop, some_views):
    """The driver's desk, but for what needs pixels."""
    from driver.boxes import Boxes
    from driver.desk import Desk
    from driver.phantom import AXES, VIEWS
    from driver.report import NotTried, Report

    slicer = a_desktop.slicer
    no_pixels, no_editor = "stand-ins have no pixels", "the stand-in of the editor has no such button"

    class Window:
        size = (0, 0)
        main = None

        def settle(self):
            slicer.app.processEvents(2)

        def resize(self, width, height):
            self.size = width, height
            raise NotTried(no_pixels)

        def no_pixels(self, *_more):
            raise NotTried(no_pixels)

        picture = assert_in_sight = fold_data_probe = no_pixels

    class Freezes:
        @contextmanager
        def watch(self, doing, limit=None):
            yield
            with desk.report.check(f"no freeze while {doing}"):
                raise NotTried("stand-ins have no event loop")

    class StandInDesk(Desk):
        is_light = True

        def widget(self, name):
            own = getattr(self.ui, name, None)
            if own is None:
                raise NotTried(f"{no_editor}: {name}")
            return own

        def status(self):
            text, milliseconds = said[-1]
            return "" if 0 < milliseconds <= 5000 else text  # gone by the time that it is asked for

        def scrolled(self):
            return self.ui.scrollArea.values.get("scrolled", 0)

        def colour(self, name):
            return self.widget(name).palette["Window"]

        def no_pixels(self, *_more):
            raise NotTried(no_pixels)

        views = view = places = hide_slice_views = no_pixels

        def open_module(self, name="SAM2VolumeSeg"):
            self.panel.parent.isEntered = name == "SAM2VolumeSeg"
            (self.panel.enter if self.panel.parent.isEntered else self.panel.exit)()
            self.window.settle()

        def load_sample(self):
            nodes = a_module.loadPhantom()
            for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
                composite = slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
                composite.SetBackgroundVolumeID(nodes[0].GetID())
            self.window.settle()
            return nodes

        def load_ct(self):
            volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
            volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(self.phantom.volume.ijk_to_ras))
            slicer.util.updateVolumeFromArray(volume, self.phantom.volume.voxels)
            volume.CreateDefaultDisplayNodes()
            self.window.settle()
            return volume

        def press_in_editor(self, name):
            node = self.panel.editor.widget.segmentationNode()
            if name == "AddSegmentButton":
                self.panel.editor.widget.setCurrentSegmentID(node.GetSegmentation().AddEmptySegment("added", "Segment"))
            elif name not in ("Paint", "Erase"):
                raise NotTried(f"{no_editor}: {name}")
            self.clicks.append("Add" if name == "AddSegmentButton" else name)
            self.window.settle()

        def tick(self, name):
            self._push(name)

        def open_section(self, name, opened=True):
            self.widget(f"{name}CollapsibleButton").collapsed = not opened

        def choose(self, name, text):
            combo = self.widget(name)
            texts = [item[0] for item in combo.items]
            combo.currentIndex = texts.index(text)
            combo.emit("activated(int)", combo.currentIndex)
            self.window.settle()

        def press_row(self, row, column=1):
            table = self.ui.seedsTable
            table.setCurrentCell(row, column)
            if column == 0:
                item = table.item(row, 0)
                item.setCheckState(0 if item.checkState() else 2)
            table.emit("cellClicked(int,int)", row, column)
            self.window.settle()

        def point_at(self, view):
            some_views.point_at(view)
            self.window.settle()

        def stroke(self, view, label, index):
            self.scroll(view, index)
            self.point_at(view)
            node, name = self.panel.editor.widget.segmentationNode(), self.phantom.names[label]
            segment_id = node.GetSegmentation().GetSegmentIdBySegmentName(name)
            volume = self.choices.volume
            mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, volume).astype(np.uint8)
            place = [slice(None)] * 3
            place[AXES[VIEWS[view]]] = index
            mask[tuple(place)] |= self.phantom.on_slice(label, VIEWS[view], index)
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, volume)
            self.clicks.append(f"a stroke in {view}")
            self.window.settle()

    said = [("", 0)]
    slicer.util.showStatusMessage = lambda text, ms=0: said.append((text, ms))
    desk = StandInDesk(Report(), Window(), Freezes(), Boxes())
    return desk


@pytest.mark.parametrize("way", NOT_TRIED)
def test_a_way_is_walked_as_far_as_stand_ins_go(a_desk, way):
    report = a_desk.report
    with report.check("walked to its end"):
        import_module(f"driver.way_{way}").walk(a_desk)
    a_desk.leave()
    assert report.finish() == 0, report.failed
    assert set(report.not_tried) == {line.strip() for line in NOT_TRIED[way].strip().splitlines()}


def test_a_check_that_fails_is_named_and_the_next_one_is_made(a_desk, capsys):
    report, go_on = a_desk.report, []
    with report.check("the sky is green"):
        raise AssertionError("it is blue")
    with report.check("the next one"):
        go_on.append(True)
    assert go_on and report.finish() == 1
    said = capsys.readouterr().out
    assert "FAILED     the sky is green: AssertionError: it is blue" in said and "test_driver.py:" in said
    assert "passed     the next one" in said


def test_without_a_window_or_the_module_the_driver_says_what_it_needs(a_desktop, request, load_file, capsys):
    drive = load_file("drive", request.config.rootpath / "Testing" / "slicer" / "drive.py")
    assert drive.drive([]) == 2 and "main window" in capsys.readouterr().out  # noqa: PLR2004 - as its page says


def test_what_is_painted_by_a_brush_is_the_bone(a_desk):
    """The strokes of the driver, as discs of the brush along their way: on every slice that is painted in its ways."""
    from driver.desk import BRUSH

    phantom = a_desk.phantom
    to_voxels = np.linalg.inv(phantom.volume.ijk_to_ras)
    for plane, part in (("axial", 0.5), ("coronal", 0.3), ("axial", 0.25), ("axial", 0.3), ("sagittal", 0.3)):
        index = phantom.between(1, plane, part)
        wanted = phantom.on_slice(1, plane, index)
        points = [(to_voxels @ [*point, 1])[2::-1] for point in phantom.fill(1, plane, index, BRUSH)]
        axis = ("axial", "coronal", "sagittal").index(plane)
        assert np.allclose([point[axis] for point in points], index)
        flat = np.delete(points, axis, axis=1)
        way = np.concatenate([np.linspace(*ends, 40) for ends in zip(flat[:-1], flat[1:], strict=True)])
        rows, columns = np.indices(wanted.shape)
        painted = np.zeros(wanted.shape, bool)
        for row, column in way:
            painted |= np.hypot(rows - row, columns - column) * phantom.volume.spacing[0] <= BRUSH / 2
        assert 2 * (painted & wanted).sum() / (painted.sum() + wanted.sum()) > 0.9, (plane, part)  # noqa: PLR2004
