"""The bundled model on a real CT: whoever trains a new one sees here whether it is worse than the one before."""

import pytest

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.research.demo import bundled_case
from SAM2VolumeSegLib.research.training import table
from SAM2VolumeSegLib.research.training.scenarios import SCENARIOS

pytestmark = pytest.mark.numeric

DEMO = checkpoints.find("demo")
THREE_AXES = "first-middle-last, three axes"

MEASURED = {"middle, axial": 0.479, "first-middle-last, axial": 0.814, "uniform-7, axial": 0.844, THREE_AXES: 0.874}
"""Mean Dice of L2, L3 and L4 on the slices without a prompt, as `training.table` prints it."""

MARGIN = 0.02
"""Five times the largest standard deviation over the table's six crops there, 0.004."""


@pytest.fixture(scope="module")
def found():
    """Dice [2, structures] of the model and of interpolation, by the title of the scenario."""
    tracker, vertebrae = SliceTracker.load(DEMO, "cpu"), list(table.structures(bundled_case()))
    methods = [table.by_model(tracker, table.Crop()), table.by_interpolation]
    return {
        scenario.title: table.measure(vertebrae, methods, scenario)
        for scenario in SCENARIOS
        if scenario.title in MEASURED
    }


@pytest.mark.parametrize("title", MEASURED)
def test_it_is_as_good_as_was_measured(found, title):
    model, _ = found[title].mean(axis=1)
    assert model > MEASURED[title] - MARGIN


def test_from_three_axes_it_beats_interpolation_of_the_same_seeds(found):
    """Else a demonstration would show that no model is needed."""
    model, interpolation = found[THREE_AXES].mean(axis=1)
    assert model > interpolation + 0.02


def test_it_is_small_enough_to_be_bundled():
    assert checkpoints.path_of(DEMO).stat().st_size < 10e6
