"""The module's own Python on real MRML and stand-in widgets (stand_ins.py)."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.panel.estimate import Speed

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
    """The stand-ins, for driving them: process_events, Timer."""
    return stand_ins


@pytest.fixture
def a_desktop(a_slicer_scene, monkeypatch):
    """`slicer` with stand-ins for what only the application has. errors, questions: shown; answer: of a box."""
    slicer = a_slicer_scene
    desktop = SimpleNamespace(errors=[], questions=[], answer=True, settings={}, status=[], testing=False)
    modules = {
        "qt": stand_ins.qt_module(),
        "slicer.i18n": stand_ins.module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text),
        "slicer.parameterNodeWrapper": stand_ins.module(
            "slicer.parameterNodeWrapper",
            parameterNodeWrapper=stand_ins.parameter_node_wrapper,
            WithinRange=stand_ins.WithinRange,
        ),
        "slicer.ScriptedLoadableModule": stand_ins.module(
            "slicer.ScriptedLoadableModule",
            ScriptedLoadableModule=stand_ins.ScriptedLoadableModule,
            ScriptedLoadableModuleWidget=stand_ins.ScriptedLoadableModuleWidget,
            ScriptedLoadableModuleLogic=stand_ins.ScriptedLoadableModuleLogic,
            ScriptedLoadableModuleTest=type("ScriptedLoadableModuleTest", (), {}),
        ),
    }
    for name, module in modules.items():
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
        connect=lambda signal, slot: desktop.status.append(signal),
    )
    monkeypatch.setattr(slicer, "app", app, raising=False)
    monkeypatch.setattr(slicer, "qSlicerSegmentEditorEffectFactory", stand_ins.EffectFactory(), raising=False)
    util = slicer.util
    monkeypatch.setattr(util, "loadUI", stand_ins.load_ui, raising=False)
    monkeypatch.setattr(util, "childWidgetVariables", lambda root: SimpleNamespace(**root.widgets), raising=False)
    monkeypatch.setattr(util, "errorDisplay", lambda text, **more: desktop.errors.append(text), raising=False)
    monkeypatch.setattr(util, "confirmOkCancelDisplay", confirm, raising=False)
    monkeypatch.setattr(util, "showStatusMessage", lambda text, ms=0: desktop.status.append(text), raising=False)
    monkeypatch.setattr(util, "mainWindow", lambda: None, raising=False)
    stand_ins.Timer.queue.clear()
    stand_ins.Timer.active.clear()
    desktop.slicer = slicer
    return desktop


@pytest.fixture
def a_module(a_desktop, monkeypatch):
    """SAM2VolumeSeg.py, freshly imported as in Slicer."""
    monkeypatch.syspath_prepend(str(MODULE_FOLDER))
    for name in [name for name in sys.modules if name.split(".")[0] in ("SAM2VolumeSeg", "SAM2VolumeSegPanel")]:
        del sys.modules[name]
    yield stand_ins.load("SAM2VolumeSeg", MODULE_FOLDER / "SAM2VolumeSeg.py")
    for name in [name for name in sys.modules if name.split(".")[0] in ("SAM2VolumeSeg", "SAM2VolumeSegPanel")]:
        del sys.modules[name]


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
    timings = widget.logic.timings()
    timings.record(widget.state.plan.speedKey, Speed(0.02, 0.01, 0.001))
    widget.logic._keepTimings(timings)
