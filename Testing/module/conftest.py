"""The module's own Python on real MRML and stand-in widgets (stand_ins.py)."""

import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.model.pace import Speed
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate
from SAM2VolumeSegLib.panel.readiness import Facts
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Plane, Volume

ROOT = Path(__file__).parents[2]
MODULE_FOLDER = ROOT / "SAM2VolumeSeg"
sys.path.insert(0, str(Path(__file__).parent))

import stand_ins  # noqa: E402


@pytest.fixture
def load_file():
    """Loads a Python file as a module: (name, path)."""
    return stand_ins.load


@pytest.fixture
def stand_in():
    """The stand-ins, for driving them: process_events."""
    return stand_ins


@pytest.fixture
def a_desktop(a_slicer_scene, monkeypatch):
    """`slicer` with stand-ins for what only the application has. errors, told, questions: boxes; answer: of one."""
    slicer = a_slicer_scene
    desktop = SimpleNamespace(errors=[], told=[], questions=[], answer=True, settings={}, status=[], testing=False)
    desktop.connected = []
    desktop.focus = lambda widget: [slot(None, widget) for signal, slot in desktop.connected if "focus" in signal]
    for name, module in stand_ins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)

    def confirm(text, title=None):
        desktop.questions.append(text)
        return desktop.answer

    settings = SimpleNamespace(value=desktop.settings.get, setValue=desktop.settings.__setitem__)
    app = SimpleNamespace(
        majorVersion=5,
        minorVersion=12,
        processEvents=lambda: None,
        testingEnabled=lambda: desktop.testing,
        userSettings=lambda: settings,
        connect=lambda signal, slot: desktop.connected.append((signal, slot)),
        disconnect=lambda signal, slot: desktop.connected.remove((signal, slot)),
        layoutManager=lambda: None,
        applicationLogic=lambda: SimpleNamespace(GetUserInformation=lambda: desktop.person),
    )
    desktop.person = slicer.vtkPersonInformation()
    monkeypatch.setattr(slicer, "app", app, raising=False)
    monkeypatch.setattr(slicer, "qSlicerSegmentEditorEffectFactory", stand_ins.effect_factory(), raising=False)
    util = slicer.util
    monkeypatch.setattr(util, "loadUI", stand_ins.load_ui, raising=False)
    monkeypatch.setattr(util, "childWidgetVariables", lambda root: SimpleNamespace(**root.widgets), raising=False)
    monkeypatch.setattr(util, "errorDisplay", lambda text, **more: desktop.errors.append(text), raising=False)
    monkeypatch.setattr(util, "infoDisplay", lambda text, **more: desktop.told.append(text), raising=False)
    monkeypatch.setattr(util, "confirmOkCancelDisplay", confirm, raising=False)
    monkeypatch.setattr(util, "showStatusMessage", lambda text, ms=0: desktop.status.append(text), raising=False)
    monkeypatch.setattr(util, "mainWindow", lambda: None, raising=False)
    stand_ins.Timer.waiting.clear()
    stand_ins.Shortcut.made.clear()
    desktop.slicer = slicer
    return desktop


@pytest.fixture
def the_package(a_desktop, monkeypatch):
    """SAM2VolumeSegPanel can be imported, afresh, as in Slicer."""
    monkeypatch.syspath_prepend(str(MODULE_FOLDER))
    for name in [name for name in sys.modules if name.split(".")[0] in ("SAM2VolumeSeg", "SAM2VolumeSegPanel")]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("SAM2VolumeSeg", "SAM2VolumeSegPanel")]:
        del sys.modules[name]


@pytest.fixture
def a_module(the_package):
    """SAM2VolumeSeg.py, freshly imported as in Slicer."""
    return stand_ins.load("SAM2VolumeSeg", MODULE_FOLDER / "SAM2VolumeSeg.py")


# ------------------------------------------------------------------------- a section alone, without scene and model


class Painted(dict):
    """A segmentation node with its segmentation: names by segment ID."""

    def GetSegmentation(self):
        return self

    def GetSegment(self, segment_id):
        return SimpleNamespace(GetName=lambda: self[segment_id]) if segment_id in self else None

    def GetNumberOfSegments(self):
        return len(self)

    def GetNthSegmentID(self, n):
        return list(self)[n]


@pytest.fixture
def a_ui():
    """The widgets of the panel."""
    return SimpleNamespace(**stand_ins.load_ui().widgets)


