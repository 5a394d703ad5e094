"""Draw the panel to Resources/module-panel.png, to be looked at: words, alignment, order. Not a test.

    QT_QPA_PLATFORM=offscreen python Testing/module/render_panel.py

Needs PySide6 (PySide6-Essentials is enough) beside this project. CTK's and Slicer's widgets are placeholders; the texts
are those the module shows for a painted phantom.
"""

import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from SAM2VolumeSegLib.model import checkpoints  # noqa: E402
from SAM2VolumeSegLib.panel import choices as ch  # noqa: E402
from SAM2VolumeSegLib.panel import estimate, readiness  # noqa: E402
from SAM2VolumeSegLib.panel.advice import advise  # noqa: E402
from SAM2VolumeSegLib.panel.preview import preview_sentence  # noqa: E402
from SAM2VolumeSegLib.panel.seed_table import seed_rows  # noqa: E402
from SAM2VolumeSegLib.propagation import Settings, Sight  # noqa: E402
from SAM2VolumeSegLib.seeds import simulate_seeds  # noqa: E402
from SAM2VolumeSegLib.volume import Plane, Volume  # noqa: E402

WIDTH = 440


class ctkCollapsibleButton(QtWidgets.QGroupBox):
    """Always open."""

    text = QtCore.Property(str, lambda self: self.title(), lambda self, text: self.setTitle(text))
    collapsed = QtCore.Property(bool, lambda self: False, lambda self, collapsed: None)


