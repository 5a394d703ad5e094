"""Tasks of experiments, counted once; runs that are stopped and go on."""

import shutil
from contextlib import closing

import pytest
from propagation_runs import finish
from study_runs import SIZE, a_study, table

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.layouts import open_data
from SAM2VolumeSegLib.research.study import configuration
from SAM2VolumeSegLib.research.study.command import _say_older
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.experiments import Experiment, find_experiment
from SAM2VolumeSegLib.research.study.report.rows import read_folders
from SAM2VolumeSegLib.research.study.run import Study, _batches
from SAM2VolumeSegLib.research.study.split import SPLIT, draw, write_split
from SAM2VolumeSegLib.research.study.store import FILE, read_results
from SAM2VolumeSegLib.research.study.workers import open_site


@pytest.fixture
def a_site(a_phantom_folder):
    with open_site(a_phantom_folder, "cpu") as site:
        yield site


def run(study, site, folder):
    return list(study.run(site, folder))


def an_experiment(*configurations):
    return Experiment("mine", "Mine", "", baseline=configurations[0].name, configurations=configurations)


def test_equal_rows_of_experiments_are_one_task(a_phantom_folder):
    """The baseline is in nearly every table of the paper."""
    study = a_study(a_phantom_folder, "stride", "prompts", "final", cases=2)
    assert len(study.tasks) == 2 * (3 + 4 + 4)
    baselines = [study.rows["stride"]["Stride 1 (Baseline)"], study.rows["prompts"]["F-M-L (3)"]]
    assert baselines[0] == baselines[1] == study.rows["final"]["Baseline"] and len(baselines[0]) == 2


def test_a_batch_is_one_structure_one_model_one_size(a_phantom_folder):
    study = a_study(a_phantom_folder, "ours", "input-size", "model-scale", cases=2)
    batches = [one for one in _batches(study.tasks, study._drawn) if not one.jobs[0].configuration.together]
    assert all(len({job.structure for job in batch.jobs}) == 1 for batch in batches)
    places = [(batch.jobs[0].structure, batch.model, batch.image_size) for batch in batches]
    assert len(set(places)) == len(places) and {batch.model for batch in batches} == {
        None, "demo", "tiny", "small", "base+", "large",
    }  # fmt: skip
    assert {batch.image_size for batch in batches if batch.model == "demo"} == {SIZE, 96, 128, 160, 192, 256}
    alone = [key for key, task in study.tasks.items() if not task.configuration.together]
    assert sorted(job.key for batch in batches for job in batch.jobs) == sorted(alone)
    structures = [batch.jobs[0].structure for batch in batches]
    assert structures == sorted(structures, key=structures.index), "the first cases must be done first"


def test_rows_of_all_structures_are_a_batch_of_the_ct_row_after_row(a_phantom_folder):
    """Or two workers would segment all structures twice, each for its own ones; and so would rows that alternate."""
    study = a_study(a_phantom_folder, "painting")
    batches = _batches(study.tasks, study._drawn)
    places = [(batch.jobs[0].structure.ct_sha256, batch.model) for batch in batches]
    assert len(set(places)) == len(places) == 2 * 6  # CTs; with and without a model
    for batch in batches:
        assert {job.structure for job in batch.jobs} == set(batch.drawn)
        rows = [job.configuration.name for job in batch.jobs]
        assert rows == sorted(rows, key=rows.index)


def test_the_neighbours_are_those_of_the_split_however_many_cases_are_run(a_phantom_folder):
    """Else the first cases would be run again when more are asked for, with other neighbours."""
    few, all_ = (a_study(a_phantom_folder, "painting", "stride", cases=cases) for cases in (1, None))
    assert few.tasks.keys() < all_.tasks.keys()
    other = Study(list(few.experiments.values()), [next(iter(few.tasks.values())).structure], "demo", SIZE)
    assert not other.tasks.keys() & few.tasks.keys(), "without its neighbours it is another question"


@pytest.mark.parametrize(("model", "size"), [("small", 1024), ("large", 1024), ("demo", 160)])
def test_the_input_size_is_the_models_own(model, size):
    """Whatever the device is: on a CPU, segment takes 512, but results of two machines have to be equal."""
    (experiment,) = [find_experiment("stride", model)]
    study = Study([experiment], [a_structure()], model)
    assert {task.image_size for task in study.tasks.values()} == {size}
    study = Study([experiment], [a_structure()], model, 96)
    assert {task.image_size for task in study.tasks.values()} == {96}


def test_a_run_ends_and_a_second_one_has_nothing_to_do(a_phantom_folder, a_site, tmp_path):
    study = a_study(a_phantom_folder, "stride", cases=2)
    steps = run(study, a_site, tmp_path)
    assert [(step.done, step.left, step.failed) for step in steps] == [(n, 6 - n, 0) for n in range(7)]
    assert steps[0].seconds_left is None and steps[-1].seconds_left == 0
    assert all(step.dice.startswith("Dice of stride: Stride 1 (Baseline) 0.") for step in steps[1:])
    content = (tmp_path / FILE).read_bytes()
    (only,) = run(study, a_site, tmp_path)
    assert (only.done, only.left) == (6, 0) and (tmp_path / FILE).read_bytes() == content


