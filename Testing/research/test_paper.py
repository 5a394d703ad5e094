"""The transcription of the paper's tables: single figures, and what has to agree between tables."""

import numpy as np
import pytest

from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS
from SAM2VolumeSegLib.research.study.paper import PER_BONE, TABLES


def test_figures_are_those_of_the_tables():
    assert TABLES["threshold"].rows["Temp 0.3"].dice == (0.8480, 0.1052)
    assert TABLES["capacity"].rows["Intelligent Slicing"].iou == (0.7780, 0.063)
    assert TABLES["prompts"].rows["Middle (1)"].hausdorff_mm == (15.98, 14.94)
    assert TABLES["propagation"].rows["Three Axis, 9 prompts"].dice == (0.8658, 0.1100)
    assert TABLES["stride"].rows["Stride 4"].hausdorff_mm is None
    assert TABLES["final"].rows["IS + SPS"].hausdorff_mm == (4.788, 4.930)
    assert PER_BONE["Vertebrae"]["IS + SPS"] == (0.734, 0.656)


@pytest.mark.parametrize("method", TABLES["final"].rows)
def test_the_bones_of_table_vii_average_to_table_i(method):
    """Every bone has 250 volumes, so the mean over bones is the mean over all, but for rounding (NOTES)."""
    dice, iou = np.mean([bones[method] for bones in PER_BONE.values()], axis=0)
    row = TABLES["final"].rows[method]
    assert dice == pytest.approx(row.dice[0], abs=0.0011)
    assert iou == pytest.approx(row.iou[0], abs=0.002)


def test_the_baseline_is_the_same_in_every_experiment():
    names = {
        "model-scale": "Small",
        "preprocessing": "Windowing Alone",
        "prompts": "F-M-L (3)",
        "stride": "Stride 1 (Baseline)",
        "gating": "Gate 0 (Baseline)",
        "capacity": "Sliced 6 (Baseline)",
        "propagation": "Single Axis, 3 prompts (Baseline)",
        "threshold": "Temp 1.0 (Baseline)",
    }
    assert {TABLES[table].rows[row].dice[0] for table, row in names.items()} == {0.8236}
    assert {TABLES[table].rows[row].iou[0] for table, row in names.items()} == {0.7604}


@pytest.mark.parametrize("name", TABLES)
def test_the_iou_is_higher_than_the_dice_allows(name):
    """Of all distributions on [0, 1] with a mean m and a variance v, the mean of x / (2 - x), whose third derivative is
    positive, is largest for the one with two values of which one is 1."""
    for row in TABLES[name].rows.values():
        mean, variance = row.dice[0], row.dice[1] ** 2
        other, share = mean - variance / (1 - mean), variance / (variance + (1 - mean) ** 2)
        assert row.iou[0] > share + (1 - share) * other / (2 - other)


def test_the_rows_are_those_of_the_experiments():
    ours = {
        name: {row.name for row in experiment.configurations}
        for name, experiment in EXPERIMENTS.items()
        if name in TABLES
    }
    assert ours == {name: set(table.rows) for name, table in TABLES.items()}
