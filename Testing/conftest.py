"""Fixtures shared by all tests: real CT, real labels, real MRML."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, settings

from SAM2VolumeSegLib.volume import Volume, read_volume

SHARED_DATA = "SAM2VOLUMESEG_DATA"

# A machine that is busy with something else must not fail: hypothesis stops the time of an example, and of drawing it.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_collection_modifyitems(items):
    """Whatever uses a tracker is numeric; files that load a model in another way say so themselves."""
    for item in items:
        if {"a_tracker", "a_fast_tracker"} & set(item.fixturenames):
            item.add_marker(pytest.mark.numeric)


@pytest.fixture(scope="session")
def sample_ct_folder() -> Path:
    """The real CT (73 x 47 x 73, 1.5 mm, PIR) that the package TPTBox ships. Found without importing TPTBox."""
    return Path(importlib.util.find_spec("TPTBox").origin).parent / "tests" / "sample_ct"


@pytest.fixture(scope="session")
def a_ct(sample_ct_folder: Path) -> Volume:
    return read_volume(sample_ct_folder / "sub-ct_label-22_ct.nii.gz")


@pytest.fixture(scope="session")
def a_ct_labels(sample_ct_folder: Path) -> np.ndarray:
    """Vertebrae on the grid of ``a_ct``: 22 = L3 (whole), 21 = L2 and 23 = L4 (cut by the field of view)."""
    labels = sitk.ReadImage(str(sample_ct_folder / "sub-ct_seg-vert_label-22_msk.nii.gz"))
    return sitk.GetArrayFromImage(labels).astype(int)


@pytest.fixture(scope="session")
def a_phantom():
    """A synthetic CT with touching structures (propagation_runs.Phantom)."""
    from propagation_runs import a_column

    return a_column()


@pytest.fixture(scope="module")
def a_browser():
    """Chromium. What a page says is tested without it, too; what it draws, and how it is used, is not.

    For a file of tests: as long as playwright is open, nobody else can start it, nor a loop of asyncio (as Dask does).
    """
    from browser import BROWSER, LAUNCH, browser_path
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        pytest.skip(
            "NO BROWSER: the page was not opened. Install Chromium (Debian: apt install chromium), or name one in "
            f"{BROWSER}"
        )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=LAUNCH)
        yield browser
        browser.close()


@pytest.fixture
def a_tracker():
    """The demo model on the CPU at a size that is fast; nothing encoded yet."""
    from propagation_runs import SIZE

    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    return SliceTracker.load(checkpoints.find("demo"), "cpu", SIZE)


@pytest.fixture
def a_fast_tracker():
    """The demo model at a size where it still runs but is no good: for what does not depend on quality."""
    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    return SliceTracker.load(checkpoints.find("demo"), "cpu", 64)


@pytest.fixture
def save_and_load_mrb(a_slicer_scene, tmp_path):
    """Saves the scene as .mrb, closes it and loads it again. Slicer's reader wants a folder to unpack in."""
    slicer, scene = a_slicer_scene, a_slicer_scene.mrmlScene
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(tmp_path))

    def save_and_load():
        path = str(tmp_path / "scene.mrb")
        assert scene.WriteToMRB(path)
        scene.Clear()
        assert scene.ReadFromMRB(path)

    yield save_and_load
    remote.RemoveDataIOFromScene()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real CTs that are not in the repository."""
    folder = os.environ.get(SHARED_DATA)
    if not folder:
        pytest.skip(f"the environment variable {SHARED_DATA} does not name the folder with the shared CTs")
    return Path(folder)


@pytest.fixture(scope="session")
def slicer_application() -> SimpleNamespace:
    """The ``slicer`` package of slicer-core with a scene and the logics that segmentations need, no desktop."""
    import slicer

    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    application.SetModuleLogic("Colors", colors)
    logics = {"Volumes": slicer.vtkSlicerVolumesLogic(), "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic()}
    for name, logic in logics.items():
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(application)
        application.SetModuleLogic(name, logic)
    slicer.mrmlScene = scene
    slicer.modules = SimpleNamespace(
        volumes=SimpleNamespace(logic=lambda: logics["Volumes"]),
        segmentations=SimpleNamespace(logic=lambda: logics["Segmentations"]),
    )
    # Python must keep the logics alive as long as the scene.
    return SimpleNamespace(slicer=slicer, scene=scene, application=application, logics=logics)


@pytest.fixture
def a_slicer_scene(slicer_application: SimpleNamespace):
    """The ``slicer`` package with an empty ``slicer.mrmlScene``."""
    slicer_application.scene.Clear()
    yield slicer_application.slicer
    slicer_application.scene.Clear()
