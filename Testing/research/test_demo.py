"""The demo's parts, and a whole demo on a phantom that takes seconds."""

import csv
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from cli_files import ROOT, save_ct, save_labels

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research import demo
from SAM2VolumeSegLib.research.data import cases
from SAM2VolumeSegLib.research.measures.metrics import dice, iou
from SAM2VolumeSegLib.volume import Volume, read_provenance, read_seeds
from SAM2VolumeSegLib.volume.target import names_this_program

pytestmark = pytest.mark.numeric


def test_the_bundled_case_is_there(a_ct, a_ct_labels):
    """`make demo` on a fresh clone: L2, L3 and L4 of the CT that a package on PyPI brings."""
    case = cases.bundled_case()
    volume, references = case.load()
    assert case.title == "Lumbar spine"
    np.testing.assert_array_equal(volume.voxels, a_ct.voxels)
    assert list(references) == ["L2", "L3", "L4"]
    for value, mask in zip((21, 22, 23), references.values(), strict=True):
        np.testing.assert_array_equal(mask, a_ct_labels == value)


def test_without_the_package_the_demo_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps tptbox==1\.1\.0"):
        cases.bundled_case()


def test_shared_cases_hold_what_the_table_names(shared_data):
    """A wrong label number would measure one bone against another."""
    found, left_out = cases.cases_below(shared_data)
    assert [case.title for case in found] == list(cases.TITLES.values())[:3] and not left_out
    for case in found:
        assert set(case.load()[1]) == set(case.references), case.title


def test_any_folder_of_the_study_is_measured(a_totalsegmentator_folder, a_phantom_folder):
    """`--data` knew the names of two folders, and nobody else has those."""
    found, _ = cases.cases_below(a_totalsegmentator_folder)
    assert [case.title for case in found] == ["s0004", "s0011", "s0250", "s1363"]
    volume, references = found[0].load()
    assert "vertebrae_L5" in found[0].references, "it is on one axial slice"
    assert list(references) == [f"vertebrae_L{number}" for number in range(1, 5)]
    assert all(mask.shape == volume.voxels.shape for mask in references.values())
    found, _ = cases.cases_below(a_phantom_folder)
    assert len(found) == 6 and all(case.load()[1] for case in found)


def test_what_lacks_its_files_is_told_beside_what_is_measured(a_phantom_folder, tmp_path):
    shutil.copytree(a_phantom_folder, tmp_path / "data")
    first = cases.cases_below(tmp_path / "data")[0][0]
    first.ct.unlink()
    found, left_out = cases.cases_below(tmp_path / "data")
    assert len(found) == 5 and [one.case for one in left_out] == [first.title]


def test_a_case_that_cannot_be_read_does_not_end_the_demo(a_phantom_folder, tmp_path, monkeypatch, capsys):
    found, _ = cases.cases_below(a_phantom_folder)
    broken = replace(found[0], title="Broken", ct=a_phantom_folder / "classes.json")
    measured = []
    monkeypatch.setattr(demo, "cases_below", lambda folder, classes: ([broken, *found[1:]], ()))
    monkeypatch.setattr(demo, "_run_case", lambda case, *_: measured.append(case.title) or [case.title])
    demo.run_demo(tmp_path / "out", a_phantom_folder, "cpu")
    assert measured == [case.title for case in found[1:]]
    assert re.search(r"Left out: Broken\. .*classes\.json. cannot be read", capsys.readouterr().out)
    monkeypatch.setattr(demo, "cases_below", lambda folder, classes: ([broken, broken], ()))
    with pytest.raises(InputError, match="No CT could be used"):
        demo.run_demo(tmp_path / "out", a_phantom_folder, "cpu")


