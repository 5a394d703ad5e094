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
from SAM2VolumeSegLib.propagation.choices import PRESETS  # noqa: E402
from SAM2VolumeSegLib.propagation.workload import workload  # noqa: E402
from SAM2VolumeSegLib.seeds import simulate_seeds  # noqa: E402
from SAM2VolumeSegLib.volume import Plane, Volume  # noqa: E402

WIDTH, HEIGHT = 462, 525
"""What a window of 1366 x 768 leaves for the module, with the Data Probe closed."""
EDITOR = 440
"""Height of Slicer's Segment Editor with an effect that has few options."""


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A header; below it what it holds, or nothing."""

    HEADER = 26

    def __init__(self, parent=None):
        super().__init__(parent)
        self.title, self.isCollapsed = "", False
        self.setContentsMargins(0, self.HEADER, 0, 0)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        painter.setPen(QtCore.Qt.GlobalColor.gray)
        painter.drawRoundedRect(0, 1, self.width() - 1, self.HEADER - 4, 3, 3)
        painter.setPen(QtCore.Qt.GlobalColor.black)
        painter.drawText(8, 16, ("\u25b8 " if self.isCollapsed else "\u25be ") + self.title)

    def collapse(self, collapsed):
        self.isCollapsed = collapsed
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(not collapsed)
        self.setMaximumHeight(self.HEADER if collapsed else 16777215)

    text = QtCore.Property(str, lambda self: self.title, lambda self, text: setattr(self, "title", text))
    collapsed = QtCore.Property(
        bool, lambda self: self.isCollapsed, lambda self, collapsed: setattr(self, "isCollapsed", collapsed)
    )


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


class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Boxes where Slicer's Segment Editor has its lists, effects and options, in its sizes."""

    PARTS = {
        (0, 0, 1, 24): "Segmentation: Phantom seeds", (0, 28, 1, 24): "Source volume: SAM2VolumeSeg phantom",
        (0, 58, 0.33, 26): "+ Add", (0.34, 58, 0.33, 26): "- Remove", (0.68, 58, 0.32, 26): "Show 3D",
        (0, 90, 0.18, 282): "effects", (0, 380, 0.18, 50): "undo", (0.2, 90, 0.8, 190): "segments",
        (0.2, 300, 0.8, 130): "options of the effect",
    }  # fmt: skip

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setFixedHeight(EDITOR)
        self.setMinimumWidth(420)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        for (x, y, width, height), text in self.PARTS.items():
            painter.setPen(QtCore.Qt.GlobalColor.lightGray)
            box = QtCore.QRectF(x * self.width(), y, width * self.width() - 2, height)
            painter.drawRect(box)
            painter.setPen(QtCore.Qt.GlobalColor.darkGray)
            painter.drawText(box, QtCore.Qt.AlignmentFlag.AlignCenter, text)


class qMRMLWidget(QtWidgets.QWidget):
    """The panel itself."""

    mrmlSceneChanged = QtCore.Signal(object)


