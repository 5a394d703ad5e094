"""What the panel has found is what a run gets: nothing is searched twice, and nothing moves unseen between."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Sight
from SAM2VolumeSegLib.scene import reading


@pytest.fixture
def a_logic(a_module, a_painted_scene):
    return a_module.SAM2VolumeSegLogic()


@pytest.fixture
def choices(a_module):
    ch = a_module.ch
    return ch.Choices(model=ch.ModelChoice.DEMO, device=ch.Device.CPU, inputSize=ch.InputSize.PIXELS_192)


@pytest.fixture
def searched(monkeypatch):
    """Counts how often painted slices are searched for."""
    calls, find = [], reading.find_seeds
    monkeypatch.setattr(reading, "find_seeds", lambda *arguments: calls.append(1) or find(*arguments))
    return calls


def test_a_run_takes_what_the_panel_has_found(a_logic, choices, a_painted_scene, searched):
    """On a large CT the search takes seconds, for every segment."""
    nodes = a_painted_scene.volume, a_painted_scene.painted
    _volume, found = a_logic.findSeeds(nodes[1], nodes[0])
    assert len(searched) == 1
    with a_logic.startRun(*nodes, choices) as run:
        assert list(run.request.seeds["bone"]) == found["bone"] and len(searched) == 1
    a_painted_scene.paint((7,))  # what was painted a moment ago counts
    with a_logic.startRun(*nodes, choices) as run:
        assert [seed.index for seed in run.request.seeds["bone"]] == [7] and len(searched) == 2


def test_a_script_searches_once_and_only_what_it_asks_for(a_logic, choices, a_painted_scene, a_desktop, searched):
    """Another segment that lies beside the CT is none of its business."""
    painted, mask = a_painted_scene.painted, np.zeros(a_painted_scene.bone.shape, np.uint8)
    mask[5, :3, :3] = 1
    painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    a_desktop.slicer.util.updateSegmentBinaryLabelmapFromArray(mask, painted, "rib", a_painted_scene.volume)
    request = a_logic.request(a_painted_scene.volume, painted, choices, ["bone"])
    assert list(request.seeds) == ["bone"] and request.names == {"bone": "Bone"} and len(searched) == 1
    assert list(a_logic.request(a_painted_scene.volume, painted, choices).seeds) == ["bone", "rib"]
    assert len(searched) == 2
    with pytest.raises(InputError, match="has no segment"):
        a_logic.request(a_painted_scene.volume, painted, choices, ["gone"])
    with pytest.raises(InputError, match="No segmentation is chosen"):
        a_logic.request(a_painted_scene.volume, None, choices)


def test_voxels_that_a_script_changed_without_a_word_are_noticed_and_then_read(
    a_logic, choices, a_painted_scene, a_desktop
):
    """Else the model would see the old CT where it was encoded before, and the new one elsewhere."""
    nodes = a_painted_scene.volume, a_painted_scene.painted
    request = a_logic.request(*nodes, choices)
    a_desktop.slicer.util.arrayFromVolume(nodes[0])[0, 0, 0] += 1
    with pytest.raises(InputError, match="was changed or moved since"):
        a_logic.startRun(*nodes, choices)
    with a_logic.startRun(*nodes, choices) as run:
        assert run.request.fingerprint != request.fingerprint


def test_the_estimate_is_that_of_the_runs_own_sight(a_logic, choices, a_painted_scene):
    nodes = a_painted_scene.volume, a_painted_scene.painted
    request = a_logic.request(*nodes, choices)
    sight = Sight(request.volume, request.seeds, request.settings, 192)
    work = a_logic.workload(request.seeds, request.volume, choices)
    (plane,) = sight.planes_of("bone")
    assert work.slices == 2 * sight.span("bone", plane).slices
    assert work.once.encode == sight.span("bone", plane).slices
