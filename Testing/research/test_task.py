"""One task: what is segmented, what is measured, and what becomes of a task that fails."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.download import sha256_of
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import STOCK_SAM2, Request, Segmenter
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.research.measures.without_model import WITHOUT_MODEL
from SAM2VolumeSegLib.research.study import case
from SAM2VolumeSegLib.research.study.case import CaseFiles
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.task import Job, crop_of, predict, run_batch, run_task
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Box, Plane

CT, MASK = "sub-ct_label-22_ct.nii.gz", "sub-ct_seg-vert_label-22_msk.nii.gz"
BASELINE = Configuration("Baseline")
IS_SPS = Configuration("IS + SPS", replace(STOCK_SAM2, memory=VolumeMemory()))
INTERPOLATION = Configuration("Interpolation", method="interpolation")
NAMES = {"key", "case", "structure", "bone", "configuration"}
MEASURED = NAMES | {
    *("choices", "model", "reference_ml", "seeds", "dice", "iou", "unprompted_dice", "hausdorff_mm", "hausdorff95_mm"),
    *("volume_difference_ml", "slices", "encoded", "seconds", "track_ms", "program", "code", "commit", "date"),
    *("contact_dice", "swapped_percent"),
}


@pytest.fixture(scope="module")
def reference(a_ct_labels):
    return a_ct_labels == 22


@pytest.fixture
def data(sample_ct_folder, tmp_path):
    """A copy of the data folder, to be damaged."""
    for name in (CT, MASK):
        shutil.copy(sample_ct_folder / name, tmp_path)
    return tmp_path


def run_rows(structure, folder, rows, make_tracker=None):
    """The records of some rows, (key, configuration), on one structure."""
    return run_batch([Job(key, structure, row) for key, row in rows], CaseFiles(folder), make_tracker)


def errors_of(records):
    assert all(set(record) == NAMES | {"error"} for record in records)
    return {record["error"] for record in records}


def test_a_record_says_what_was_done_and_what_came_out(structure, a_ct, reference, a_fast_tracker):
    record = run_task("0123", structure, a_ct, reference, IS_SPS, a_fast_tracker)
    assert set(record) == MEASURED
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert [record[name] for name in ("key", "case", "structure", "bone", "configuration")] == [
        *("0123", "sample", "vertebrae_L3", "Vertebrae", "IS + SPS")
    ]
    assert record["choices"] == IS_SPS.choices()
    assert record["model"]["sha256"] == a_fast_tracker.checkpoint_sha256 and record["model"]["image_size"] == 64
    filled = np.flatnonzero(reference.any(axis=tuple({0, 1, 2} - {a_ct.view(Plane.AXIAL).axis})))
    assert record["seeds"] == 3 and record["slices"] == record["encoded"] == len(filled)
    assert record["reference_ml"] == pytest.approx(reference.sum() * 1.5**3 / 1000, rel=1e-3)
    assert 0 <= record["unprompted_dice"] < record["dice"] < 1
    assert 0 < record["hausdorff95_mm"] <= record["hausdorff_mm"]
    assert record["track_ms"] == sorted(record["track_ms"]) and record["track_ms"][0] > 0
    parts = {name: seconds for name, seconds in record["seconds"].items() if name != "total"}
    assert set(parts) == {"encode", "memory attention", "mask decoder", "memory encoder", "resampling and fusion"}
    assert sum(parts.values()) == pytest.approx(record["seconds"]["total"], abs=1e-4)
    assert min(parts.values()) > 0
    assert record["commit"] is None or re.fullmatch("[0-9a-f]{12}(-dirty)?", record["commit"])


def test_a_prediction_is_what_the_engine_gives_for_these_seeds_and_this_crop(a_ct, reference, a_fast_tracker):
    found = predict(a_ct, reference, IS_SPS, a_fast_tracker)
    seeds = simulate_seeds(reference, a_ct, "first-middle-last")
    settings = replace(IS_SPS.settings, roi=Box.around(reference, a_ct, 15.0))
    result = Segmenter(a_fast_tracker).segment(Request.of(a_ct, {"any name": seeds}, settings))
    assert np.array_equal(found.mask, result.segments["any name"].mask)
    assert [seed.index for seed in found.seeds] == [seed.index for seed in seeds]


def test_configurations_share_embeddings_and_do_not_disturb_each_other(structure, a_ct, reference, a_fast_tracker):
    """A table must not depend on the order in which its rows are computed."""
    first, again = (run_task("0", structure, a_ct, reference, BASELINE, a_fast_tracker) for _ in range(2))
    between = run_task("1", structure, a_ct, reference, IS_SPS, a_fast_tracker)
    assert first["encoded"] > 0 and again["encoded"] == between["encoded"] == 0
    assert {name: first[name] for name in ("dice", "iou", "hausdorff_mm")} == {
        name: again[name] for name in ("dice", "iou", "hausdorff_mm")
    }
    assert between["dice"] != first["dice"]


def test_the_crop_is_moved_with_the_margin(a_ct, reference):
    still = crop_of(a_ct, reference, BASELINE)
    moved = crop_of(a_ct, reference, replace(BASELINE, shift=(3, -2, 0)))
    assert still == Box.around(reference, a_ct, 15.0)
    assert (
        np.subtract(moved.lower, still.lower).tolist() == np.subtract(moved.upper, still.upper).tolist() == [3, -2, 0]
    )


def test_a_method_without_a_model_has_no_model(structure, sample_ct_folder):
    """Nor is one loaded for it."""
    (record,) = run_rows(structure, sample_ct_folder, [("0", INTERPOLATION)])
    assert set(record) == MEASURED
    assert (record["model"], record["track_ms"], record["slices"], record["encoded"]) == (None, None, 0, 0)
    assert record["dice"] > 0.5 and set(record["seconds"]) == {"total"}


def test_an_empty_prediction_has_no_distance(structure, a_ct, reference, monkeypatch):
    """Infinity is no number in JSON, and any other would be invented."""
    nothing = np.zeros(reference.shape, bool)
    monkeypatch.setitem(WITHOUT_MODEL, "interpolation", lambda seeds, volume: dict.fromkeys(seeds, nothing))
    record = run_task("0", structure, a_ct, reference, INTERPOLATION)
    assert (record["dice"], record["iou"], record["hausdorff_mm"], record["hausdorff95_mm"]) == (0, 0, None, None)
    assert record["volume_difference_ml"] == -record["reference_ml"]


def test_a_batch_loads_the_structure_and_the_model_once(structure, sample_ct_folder, a_fast_tracker, monkeypatch):
    loaded = []
    read = case.read_volume
    monkeypatch.setattr(case, "read_volume", lambda path: loaded.append(path.name) or read(path))
    tasks = [("0", BASELINE), ("1", INTERPOLATION), ("2", IS_SPS)]
    records = list(run_rows(structure, sample_ct_folder, tasks, lambda: loaded.append("model") or a_fast_tracker))
    assert loaded == [CT, "model"]
    assert [(record["key"], record["configuration"]) for record in records] == [
        (key, configuration.name) for key, configuration in tasks
    ]
    assert records[2]["encoded"] == 0
    assert len(a_fast_tracker.cache) == 0  # the next structure has no use for them


def test_a_stopped_batch_keeps_no_embeddings(structure, sample_ct_folder, a_fast_tracker):
    batch = run_rows(structure, sample_ct_folder, [("0", BASELINE), ("1", IS_SPS)], lambda: a_fast_tracker)
    assert next(batch)["encoded"] > 0
    batch.close()
    assert len(a_fast_tracker.cache) == 0


def test_a_file_that_changed_fails_its_tasks_only(structure, data):
    """Half a study from one version of a file and half from another could not be told apart later."""
    (data / MASK).write_bytes((data / CT).read_bytes())
    (error,) = errors_of(list(run_rows(structure, data, [("0", INTERPOLATION), ("1", INTERPOLATION)])))
    assert f'"{MASK}" of sample vertebrae_L3 has changed since the split was drawn' in error
    assert str(data) not in error  # results are shared, folders are private


def test_a_missing_and_an_unreadable_file_fail_in_words(structure, data):
    (data / CT).write_bytes(b"no image")
    changed = replace(structure, ct_sha256=sha256_of(data / CT))
    (error,) = errors_of(list(run_rows(changed, data, [("0", INTERPOLATION)])))
    assert error.startswith(f'"{CT}" cannot be read')  # not where it lies
    (data / CT).unlink()
    (error,) = errors_of(list(run_rows(structure, data, [("0", INTERPOLATION)])))
    assert f'"{CT}" of sample vertebrae_L3 is missing' in error


def test_a_task_that_fails_does_not_stop_the_next(structure, sample_ct_folder, monkeypatch):
    def broken(seeds, volume):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(WITHOUT_MODEL, "nearest copy", broken)
    wrong = Configuration("Wrong", method="interpolation", prompts="thirds")
    copied = Configuration("Copy", method="nearest copy")
    records = list(run_rows(structure, sample_ct_folder, [("0", wrong), ("1", copied), ("2", INTERPOLATION)]))
    assert records[0]["error"].startswith('There is no prompt strategy "thirds"')
    assert records[1]["error"] == "ZeroDivisionError: division by zero"
    assert records[2]["dice"] > 0.5


def test_a_crop_moved_off_the_volume_fails_in_words(structure, sample_ct_folder, a_fast_tracker):
    away = replace(BASELINE, shift=(500, 0, 0))
    (error,) = errors_of(list(run_rows(structure, sample_ct_folder, [("0", away)], lambda: a_fast_tracker)))
    assert "holds no voxel" in error


def test_a_model_that_is_missing_fails_the_tasks_that_need_it(structure, sample_ct_folder):
    """A worker without the file, among others that have it."""

    def missing():
        raise InputError("The model 'small' is not on this machine.")

    first, second, third = run_rows(
        structure, sample_ct_folder, [("0", BASELINE), ("1", INTERPOLATION), ("2", IS_SPS)], missing
    )
    assert errors_of([first, third]) == {"The model 'small' is not on this machine."}
    assert "error" not in second


def test_a_failed_job_says_which_task_it_was(structure):
    failed = Job("k1", structure, BASELINE).failed("It died.")
    assert errors_of([failed]) == {"It died."}
    assert [failed[name] for name in ("key", "case", "structure", "configuration")] == [
        *("k1", "sample", "vertebrae_L3", "Baseline")
    ]


TOGETHER = Configuration("Together", replace(STOCK_SAM2, crop="each"), together=True)


def test_structures_that_are_painted_together_are_segmented_in_one_run(three, sample_ct_folder, a_fast_tracker, a_ct):
    """As a user does it: no crop from the reference, and every figure is that of the one run."""
    files = CaseFiles(sample_ct_folder)
    jobs = [Job(one.name, one, TOGETHER) for one in three]
    records = list(run_batch(jobs, files, lambda: a_fast_tracker, three))
    references = {one.name: files.load(one)[1] for one in three}
    seeds = {name: simulate_seeds(reference, a_ct, "first-middle-last") for name, reference in references.items()}
    result = Segmenter(a_fast_tracker).segment(Request.of(a_ct, seeds, TOGETHER.settings))
    for record in records:
        mask, reference = result.segments[record["structure"]].mask, references[record["structure"]]
        assert record["dice"] == pytest.approx(dice(mask, reference), abs=1e-6)
        assert record["choices"]["together"] is True and 0 < record["encoded"] <= record["slices"]
    assert len({record["seconds"]["total"] for record in records}) == 1, "an equal share of one run"


def test_what_is_next_to_a_structure_is_measured_whether_it_is_segmented_or_not(three, sample_ct_folder):
    """Vertebrae touch: the middle one has two contact zones; a structure that was drawn alone has none."""
    files, middle = CaseFiles(sample_ct_folder), three[1]
    (alone,) = run_batch([Job("0", middle, INTERPOLATION)], files)
    (beside,) = run_batch([Job("0", middle, INTERPOLATION)], files, drawn=three)
    assert (alone["contact_dice"], alone["swapped_percent"]) == (None, None)
    assert 0 < beside["contact_dice"] < 1 and beside["swapped_percent"] >= 0
    assert beside["dice"] == alone["dice"]


def test_the_neighbours_of_a_structure_are_all_others_that_were_drawn(three, sample_ct_folder):
    """Voxels that two references share belong to the neighbours of both."""
    overlapping = [*three, replace(three[1], name="again")]
    files = CaseFiles(sample_ct_folder)
    for drawn in (three, overlapping, three[:2]):
        for structure in drawn:
            others = [files.load(one)[1] for one in drawn if one != structure]
            np.testing.assert_array_equal(files.neighbours(structure, drawn), np.any(others, axis=0))
    assert files.neighbours(three[0], three[:1]) is None and files.neighbours(three[0], ()) is None


def test_a_run_of_several_that_fails_is_told_for_each_and_tried_once(three, sample_ct_folder, monkeypatch):
    tried = []

    def broken(seeds, volume):
        tried.append(sorted(seeds))
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(WITHOUT_MODEL, "interpolation", broken)
    jobs = [Job(one.name, one, replace(INTERPOLATION, together=True)) for one in three]
    assert errors_of(list(run_batch(jobs, CaseFiles(sample_ct_folder), drawn=three))) == {
        "ZeroDivisionError: division by zero"
    }
    assert tried == [["vertebrae_L2", "vertebrae_L3", "vertebrae_L4"]]


def test_ctrl_c_is_no_failed_task(structure, sample_ct_folder):
    """It would be written as an error, and the run would go on."""

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_rows(structure, sample_ct_folder, [("0", BASELINE)], interrupted))


def test_the_reported_dice_is_that_of_the_whole_volume(structure, a_ct, reference):
    record = run_task("0", structure, a_ct, reference, INTERPOLATION)
    assert record["dice"] == pytest.approx(dice(predict(a_ct, reference, INTERPOLATION).mask, reference), abs=1e-6)