@pytest.mark.parametrize("stopped_after", [1, 4])
def test_closed_in_the_middle_and_resumed(a_phantom_folder, a_site, tmp_path, stopped_after):
    study = a_study(a_phantom_folder, "stride", cases=2)
    with closing(study.run(a_site, tmp_path / "stopped")) as steps:
        for step in steps:
            if step.done == stopped_after:
                break
    assert len(read_results(tmp_path / "stopped")[0]) == stopped_after
    steps = run(study, a_site, tmp_path / "stopped")
    assert steps[0].done == stopped_after and len(steps) == 7 - stopped_after
    run(study, a_site, tmp_path / "whole")
    stopped, whole = (table(read_results(tmp_path / name)[0]) for name in ("stopped", "whole"))
    for one in (*stopped.values(), *whole.values()):
        one.pop("encoded")  # the second run has to encode again
    assert stopped == whole


def test_more_cases_and_experiments_go_into_the_same_results(a_phantom_folder, a_site, tmp_path):
    run(a_study(a_phantom_folder, "stride", cases=1), a_site, tmp_path)
    steps = run(a_study(a_phantom_folder, "stride", "final", cases=2), a_site, tmp_path)
    assert steps[0].done == 3 and steps[-1].done == 2 * (3 + 4) == len(read_results(tmp_path)[0])


def test_results_of_older_code_are_computed_again_and_kept(a_phantom_folder, a_site, tmp_path, monkeypatch, capsys):
    """Half a table of one program and half of another would be nobody's figures."""
    study = a_study(a_phantom_folder, "stride", cases=1)
    write_split(tmp_path / SPLIT, finish(draw(open_data(a_phantom_folder)))[1])
    run(study, a_site, tmp_path)
    assert study.older(read_results(tmp_path)[0]) == 0
    monkeypatch.setattr(configuration, "code_digest", lambda: "of a later commit")
    later = a_study(a_phantom_folder, "stride", cases=1)
    assert not later.tasks.keys() & study.tasks.keys()
    _say_older(later, tmp_path)
    assert capsys.readouterr().out.startswith("3 of 3 tasks have results of older code only and are computed again;")
    assert run(later, a_site, tmp_path)[0].left == 3
    finished = read_results(tmp_path)[0]
    assert finished.keys() == later.tasks.keys() | study.tasks.keys() and later.older(finished) == 0
    results = read_folders([tmp_path])
    assert (len(list(results.records())), results.superseded) == (3, 3)
    _say_older(later, tmp_path)
    assert capsys.readouterr().out == ""


def test_a_damaged_case_fails_and_the_others_run(a_phantom_folder, tmp_path):
    """And when it is put back, the next run does what failed."""
    shutil.copytree(a_phantom_folder, tmp_path / "data")
    study = a_study(tmp_path / "data", "stride", cases=3)
    damaged = next(iter(study.tasks.values())).structure
    (tmp_path / "data" / damaged.ct).write_bytes(b"nothing")
    own = {key for key, task in study.tasks.items() if task.structure.ct == damaged.ct}
    with open_site(tmp_path / "data", "cpu") as site:
        last = run(study, site, tmp_path)[-1]
        finished, failed = read_results(tmp_path)
        assert failed.keys() == own and finished.keys() == study.tasks.keys() - own
        assert (last.failed, last.done, last.left) == (len(own), len(finished), 0)
        assert all("has changed since the split was drawn" in one["error"] for one in failed.values())
        shutil.copy(a_phantom_folder / damaged.ct, tmp_path / "data" / damaged.ct)
        steps = run(study, site, tmp_path)
    assert steps[0].left == len(own) and steps[-1].done == len(study.tasks) and not read_results(tmp_path)[1]


def test_rows_without_weights_are_said_and_the_others_run(a_phantom_folder, a_site, tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    study = a_study(a_phantom_folder, "model-scale", "stride", cases=1)
    last = run(study, a_site, tmp_path)[-1]
    assert (last.done, last.left) == (3, 0) and len(study.tasks) == 3 + 4
    assert study.absent.keys() == {"tiny", "small", "base+", "large"}
    tiny = next(line for line in study.not_run() if line.startswith("Tiny (model-scale): "))
    assert "checkpoints fetch tiny" in tiny


def test_no_weights_at_all(a_phantom_folder, a_site, tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    study = Study([find_experiment("stride", "small")], [a_structure()], "small")
    with pytest.raises(InputError, match="checkpoints fetch small.*--model demo"):
        run(study, a_site, tmp_path)
    assert not (tmp_path / FILE).exists()


def test_methods_without_a_model_run_without_weights(a_phantom_folder, a_site, tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    experiment = an_experiment(Configuration("Copy", method="nearest copy"), Configuration("SAM2"))
    structure = next(iter(a_study(a_phantom_folder, "stride", cases=1).tasks.values())).structure
    study = Study([experiment], [structure], "small")
    assert run(study, a_site, tmp_path)[-1].done == 1
    assert [one["model"] for one in read_results(tmp_path)[0].values()] == [None]


@pytest.mark.parametrize(("model", "size"), [("huge", None), ("demo", 100), ("demo", -32)])
def test_a_model_or_a_size_that_cannot_be(model, size):
    with pytest.raises(InputError, match="no model named 'huge'|must be a multiple of 32"):
        Study([find_experiment("stride", model)], [a_structure()], model, size)


def a_structure():
    from SAM2VolumeSegLib.research.data.structure import Structure

    return Structure("s1", "hip_left", "Hips", "ct.nii.gz", "hip_left.nii.gz", None, "0" * 64, "1" * 64)
