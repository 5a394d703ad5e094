"""What somebody in front of Slicer can do with this module."""

import tempfile
from pathlib import Path

import slicer

from driver import mouse
from driver.eyes import Eyes
from driver.phantom import VIEWS, Phantom
from SAM2VolumeSegLib.scene import jump_to_slice
from SAM2VolumeSegLib.volume import Plane

BRUSH = 4.5
"""Diameter of the brush in mm: it fills the thin parts of the phantom's bones as well."""


class Desk(Eyes):
    """The running application with its module.

    Attributes:
        boxes, freezes: `Boxes`, `Freezes`.
        phantom: the answer, a `Phantom`.
        clicks: what was pressed and drawn since it was emptied, in the words on the screen.
        is_light: whether all runs are to be short; then what a whole run shows is not checked.
    """

    is_light = False

    def __init__(self, report, window, freezes, boxes):
        super().__init__(report, window)
        self.freezes, self.boxes, self.phantom = freezes, boxes, Phantom()
        self.clicks = []
        self._settings = self._own_settings()

    # ----------------------------------------------------------------------------------------------------------- scene

    def open_module(self, name="SAM2VolumeSeg"):
        """Show a module."""
        slicer.util.selectModule(name)
        self.window.settle()

    def load_sample(self):
        """Press the button in Sample Data; returns CT, painted slices and reference."""
        self.open_module("SampleData")
        button = self.wait(
            lambda: slicer.util.findChildren(self.window.main, name="SAM2VolumeSegPhantomPushButton"),
            "Sample Data offers the phantom",
        )[0]
        button.click()
        self.window.settle()
        self.picture("sample-data")
        return [slicer.util.getNode(name) for name in (self.phantom.volume.name, "Phantom seeds", "Phantom reference")]

    def load_ct(self):
        """Load the CT alone, from a file, as a user does."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "CT.nrrd")
            made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "made")
            made.SetHideFromEditors(True)  # not yet loaded
            made.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(self.phantom.volume.ijk_to_ras))
            slicer.util.updateVolumeFromArray(made, self.phantom.volume.voxels)
            assert slicer.util.saveNode(made, path), f"{path} was not written"
            slicer.mrmlScene.RemoveNode(made)
            volume = slicer.util.loadVolume(path)
        self.window.settle()
        return volume

    def close_scene(self):
        """Close the scene, as File, Close Scene does; views that were turned come back as they are at first.

        Slicer itself leaves them all axial then.
        """
        slicer.mrmlScene.Clear()
        for view, plane in VIEWS.items():
            slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceNode").SetOrientation(plane.capitalize())
        self.window.settle()

    # ----------------------------------------------------------------------------------------------------------- panel

    def press(self, name):
        """Press a button or a box of the panel that can be pressed, and is in sight."""
        self.window.settle()
        self.is_in_sight(name)
        self._push(name)

    def press_in_editor(self, name):
        """Press a button of the Segment Editor in the panel."""
        self.press(name)

    def tick(self, name):
        """Press a button or a box of the panel that may have to be scrolled to."""
        self.scroll_to(self.widget(name))
        self.window.assert_in_sight(self.widget(name), name)
        self._push(name)

    def _push(self, name):
        widget = self.widget(name)
        self.wait(lambda: widget.enabled, f"{name} can be pressed")
        self.clicks.append(widget.text)
        widget.click()
        self.window.settle()

    def scroll_to(self, widget):
        """Scroll the panel to a widget."""
        self.ui.scrollArea.ensureWidgetVisible(widget)
        self.window.settle()

    def open_section(self, name, opened=True):
        """Press on the title of a section of the panel, unless it is open, or closed, already."""
        section = self.widget(f"{name}CollapsibleButton")
        if section.collapsed == opened:
            self.scroll_to(section)
            section.click()
            self.window.settle()
        assert section.collapsed != opened, f"a press on its title leaves the section {name} as it was"

    def choose(self, name, text):
        """Choose from a list of the panel, by keyboard."""
        self.scroll_to(self.widget(name))
        mouse.choose(self.widget(name), text)
        self.window.settle()

    def choose_node(self, name, node):
        """Choose a node from a list of the panel."""
        self.widget(name).setCurrentNode(node)
        self.window.settle()

    def press_row(self, row, column=1):
        """Press into a line of the table of painted slices; column 0 is its box."""
        self.scroll_to(self.ui.seedsTable)
        mouse.click_cell(self.ui.seedsTable, row, column)
        self.window.settle()

    # ----------------------------------------------------------------------------------------------------------- views

    def hide_slice_views(self):
        """Choose the layout with a 3D view alone."""
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
        self.window.settle()

    def point_at(self, view):
        """Move the mouse in a slice view."""
        slicer.util.clickAndDrag(self.view(view), button="None", start=(20, 20), end=(40, 40), steps=3)
        self.window.settle()

    def scroll(self, view, index):
        """Bring a slice of the CT into a view."""
        jump_to_slice(self.choices.volume, Plane(VIEWS[view]), index)
        self.window.settle()

    def stroke(self, view, label, index):
        """Fill a bone of the phantom on a slice in a view: one stroke with the brush that is active.

        Its size was set once, as a user keeps it: no press is counted for that.
        """
        self.scroll(view, index)
        effect = self.panel.editor.widget.activeEffect()
        assert effect is not None, "no effect of the editor is active"
        effect.setParameter("BrushSphere", "0")
        effect.setCommonParameter("BrushDiameterIsRelative", "0")
        effect.setCommonParameter("BrushAbsoluteDiameter", str(BRUSH))
        slicer.app.processEvents()
        points = self.phantom.fill(label, VIEWS[view], index, BRUSH)
        mouse.drag(self.view(view), mouse.pixels(self.view(view).mrmlSliceNode(), points))
        self.clicks.append(f"a stroke in {view}")
        self.window.settle()

    # ---------------------------------------------------------------------------------------------------------- ending

    @staticmethod
    def _own_settings():
        """What the module keeps in the application's settings, by key."""
        settings = slicer.app.userSettings()
        return {key: settings.value(key) for key in settings.allKeys() if key.startswith("SAM2VolumeSeg/")}

    def leave(self):
        """Put back what is not the scene's."""
        self.close_scene()
        self.boxes.close()
        settings = slicer.app.userSettings()
        for key in self._own_settings():
            settings.remove(key)
        for key, value in self._settings.items():
            settings.setValue(key, value)
