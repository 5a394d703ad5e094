"""The driver of a real Slicer (Testing/slicer/drive.py) on stand-ins, as far as they go: its ways, and their words.

What they have not tried is in NOT_TRIED, by name: pixels, Slicer's own widgets, real time, whole runs. What brings a
press to a widget is not tried either: the hands below are in place of `mouse`, `window`, `boxes` and `freezes`.
"""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

NOT_TRIED = ()


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

        def lighten(self):
            """One segment on two axes, forward."""
            p = self.choices
            p.direction, p.scope = type(p.direction).FORWARD, type(p.scope).SELECTED
            p.sagittal = False
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


@pytest.mark.parametrize("way", ["main", "tutorial", "sizes", "defects"])
def test_a_way_is_walked_as_far_as_stand_ins_go(a_desk, way):
    module = __import__("importlib").import_module(f"driver.way_{way}")
    with a_desk.report.check("walked to its end"):
        module.walk(a_desk)
    a_desk.leave()
    a_desk.report.finish()
    assert not a_desk.report.failed, a_desk.report.failed