class Placeholder(QtWidgets.QLabel):
    """A widget that only Slicer has."""

    what, height = "", 24

    def __init__(self, parent=None):
        super().__init__(self.what, parent)
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self.setMinimumHeight(self.height)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a number."""

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal))
        box = QtWidgets.QDoubleSpinBox()
        box.setValue(0.3)
        layout.addWidget(box)


class ctkPathLineEdit(Placeholder):
    what = "file\u2026"


class qMRMLNodeComboBox(Placeholder):
    what = "CT segmented by SAM2"


class qMRMLSegmentEditorWidget(Placeholder):
    what, height = "Slicer's Segment Editor", 130


class qMRMLWidget(QtWidgets.QWidget):
    """The panel itself."""

    mrmlSceneChanged = QtCore.Signal(object)


def fill(find):
    """The texts and rows of a panel in use."""
    combos = {
        "viewComboBox": ch.ViewChoice, "windowComboBox": ch.WindowChoice, "scopeComboBox": ch.Scope,
        "targetComboBox": ch.Target, "modelComboBox": ch.ModelChoice, "ownArchitectureComboBox": ch.Architecture,
        "deviceComboBox": ch.Device, "inputSizeComboBox": ch.InputSize, "directionComboBox": ch.Direction,
        "embeddingsComboBox": ch.Embeddings, "fusionComboBox": ch.Fusion, "strideComboBox": ch.Stride,
        "cropComboBox": ch.Crop,
    }  # fmt: skip
    defaults = {field.type: field.default for field in fields(ch.Choices)}
    for name, choice in combos.items():
        find(name).addItems([member.label() for member in choice])
        find(name).setCurrentText(defaults.get(choice.__name__, next(iter(choice))).label())
    find("showWindowCheckBox").setChecked(True)
    find("measureButton").setVisible(False)  # the time is known
    for name in ("axialCheckBox", "coronalCheckBox", "sagittalCheckBox", "dropIslandsCheckBox", "show3DCheckBox"):
        find(name).setChecked(True)

    facts = readiness.Facts((3, 12), (5, 12), torch="2.8.0", sam2="1.1.0", model_megabytes=184.4)
    requirements = readiness.check(facts)
    find("headlineLabel").setText(requirements.headline)
    lines = [item.sentence for item in requirements.missing]
    lines.append(", ".join(item.sentence for item in requirements if item.ready) + ".")
    find("readinessLabel").setText("\n".join(f"\u2022 {line}" for line in lines))
    models = [
        (model.name, f"{model.size / 1e6:.0f} MB", "no" if model.is_official else "bundled")
        for model in checkpoints.MODELS.values()
    ]
    table(find("modelsTable"), models)

    k, j, i = np.indices((60, 60, 60))
    bone = ((k - 30) / 20) ** 2 + ((j - 30) / 14) ** 2 + ((i - 30) / 16) ** 2 <= 1
    volume = Volume(bone.astype(np.int16), np.diag([1.0, 1.0, 1.5, 1.0]))
    seeds = simulate_seeds(bone, volume, "first-middle-last", [Plane.AXIAL])
    rows = seed_rows(seeds, volume, [(Plane.AXIAL, 55)], [])
    table(find("seedsTable"), [("", row.plane.value, row.position, row.area) for row in rows], check=True)
    find("seedsLabel").setText("Painted slices of \u201cL3\u201d:")
    advice = advise(seeds, volume)
    find("adviceLabel").setText(f"{advice.sentence} {advice.reason}")
    find("viewsLabel").setText('The view "Red" lies at an angle to the slices of "CT". Rotate the views first.')
    find("previewLabel").setText(preview_sentence(Sight(volume, {"L3": seeds}, Settings(), 512), "L3"))
    find("estimateLabel").setText(estimate.before_sentence(240, "cuda:0", 38))
    find("progressBar").setValue(40)
    find("progressLabel").setText("L3: axial slice at S 44.5 mm, 96 of 240. About 23 s left.")
    for name in ("windowLowerSpinBox", "windowUpperSpinBox", "rangeLowerSpinBox", "rangeUpperSpinBox"):
        find(name).setEnabled(False)


def table(widget, rows, check=False):
    widget.setRowCount(len(rows))
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            item = QtWidgets.QTableWidgetItem(text)
            if check and c == 0:
                item.setCheckState(QtCore.Qt.CheckState.Checked)
            widget.setItem(r, c, item)
    widget.resizeColumnsToContents()
    widget.verticalHeader().setVisible(False)
    widget.horizontalHeader().setStretchLastSection(True)


def wrong_tab_stops(panel):
    """Fields that Tab reaches before one that is above them (more than a line)."""
    found, widget = [], panel.nextInFocusChain()
    top, before = 0, None
    while widget is not panel:
        visible = widget.isVisibleTo(panel) and widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus
        if visible and widget.objectName() and not widget.objectName().startswith("qt_"):
            y = widget.mapTo(panel, QtCore.QPoint(0, 0)).y()
            if y < top - 10:
                found.append(f"{widget.objectName()} comes after {before}")
            top, before = y, widget.objectName()
        widget = widget.nextInFocusChain()
    return found


def main():
    application = QtWidgets.QApplication([])
    loader = QtUiTools.QUiLoader()
    for made in (
        qMRMLWidget, ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget, qMRMLNodeComboBox, qMRMLSegmentEditorWidget
    ):  # fmt: skip
        loader.registerCustomWidget(made)
    panel = loader.load(str(ROOT / "SAM2VolumeSeg" / "Resources" / "UI" / "SAM2VolumeSeg.ui"))
    fill(lambda name: panel.findChild(QtWidgets.QWidget, name))
    panel.resize(WIDTH, panel.layout().heightForWidth(WIDTH))
    panel.show()
    application.processEvents()
    panel.resize(WIDTH, panel.layout().heightForWidth(WIDTH))
    application.processEvents()
    print("\n".join(wrong_tab_stops(panel)) or "Tab goes from top to bottom.")
    # Two columns, so that the picture fits a page: set up to window, and propagate to advanced.
    whole = panel.grab().toImage()
    split = panel.findChild(QtWidgets.QWidget, "windowCollapsibleButton").y() - 3
    height = max(split, whole.height() - split)
    picture = QtGui.QImage(2 * whole.width() + 12, height, QtGui.QImage.Format.Format_RGB32)
    picture.fill(QtCore.Qt.GlobalColor.white)
    painter = QtGui.QPainter(picture)
    painter.drawImage(0, 0, whole, 0, 0, whole.width(), split)
    painter.drawImage(whole.width() + 12, 0, whole, 0, split, whole.width(), whole.height() - split)
    painter.end()
    picture.save(str(ROOT / "Resources" / "module-panel.png"))


if __name__ == "__main__":
    main()
