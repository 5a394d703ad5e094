"""The Slicer-run tests themselves, on stand-ins: a slip in them would otherwise show only in a real Slicer."""

import unittest
from types import SimpleNamespace

import pytest

NEEDS_THE_APPLICATION = {
    "test_a_saved_scene_restores_everything",  # writes and reads an .mrb
    "test_painting_with_the_effect_in_all_three_views",  # mouse
    "test_reload",
    "test_the_effect_is_in_the_editor_and_runs",
}


@pytest.fixture
def a_suite(a_module, a_desktop, stand_in, some_views, monkeypatch, request, load_file):
    slicer = a_desktop.slicer
    widget = a_module.SAM2VolumeSegWidget(SimpleNamespace(isEntered=False))
    widget.setup()
    monkeypatch.setattr(slicer.app, "processEvents", stand_in.process_events)
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: None, raising=False)
    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda name: widget, raising=False)
    path = request.config.rootpath / "SAM2VolumeSeg" / "Testing" / "Python" / "SAM2VolumeSegSlicerTest.py"
    yield load_file("SAM2VolumeSegSlicerTest", path)
    widget.cleanup()


def test_the_slicer_run_tests_pass_without_a_main_window(a_suite):
    names = unittest.TestLoader().getTestCaseNames(a_suite.SAM2VolumeSegSlicerTest)
    suite = unittest.TestSuite(
        a_suite.SAM2VolumeSegSlicerTest(name) for name in names if name not in NEEDS_THE_APPLICATION
    )
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    assert result.testsRun >= 14 and result.wasSuccessful()
