"""A metric is one entry: what is added to `METRICS` shows in records, CSV and tables, and older records stay."""

import csv
import json

import numpy as np
import pytest
from study_records import noisy, some_structures, write_results

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.measures.metrics import METRICS, Metric
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.report import write_report
from SAM2VolumeSegLib.research.study.store import FILE, ResultsFile, read_results
from SAM2VolumeSegLib.research.study.task import run_task

VOXELS = Metric("voxels", "voxels", lambda one: np.count_nonzero(one.result), unit="of the result", digits=0)


@pytest.fixture
def one_more(monkeypatch):
    monkeypatch.setitem(METRICS, VOXELS.name, VOXELS)


def columns(file):
    with file.open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_it_is_in_a_record_that_is_written_and_read(one_more, a_phantom, tmp_path):
    (structure,) = some_structures(1, 1)
    reference = a_phantom.references["middle"]
    interpolation = Configuration("Interpolation", method="interpolation")
    record = run_task("0", structure, a_phantom.volume, reference, interpolation)
    assert record["voxels"] == pytest.approx(np.count_nonzero(reference), rel=0.5)
    with ResultsFile(tmp_path) as results:
        results.append(record)
    assert read_results(tmp_path)[0]["0"]["voxels"] == record["voxels"]


def test_records_from_before_have_an_empty_cell_in_csv_and_table(one_more, tmp_path):
    folder = write_results(tmp_path / "results", some_structures(4, 2), ["stride"], noisy({}))
    header, *lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    records = [one | {"voxels": 500} if one["configuration"] == "Stride 2" else one for one in records]
    (folder / FILE).write_text("\n".join([header, *map(json.dumps, records), ""]), encoding="utf-8")
    report = write_report([folder], tmp_path / "report")
    assert {line["row"]: line["voxels"] for line in columns(report.with_name("demo-160-stride.csv"))} == {
        "Stride 1 (Baseline)": "", "Stride 2": "500", "Stride 4": "",
    }  # fmt: skip
    assert {line["voxels"] for line in columns(report.with_name("demo-160-structures.csv"))} == {"", "500"}
    text = report.read_text(encoding="utf-8")
    assert "| volume difference ml | voxels of the result | seconds |" in text
    assert "| -1.0 ± 0.0 | 500 ± 0 | 2.5 |" in text and "| -1.0 ± 0.0 | - | 2.5 |" in text


def test_a_figure_that_is_no_number_is_damage_all_the_same(one_more, tmp_path):
    folder = write_results(tmp_path, some_structures(1, 1), ["stride"], noisy({}))
    text = (folder / FILE).read_text(encoding="utf-8")
    (folder / FILE).write_text(text.replace('"iou"', '"voxels": "many", "iou"'), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_results(folder)