def fill(find):
    """The texts and rows of a panel in use: a run is over, and its result is being corrected."""
    combos = {
        "windowComboBox": ch.WindowChoice, "scopeComboBox": ch.Scope, "targetComboBox": ch.Target,
        "modelComboBox": ch.ModelChoice, "ownArchitectureComboBox": ch.Architecture, "deviceComboBox": ch.Device,
        "inputSizeComboBox": ch.InputSize, "directionComboBox": ch.Direction, "embeddingsComboBox": ch.Embeddings,
        "fusionComboBox": ch.Fusion, "strideComboBox": ch.Stride, "cropComboBox": ch.Crop,
    }  # fmt: skip
    defaults = {field.type: field.default for field in fields(ch.Choices)}
    for name, choice in combos.items():
        find(name).addItems([member.label() for member in choice])
        find(name).setCurrentText(defaults.get(choice.__name__, next(iter(choice))).label())
    find("presetComboBox").addItems([preset.label for preset in PRESETS])
    for name in (
        "showWindowCheckBox", "axialCheckBox", "coronalCheckBox", "sagittalCheckBox", "dropIslandsCheckBox",
        "edgesCheckBox", "extendCheckBox", "show3DCheckBox", "showResultCheckBox", "showComparedCheckBox",
        "editResultButton",
    ):  # fmt: skip
        find(name).setChecked(True)
    for name in (
        "measureButton",
        "hintOtherButton",
        "hintThirdButton",
        "downloadProgressBar",
        "cancelDownloadButton",
        "writingLabel",
        "resultNoteLabel",
    ):
        find(name).setVisible(False)  # the time is known, nothing is downloaded

    facts = readiness.Facts((3, 12), (5, 12), torch="2.8.0", sam2="1.1.0", model_megabytes=184.4)
    requirements = readiness.check(facts)
    lines = [*(item.sentence for item in requirements.missing)]
    lines.append(", ".join(item.sentence for item in requirements if item.ready) + ".")
    find("readinessLabel").setText("\n".join(lines))
    find("readyLabel").setText("not ready")
    find("hintLabel").setText(requirements.missing[0].sentence)
    find("hintButton").setText("Download...")
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
    find("seedsTable").setFixedHeight(24 + 20 * len(rows))
    find("seedsCollapsibleButton").setProperty("text", "Painted slices of \u201cL3\u201d")
    advice = advise(seeds, volume)
    find("adviceLabel").setText(f"{advice.sentence}\n{advice.then}")
    fill_with(find("seedsLight"), advice.quality.value)
    fill_with(find("editingBar"), "#ffcc80")  # the result is edited
    sight = Sight(volume, {"L3": seeds}, Settings(), 512)
    find("previewLabel").setText(preview_sentence(sight, "L3"))
    find("estimateLabel").setText(estimate.before_sentence(workload(sight), "cuda:0", 38))
    find("progressBar").setValue(0)
    find("progressBar").setTextVisible(False)
    find("progressLabel").setText("Done in 40 s: \u201cL3 painted (Recommended)\u201d.")
    find("reviewTable").setFixedHeight(66)
    table(find("reviewTable"), [("L3", "0.93 (0.88 to 0.96)", "2, 1 done", "Fix \u2605\u2605\u2605")])
    find("reviewTable").item(0, 1).setData(QtCore.Qt.ItemDataRole.DecorationRole, bar(0.76, 0.86, 0.92))
    find("reviewTable").resizeColumnsToContents()
    find("reviewLabel").setText(
        "4 painted slices between others, each left out, were found again with Dice 0.93 on average; the worst: axial "
        "S 12.0 mm, 0.88."
    )
    suspects = [
        ("", "sagittal L: 33.75mm", "312 mm\u00b3", "Too much: the axes disagree"),
        ("new", "axial S: 14.25mm", "85 mm\u00b3", "Surface elsewhere: far from any known slice (11 mm)"),
    ]
    table(find("suspectsTable"), suspects, check=True)
    find("keepEvidenceCheckBox").setChecked(True)
    find("verdictComboBox").addItems(["not given", "Accept", "Fix", "Reject"])
    find("verdictComboBox").setCurrentIndex(2)
    find("starsComboBox").addItems(["-", *("\u2605" * n for n in range(1, 6))])
    find("starsComboBox").setCurrentIndex(3)
    find("commentLineEdit").setText("left pedicle")
    find("verdictLabel").setText("By reader 1, 2026-01-02T03:04:05+00:00, with SAM2VolumeSeg 0.1.0, Slicer 5.12.")
    find("plotComboBox").addItems([axis.label() for axis in ch.PlotAxis])
    for name in ("windowLowerSpinBox", "windowUpperSpinBox", "rangeLowerSpinBox", "rangeUpperSpinBox"):
        find(name).setEnabled(False)


def bar(lower, dice, upper):
    """The bar of an expected Dice, as the panel draws it."""
    pixmap = QtGui.QPixmap(80, 12)
    pixmap.fill(QtGui.QColor("#eceff1"))
    painter = QtGui.QPainter(pixmap)
    painter.fillRect(round(78 * lower), 2, round(78 * (upper - lower)) + 2, 8, QtGui.QColor("#64b5f6"))
    painter.fillRect(round(78 * dice), 0, 2, 12, QtGui.QColor("#0d47a1"))
    painter.end()
    return pixmap


def fill_with(widget, colour):
    palette = widget.palette()
    palette.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor(colour))
    widget.setPalette(palette)


def table(widget, rows, check=False):
    widget.setRowCount(len(rows))
    widget.verticalHeader().setMinimumSectionSize(20)
    widget.verticalHeader().setDefaultSectionSize(20)
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


