"""The rows of every experiment: named as in the paper, one choice changed at a time, and each of them runs."""

import re
from dataclasses import replace

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.policy import OLDEST, Place, SliceFacts
from SAM2VolumeSegLib.panel.advice import advise
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.study.configuration import task_key
from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS, find_experiment
from SAM2VolumeSegLib.research.study.paper import TABLES
from SAM2VolumeSegLib.research.study.prompts import paint
from SAM2VolumeSegLib.research.study.task import run_task
from SAM2VolumeSegLib.volume import Plane

A_STRUCTURE = Structure("s0001", "sacrum", "Sacrum", "ct.nii.gz", "sacrum.nii.gz", None, "c", "m")
NOT_THE_PAPERS = ("model-scale", "ours", "painting", "order", "review", "input-size")  # their baselines are others
BASELINES = {name: table for name, table in EXPERIMENTS.items() if name not in NOT_THE_PAPERS}


def key_of(configuration):
    """As a run with the model of the paper makes it, the models told apart by their names."""
    model = {"sha256": configuration.model or "small", "image_size": configuration.image_size or 1024}
    return task_key(A_STRUCTURE, configuration, None if configuration.method != "sam2" else model)


def row(experiment, name):
    (found,) = [row for row in EXPERIMENTS[experiment].configurations if row.name == name]
    return found


def memory_of(experiment, name):
    return row(experiment, name).settings.memory


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_those_of_the_papers_table(name):
    """The report lays them side by side by name."""
    assert {row.name for row in EXPERIMENTS[name].configurations} == set(TABLES[name].rows)
    assert EXPERIMENTS[name].table == TABLES[name].name


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_rows_differ_and_are_compared_with_rows(experiment):
    """A row that was copied and not changed would look like a finding: no effect at all."""
    rows = [row.name for row in experiment.configurations]
    assert len(set(rows)) == len(rows)
    assert len({key_of(row) for row in experiment.configurations}) == len(rows)
    assert {experiment.baseline_of(row) for row in rows} <= set(rows)
    assert set(experiment.against) <= set(rows)
    assert experiment.baseline_of(experiment.baseline) == experiment.baseline


def test_opponents_get_the_same_paint():
    """A lead over somebody who was given less would be no lead."""
    experiment = EXPERIMENTS["painting"]
    assert set(experiment.opponents) == {
        *("3 slices, the middle of each axis", "9 slices, inside", "9 slices, with the ends")
    }
    for name, opponents in experiment.opponents.items():
        ours, theirs = row("painting", name), [row("painting", one) for one in opponents]
        assert {(one.prompts, one.prompt_planes, one.together) for one in (ours, *theirs)} == {
            (ours.prompts, ours.prompt_planes, True)
        }
        assert len({one.method for one in theirs}) == 5 and {experiment.baseline_of(one) for one in opponents} == {name}


def test_the_papers_baseline_is_one_task_in_all_experiments():
    """Tables V and VI give it in eight places; computed eight times, it could differ from itself."""
    keys = {key_of(row(name, found.baseline)) for name, found in BASELINES.items()}
    assert keys == {key_of(row("model-scale", "Small")), key_of(row("final", "Baseline"))} and len(keys) == 1
    assert key_of(row("ours", "IS + SPS")) == key_of(row("final", "IS + SPS"))
    assert key_of(row("threshold", "Temp 0.3")) == key_of(row("final", "SPS"))
    assert key_of(row("capacity", "Intelligent Slicing")) == key_of(row("final", "IS"))
    assert key_of(row("preprocessing", "No preprocessing")) == key_of(row("final", "NP"))


def test_a_threshold_of_one_is_the_baseline():
    """The row has the baseline's settings, which keep every prompt, in place of a radius of 1.0."""
    stock = memory_of("threshold", "Temp 1.0 (Baseline)")
    one = replace(stock, radius=1.0)
    for now in range(1, 30):
        place = Place(now, 1, {0, 15, 30}, dict.fromkeys(set(range(now)) - {0, 15}, SliceFacts()), 31)
        assert one.choose(place) == stock.choose(place)


def spatial_memory(memory, now=40, prompted=(0, 50, 100), confidence=None):
    """(prompted slices, other slices, ages of these), at slice `now` of 101; the others newest first, where a policy
    has the oldest first, as SAM2 has."""
    confidences = {slice_: 0.5 for slice_ in range(1, now) if slice_ not in prompted} | (confidence or {})
    tracked = {slice_: SliceFacts(confidence=value) for slice_, value in confidences.items()}
    spatial = memory.choose(Place(now, 1, set(prompted), tracked, 101)).spatial
    given = [slice_ for slice_, _ in spatial if slice_ in prompted]
    others = [(slice_, age) for slice_, age in reversed(spatial) if slice_ not in prompted]
    return given, [slice_ for slice_, _ in others], [age for _, age in others]