def test_a_folder_without_cts_is_told_in_words(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "out"), "--data", str(tmp_path)]) == 2
    assert re.match(r"Error: .* has nothing in it\. Expected are .*classes\.json", capsys.readouterr().err)
    assert cli.main(["demo", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "gone")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_computed(tmp_path, capsys):
    """And not with a traceback, after the minutes that a demo takes."""
    (tmp_path / "taken").write_text("a file")
    assert cli.main(["demo", "--out", str(tmp_path / "taken")]) == 2
    said = capsys.readouterr()
    assert re.match(r'Error: The folder ".*taken" cannot be made', said.err) and "pixels" not in said.out


@pytest.mark.parametrize("name", ["my-ct.seg.nrrd", "my-ct.png"])
def test_the_demo_replaces_what_a_demo_wrote_and_nothing_else(tmp_path, monkeypatch, capsys, name):
    """With --out . a segmentation that somebody painted may be there under the same name."""
    monkeypatch.setattr(demo, "bundled_case", lambda: cases.DemoCase("My CT", tmp_path, {}))
    (tmp_path / name).write_bytes(b"painted for hours")
    assert cli.main(["demo", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert name in said.err and "not from this program" in said.err and "pixels" not in said.out
    assert (tmp_path / name).read_bytes() == b"painted for hours"


def row_of(table, name):
    """The columns of a structure in a printed table: name, seeds, Dice, IoU, HD, slices, seconds."""
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [name])


def test_the_whole_demo_on_a_phantom(a_phantom, tmp_path, monkeypatch, capsys):
    """Every method gets its table, the numbers are those of the masks that are written, and the picture is there."""
    part = (slice(6, 20), slice(6, 24), slice(4, 22))
    volume = Volume(a_phantom.volume.voxels[part], a_phantom.volume.ijk_to_ras)
    references = {22: a_phantom.references["middle"][part], 23: a_phantom.references["above"][part]}
    ct = save_ct(tmp_path / "ct.nrrd", volume)
    labels = save_labels(tmp_path / "labels.nrrd", volume, sum(value * mask for value, mask in references.items()))
    case = cases.DemoCase(
        "Phantom, made up", ct, {"L3": cases.Reference(labels, 22), "L4": cases.Reference(labels, 23)}
    )
    monkeypatch.setattr(demo, "bundled_case", lambda: case)
    load = demo.SliceTracker.load
    monkeypatch.setattr(demo.SliceTracker, "load", lambda model, device: load(model, device, 64))
    for name in ("RECOMMENDED", "STOCK_SAM2"):
        monkeypatch.setattr(demo, name, replace(getattr(demo, name), direction="forward"))
    written = tmp_path / "demo.csv"
    assert cli.main(["demo", "--out", str(tmp_path / "out"), "--device", "cpu", "--table", str(written)]) == 0

    said = capsys.readouterr().out
    tables = dict(re.findall(r"\n(.+) \(peak memory \d+ MB\)\n((?:  .+\n)+)", said))
    three, ours, *_, interpolation = tables.values()  # in the order in which they are printed
    (stock,) = (table for title, table in tables.items() if title.startswith("Stock SAM2,"))
    assert all("SAM2VolumeSeg" in title for title in list(tables)[:2]) and "Interpolation" in list(tables)[-1]
    assert {title.split(",")[0] for title in tables} >= {"Marker watershed", "Grow from seeds", "Fill between slices"}
    assert "Not for clinical use" in said
    found = read_seeds(tmp_path / "out" / "phantom-made-up.seg.nrrd", volume)
    for name, reference in (("L3", references[22]), ("L4", references[23])):
        columns = row_of(ours, name)
        assert float(columns[2]) == pytest.approx(dice(found[name].mask, reference), abs=6e-4)
        assert float(columns[3]) == pytest.approx(iou(found[name].mask, reference), abs=6e-4)
        assert int(columns[1]) == 9 and int(columns[5]) > 9
    # Stock SAM2 gets axial seeds alone; interpolation needs no slices of the model.
    assert int(row_of(three, "L3")[1]) == int(row_of(stock, "L3")[1]) == 3 and row_of(interpolation, "L3")[5] == "-"
    means = [float(re.search(r"mean / total +\d+ +(\S+)", table)[1]) for table in tables.values()]
    summary = said.split("Mean Dice: ")[1].splitlines()[0]
    assert [float(part.split()[-1]) for part in summary.split(";")] == pytest.approx(means, abs=1e-3)
    with written.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["method"] for line in lines] == list(tables) and [float(line["dice"]) for line in lines] == means
    assert {line["case"] for line in lines} == {"Phantom, made up"} and lines[-1]["model"] == ""
    assert read_provenance(tmp_path / "out" / "phantom-made-up.seg.nrrd")["settings"]["direction"] == "forward"
    assert (tmp_path / "out" / "phantom-made-up.png").stat().st_size > 10_000
    for name in ("phantom-made-up.png", "phantom-made-up.seg.nrrd"):
        assert names_this_program(tmp_path / "out" / name), "the next demo could not replace it"


def test_peak_memory_sees_what_was_used_since_the_reset():
    """Else the table would print the same number for every method. In a process of its own: of one that has grown by
    a gigabyte before, the system may take back more than a block needs while that is filled."""
    peaks = subprocess.run(
        [sys.executable, "-c", "import numpy as np\n"
         "from SAM2VolumeSegLib.research.measures.memory import peak_memory_mb, reset_peak_memory\n"
         "reset_peak_memory()\nprint(peak_memory_mb())\n"
         "block = np.ones(30_000_000)\nprint(peak_memory_mb())\n"
         "del block\nreset_peak_memory()\nprint(peak_memory_mb())"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    before, during, after = map(float, peaks)
    assert during > before + 200 and after < before + 150


def test_the_table_replaces_no_file_but_its_own(tmp_path):
    """A slip in the name must not cost a CT."""
    foreign = tmp_path / "ct.nrrd"
    foreign.write_bytes(b"NRRD0004")
    with pytest.raises(InputError, match="is there already, and no table of the demo"):
        demo.run_demo(tmp_path / "out", table=foreign)
    assert foreign.read_bytes() == b"NRRD0004" and not (tmp_path / "out").exists()
    assert (ROOT / "Resources" / "results" / "demo.csv").read_bytes().startswith(demo.TABLE_BEGINS)