@pytest.fixture
def a_state(the_package):
    """The state of a panel with plain parameters, a ball painted on three axial slices, and a computer with all."""
    from SAM2VolumeSegPanel.section import Timers
    from SAM2VolumeSegPanel.state import PanelState

    k, j, i = np.indices((20, 20, 20))
    ball = (k - 10) ** 2 + (j - 10) ** 2 + (i - 10) ** 2 <= 49
    volume = Volume(ball.astype(np.int16), np.eye(4), "CT")
    seeds = [SeedSlice(Plane.AXIAL, n, ball[n]) for n in (4, 10, 16)]
    facts = Facts((3, 12), (5, 12), torch="2.8.0", torch_extension=True, sam2="1.1.0", model_present=True)
    logic = SimpleNamespace(
        updateWindow=lambda p: None,
        forget=lambda: None,
        facts=lambda choices: facts,
        findSeeds=lambda segmentation, volumeNode: (volume, {"bone": seeds}),
        devicePlan=lambda choices: ("cuda:0", 512, "key"),
        knowledge=lambda choices: None,
        isTorchLoaded=True,
        isLoaded=lambda choices: True,
        remember=lambda: None,
        remembered=SimpleNamespace(timings=estimate.Timings, plan=lambda choices: None),
    )
    own = {"scope": ch.Scope.ALL, "target": ch.Target.NEW, "show3D": False, "limitToRange": False, "keepEvidence": True}
    own |= {
        "suspectsSeen": [],
        "suspectsDone": [],
        "absent": [],
        "skipped": [],
        "marksVolume": None,
        "marksSegmentation": None,
    }
    own |= {"volume": object(), "segmentation": Painted(bone="Bone", rib="Rib"), "result": None, "compared": None}
    modify = {"StartModify": lambda: 0, "EndModify": lambda before: state.onChoicesChanged()}
    state = PanelState(logic, lambda: "bone")
    state.timers = Timers()
    state.setParameters(SimpleNamespace(**vars(ch.Choices(model=ch.ModelChoice.SMALL)), **own, **modify))
    state.lookAtComputer()
    state.findSeeds()
    state.makePlan()
    return state


# -------------------------------------------------------------------------------------- the whole panel, on real MRML


@pytest.fixture
def some_views(a_desktop):
    """The three slice views as nodes."""
    slicer = a_desktop.slicer
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene, True)
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSliceNode")
        node.UnRegister(None)
        node.SetSingletonTag(name)
        node.SetName(name)
        node.SetLayoutName(name)
        node = slicer.mrmlScene.AddNode(node)
        node.SetOrientation(orientation)
        node.JumpSlice(23.0, 19.0, 15.0)
        composite = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
        composite.UnRegister(None)
        composite.SetSingletonTag(name)
        composite.SetLayoutName(name)
        slicer.mrmlScene.AddNode(composite)
    crosshair = slicer.mrmlScene.CreateNodeByClass("vtkMRMLCrosshairNode")
    crosshair.UnRegister(None)
    crosshair.SetSingletonTag("default")
    crosshair = slicer.mrmlScene.AddNode(crosshair)

    def point_at(name):
        """Move the mouse into a view; None: out of all."""
        if name is None:
            crosshair.SetCursorPositionInvalid()
        else:
            node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
            crosshair.SetCursorPositionXYZ([10.0, 10.0, 0.0], node)

    return SimpleNamespace(point_at=point_at)


@pytest.fixture
def a_painted_scene(a_desktop, some_views):
    """A CT with one bright ellipsoid (24 x 20 x 16 voxels of 2 mm), painted on three axial slices."""
    slicer = a_desktop.slicer
    k, j, i = np.indices((16, 20, 24))
    bone = ((k - 7.5) / 5) ** 2 + ((j - 9.5) / 7) ** 2 + ((i - 11.5) / 8) ** 2 <= 1
    voxels = np.where(bone, 700, 0).astype(np.int16)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, voxels)
    volume.SetSpacing(2, 2, 2)
    volume.CreateDefaultDisplayNodes()
    painted = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Painted")
    painted.CreateDefaultDisplayNodes()
    painted.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    painted.GetSegmentation().AddEmptySegment("bone", "Bone", [0.9, 0.8, 0.6])
    scene = SimpleNamespace(volume=volume, painted=painted, bone=bone, slices=(3, 7, 12))
    scene.paint = lambda slices: paint(slicer, scene, slices)
    scene.paint(scene.slices)
    return scene


def paint(slicer, scene, slices):
    """Paint the ellipsoid on these axial slices, and nothing else."""
    mask = np.zeros(scene.bone.shape, np.uint8)
    mask[list(slices)] = scene.bone[list(slices)]
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, scene.painted, "bone", scene.volume)


@pytest.fixture
def a_panel(a_module, a_painted_scene, a_desktop):
    """The widget, open, on the painted scene, with the demo model on one axis (fast)."""
    widget = a_module.SAM2VolumeSegWidget(SimpleNamespace(isEntered=True))
    widget.setup()
    widget.enter()
    p = widget.state.parameters
    p.model = a_module.ch.ModelChoice.DEMO
    p.device = a_module.ch.Device.CPU
    p.inputSize = a_module.ch.InputSize.PIXELS_192
    p.direction = a_module.ch.Direction.FORWARD
    widget.state.makePlan()
    know_the_speed(widget)
    stand_ins.process_events(3)
    yield widget
    widget.cleanup()


def know_the_speed(widget):
    """As if the model had been measured on this computer before: what most tests are not about."""
    widget.logic.remembered.record(widget.state.plan.speedKey, asdict(Speed()))


# ------------------------------------------------------------------------------------------------------ ways and means


@pytest.fixture
def run_to_end(a_panel):
    """Presses Propagate and lets the run come to its end."""

    def run(press=True):
        if press:
            a_panel.ui.propagateButton.click()
        for _step in range(200):
            if a_panel.state.propagation is None:
                return
            stand_ins.process_events()
        raise AssertionError("the run does not end")

    return run


@pytest.fixture
def mask_of(a_painted_scene, a_desktop):
    """The voxels of a segment on the CT's grid."""

    def mask(node, segment="bone"):
        return a_desktop.slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, a_painted_scene.volume) > 0

    return mask


@pytest.fixture
def segmentations(a_desktop):
    """How many segmentations there are in the scene."""
    return lambda: a_desktop.slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