def test_sliced_keeps_that_many_recent_slices_with_sam2s_embeddings():
    for count in range(7):
        memory = memory_of("capacity", f"Sliced {count}" + " (Baseline)" * (count == 6))
        assert spatial_memory(memory) == ([0, 50, 100], list(range(39, 39 - count, -1)), list(range(1, count + 1)))


def test_intelligent_slicing_gives_two_slices_the_first_and_the_last_embedding():
    assert spatial_memory(memory_of("capacity", "Intelligent Slicing")) == ([0, 50, 100], [39, 38], [1, OLDEST])
    assert spatial_memory(memory_of("final", "IS + SPS")) == ([50], [39, 38], [1, OLDEST])


def test_gates_keep_the_most_confident_of_all_slices():
    """Of the six recent ones alone, gate 6 would be the baseline, which it is not in the paper."""
    confidence = {4: 0.99, 8: 0.98, 12: 0.97, 16: 0.96, 20: 0.95, 24: 0.94}
    for count in range(1, 7):
        given, others, ages = spatial_memory(memory_of("gating", f"Gate {count}"), confidence=confidence)
        assert (given, others, ages) == ([0, 50, 100], list(confidence)[:count][::-1], list(range(1, count + 1)))
    assert spatial_memory(memory_of("gating", "Gate 0 (Baseline)"))[1] == [39, 38, 37, 36, 35, 34]


def test_strides_reach_further_back():
    assert spatial_memory(memory_of("stride", "Stride 2"))[1] == [39, 38, 36, 34, 32, 30]
    assert spatial_memory(memory_of("stride", "Stride 4"))[1] == [39, 36, 32, 28, 24, 20]


def test_thresholds_keep_the_prompts_within_that_share_of_the_stack():
    kept = {name: spatial_memory(memory_of("threshold", f"Temp {name}"))[0] for name in ("0.1", "0.3", "0.5", "0.7")}
    assert kept == {"0.1": [50], "0.3": [50], "0.5": [0, 50], "0.7": [0, 50, 100]}
    assert spatial_memory(memory_of("threshold", "Temp 0.1"), now=20)[0] == [0]  # none in reach: the nearest


def test_prompts_are_as_many_as_a_row_says(a_ct, a_ct_labels):
    """Rows with equal budgets are compared; one prompt more would be no gain of the method."""
    for experiment in EXPERIMENTS.values():
        for found in experiment.configurations:
            said = re.search(r"(\d)(?: (?:prompts|inside|slices|axial)|:)|\((\d)\)", found.name)
            seeds = paint(a_ct_labels == 22, a_ct, found.prompts, found.prompt_planes)
            expected = int(said[1] or said[2]) if said else 3 * len(found.prompt_planes)
            assert len(seeds) == expected, found.name


def test_advised_slices_are_those_that_the_panel_asks_for(a_ct, a_ct_labels):
    """The curve would be of another order than the one that users are given."""
    reference = a_ct_labels == 22
    seeds = paint(reference, a_ct, "advised-6", tuple(Plane))
    assert [seed.plane for seed in seeds] == 2 * [Plane.AXIAL, Plane.SAGITTAL, Plane.CORONAL]
    for count in range(1, 6):
        assert advise(seeds[:count], a_ct).next == (seeds[count].plane, seeds[count].index)
    for seed in seeds:
        np.testing.assert_array_equal(seed.mask, a_ct.view(seed.plane).slice(reference, seed.index))


def test_the_demo_model_has_rows_of_its_own():
    """It is none of the paper's four models, and blind at 1024 pixels."""
    scale = find_experiment("model-scale", "demo")
    assert [row.name for row in scale.configurations] == ["demo", "Tiny", "Base", "Small", "Large"]
    assert scale.configurations[0].model is None and scale.baseline == "demo"
    assert find_experiment("model-scale", "large") == EXPERIMENTS["model-scale"]
    sizes = find_experiment("input-size", "demo")
    assert [row.image_size for row in sizes.configurations] == [96, 128, 160, 192, 256, 128, 160, 256]
    assert {sizes.baseline_of(row.name) for row in sizes.configurations} == {"160 px", "160 px, 9 slices inside"}


def test_models_are_known_models():
    assert {row.model for row in EXPERIMENTS["model-scale"].configurations} == {
        name for name, model in checkpoints.MODELS.items() if model.is_official
    }


def test_an_unknown_experiment_lists_the_known():
    with pytest.raises(InputError, match='no experiment "treshold".*gating.*threshold'):
        find_experiment("treshold")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_miniature_of_every_experiment(name, a_phantom, a_fast_tracker):
    """Every row runs, measures, and finds at least part of the structure."""
    reference = a_phantom.references["middle"]
    for found in EXPERIMENTS[name].configurations:
        record = run_task("key", A_STRUCTURE, a_phantom.volume, reference, found, a_fast_tracker)
        assert 0.05 < record["dice"] <= 1, found.name
        assert record["hausdorff_mm"] is not None