def drawn(panel, height):
    """The panel at this height; it is as wide as Slicer gives it."""
    for _round in range(2):
        panel.resize(WIDTH, height)
        QtWidgets.QApplication.processEvents()
    return panel.grab().toImage()


def in_slicer(panel):
    """The panel in a frame like Slicer's: an area that scrolls, with the help's header above the module."""
    area, contents, module = QtWidgets.QScrollArea(), QtWidgets.QWidget(), QtWidgets.QWidget()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    rows = QtWidgets.QVBoxLayout(contents)
    rows.setSizeConstraint(QtWidgets.QLayout.SizeConstraint.SetMinAndMaxSize)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.addWidget(QtWidgets.QPushButton("Help & Acknowledgement"))
    rows.addWidget(module, 1)
    rows.addStretch()
    own = QtWidgets.QVBoxLayout(module)
    own.setContentsMargins(0, 0, 0, 0)
    own.addWidget(panel)
    module.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
    area.setWidget(contents)
    return area


def say_what_is_in_sight(panel):
    """Say whether the panel scrolls as a whole (it should not), and where Propagate is, at several heights."""
    frame = in_slicer(panel)
    propagate = panel.findChild(QtWidgets.QWidget, "propagateButton")
    for what, height in (("1366 x 768, Data Probe open", 448), ("1366 x 768", 555), ("1600 x 1000", 705)):
        for _round in range(4):
            frame.resize(WIDTH + 20, height)
            frame.show()
            QtWidgets.QApplication.processEvents()
        below = height - propagate.mapTo(frame, QtCore.QPoint(0, 0)).y()
        hidden = frame.verticalScrollBar().maximum()
        print(f"{what}: {hidden} pixels are out of sight, Propagate begins {below} above the lower edge.")
    panel.setParent(None)


def main():
    application = QtWidgets.QApplication([])
    loader = QtUiTools.QUiLoader()
    for made in (
        qMRMLWidget, ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget, qMRMLNodeComboBox, qMRMLSegmentEditorWidget
    ):  # fmt: skip
        loader.registerCustomWidget(made)
    panel = loader.load(str(ROOT / "SAM2VolumeSeg" / "Resources" / "UI" / "SAM2VolumeSeg.ui"))
    fill(lambda name: panel.findChild(QtWidgets.QWidget, name))
    panel.show()
    application.processEvents()
    folded = [button for button in panel.findChildren(ctkCollapsibleButton) if button.isCollapsed]
    for button in folded:
        button.collapse(True)
    say_what_is_in_sight(panel)
    panel.show()
    print(f"At least {panel.minimumSizeHint().width()} x {panel.minimumSizeHint().height()} pixels.")
    hint = panel.findChild(QtWidgets.QWidget, "hintBar")
    ready = panel.findChild(QtWidgets.QWidget, "readyLabel")
    hint.setVisible(False)
    ready.setText("ready")
    small = drawn(panel, HEIGHT)
    hint.setVisible(True)
    ready.setText("not ready")
    for button in folded:
        button.collapse(False)
    contents, area = (panel.findChild(QtWidgets.QWidget, name) for name in ("scrollContents", "scrollArea"))
    application.processEvents()
    drawn(panel, contents.sizeHint().height() + 260)
    needed = contents.layout().heightForWidth(area.viewport().width())
    whole = drawn(panel, panel.height() - area.height() + max(needed, contents.minimumSizeHint().height()))
    print(f"What can be scrolled is at least {contents.minimumSizeHint().width()} pixels wide.")
    print("\n".join(wrong_tab_stops(panel)) or "Tab goes from top to bottom.")
    # Left as a small screen shows it; then all that it has, in two columns.
    split = panel.findChild(QtWidgets.QWidget, "optionsCollapsibleButton").mapTo(panel, QtCore.QPoint(0, 0)).y() - 3
    rest = whole.height() - split
    picture = QtGui.QImage(3 * WIDTH + 24, max(split, rest, HEIGHT), QtGui.QImage.Format.Format_RGB32)
    picture.fill(QtCore.Qt.GlobalColor.white)
    painter = QtGui.QPainter(picture)
    painter.drawImage(0, 0, small)
    painter.drawImage(WIDTH + 12, 0, whole, 0, 0, WIDTH, split)
    painter.drawImage(2 * WIDTH + 24, 0, whole, 0, split, WIDTH, rest)
    painter.end()
    picture.save(str(ROOT / "Resources" / "module-panel.png"))


if __name__ == "__main__":
    main()
