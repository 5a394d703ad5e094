"""`review` and `audit`, from files to a report; one case, and a list of them."""

import csv
import json
import re
import shutil
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_files import FAST, paint, save_ct, save_labels

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.command import one_case
from SAM2VolumeSegLib.command.batch import CaseRow
from SAM2VolumeSegLib.review import Verdict
from SAM2VolumeSegLib.volume import Segment, Volume, read_seeds, write_segmentation

pytestmark = pytest.mark.numeric
CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def files(a_phantom, tmp_path_factory) -> Path:
    """A CT, seeds of "L3" and "L4", their result with its evidence, and corrected by hand; labels of both."""
    folder = tmp_path_factory.mktemp("review")
    save_ct(folder / "ct.nrrd", a_phantom.volume)
    masks = {"L3": a_phantom.references["middle"], "L4": a_phantom.references["above"]}
    painted = [Segment(name, paint(a_phantom, kind, "quarters")) for name, kind in (("L3", "middle"), ("L4", "above"))]
    write_segmentation(folder / "seeds.seg.nrrd", a_phantom.volume, painted, {})
    save_labels(folder / "labels.nii.gz", a_phantom.volume, 3 * masks["L3"] + 4 * masks["L4"])
    made = [folder / "ct.nrrd", folder / "seeds.seg.nrrd", "-o", folder / "result.seg.nrrd", "--keep-evidence"]
    assert run("segment", *made, "--absent", "L3=axial:0", *FAST) == 0
    segments = read_seeds(folder / "result.seg.nrrd", a_phantom.volume)
    tags = "".join(f"{key}:{value}|" for key, value in Verdict("fix", 2, "too short").tags().items())
    lost = segments["L3"].mask
    lost[:, :14] = False
    corrected = [Segment("L3", lost, tags=tags), segments["L4"]]
    write_segmentation(folder / "corrected.seg.nrrd", a_phantom.volume, corrected, {})
    return folder


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def page(folder):
    return unescape((folder / "review.html").read_text(encoding="utf-8"))


def test_a_result_is_reviewed_as_it_was_made(files, tmp_path, capsys):
    """With the model, the settings and the seeds that its header names: else it would differ from the run."""
    result = files / "result.seg.nrrd"
    assert run("review", files / "ct.nrrd", result, "--seeds", files / "seeds.seg.nrrd", "-o", tmp_path, *CPU) == 0
    said = capsys.readouterr()
    assert "the demo model at 64 pixels" in said.out and "L3: expected Dice 0." in said.out and "left out" in said.err
    assert "6 painted slices" in said.out
    rows = table(tmp_path / "review.csv")
    assert {row["segment"] for row in rows} == {"L3", "L4"} and all(row["self_checked"] == "yes" for row in rows)
    assert "the propagation finds" not in page(tmp_path).lower()
    assert "Self-check" in page(tmp_path) and '"image_size": 64' in page(tmp_path)


def test_with_evidence_no_model_runs(files, tmp_path, monkeypatch, capsys):
    """On another computer, or for a hundred results at once."""
    monkeypatch.setattr(one_case.Reviewer, "_segmenter", lambda *_: pytest.fail("a model was loaded"))
    inputs = [files / "ct.nrrd", files / "result.seg.nrrd", "--no-self-check", "-o", tmp_path]
    assert run("review", *inputs) == 0
    assert "no model ran" in page(tmp_path) and "those of phantoms" in page(tmp_path)
    assert {row["self_checked"] for row in table(tmp_path / "review.csv")} == {"no"}


@pytest.mark.parametrize("option", [("--model", "tiny"), ("--window", "0,300"), ("--axes", "axial"), ("--seeds", None)])
def test_an_option_that_evidence_leaves_without_effect_is_refused(files, tmp_path, capsys, option):
    """Who compares two models must not get the same figures twice."""
    name, value = option
    inputs = [files / "ct.nrrd", files / "result.seg.nrrd", "--no-self-check", "-o", tmp_path / "out"]
    assert run("review", *inputs, name, value or files / "seeds.seg.nrrd") == 2
    assert f"{name} would not be used: no model runs with result.evidence.npz" in capsys.readouterr().err


def test_evidence_of_another_run_is_not_used(files, tmp_path, capsys):
    """A result that was made again over an earlier one lies beside what the earlier run kept."""
    made = [files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", tmp_path / "result.seg.nrrd"]
    assert run("segment", *made, "--keep-evidence", "--segments", "L4", *FAST) == 0
    assert run("segment", *made, *FAST, "--window", "0,300") == 0
    inputs = [files / "ct.nrrd", tmp_path / "result.seg.nrrd", "--no-self-check", "-o", tmp_path / "report", *CPU]
    assert run("review", *inputs) == 0
    assert "result.evidence.npz was not used" in capsys.readouterr().out
    said = page(tmp_path / "report")
    assert "result.evidence.npz was not used" in said
    assert "no model ran" not in said and "is not what the run found" not in said
    assert {row["segment"] for row in table(tmp_path / "report" / "review.csv")} == {"L3", "L4"}


def test_without_evidence_the_run_is_repeated_from_the_header(files, tmp_path, capsys):
    """The result itself is what was painted, on the slices that were."""
    shutil.copy(files / "result.seg.nrrd", tmp_path / "alone.seg.nrrd")
    inputs = [files / "ct.nrrd", tmp_path / "alone.seg.nrrd", "--no-self-check", "-o", tmp_path / "report", *CPU]
    assert run("review", *inputs) == 0
    said = page(tmp_path / "report")
    assert "Nothing was kept beside the result" in said and "6 painted slices were propagated again" in said
    assert run("review", files / "ct.nrrd", files / "result.seg.nrrd", "--no-self-check", "-o", tmp_path / "kept") == 0
    one, other = (table(tmp_path / name / "review.csv") for name in ("report", "kept"))
    for row, twin in zip(one, other, strict=True):
        assert float(row["expected_dice"]) == pytest.approx(float(twin["expected_dice"]), abs=1e-3)


def test_slices_that_the_run_did_not_have_are_said(files, a_phantom, tmp_path, capsys):
    """Who painted some more and reviews believes that they count."""
    more = {name: one.mask for name, one in read_seeds(files / "seeds.seg.nrrd", a_phantom.volume).items()}
    extra = 1 + max(np.flatnonzero(more["L3"].any(axis=(1, 2)))[:-1])  # axial, between two that were painted
    more["L3"][extra] = a_phantom.references["middle"][extra]
    write_segmentation(tmp_path / "more.seg.nrrd", a_phantom.volume, [Segment(*one) for one in more.items()], {})
    inputs = [files / "ct.nrrd", files / "result.seg.nrrd", "--seeds", tmp_path / "more.seg.nrrd"]
    again = ["-o", tmp_path / "out", *CPU]
    assert run("review", *inputs, *again) == 0
    said = capsys.readouterr()
    assert f'"L3" is painted on axial:{extra} in' in said.err and "not used" in said.err and '"L4"' not in said.err
    assert "6 painted slices" in said.out
    others = [Segment(name, np.roll(mask, 40, axis=2)) for name, mask in more.items()]
    write_segmentation(tmp_path / "more.seg.nrrd", a_phantom.volume, others, {})
    assert run("review", *inputs, *again) == 2
    assert 'is not what "L3" of' in capsys.readouterr().err


def test_a_label_image_is_reviewed_by_what_lies_beside_it(files, tmp_path):
    """Names, settings and painted slices of a NIfTI are in its .json."""
    made = [files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", tmp_path / "result.nii.gz", *FAST]
    assert run("segment", *made) == 0
    inputs = [files / "ct.nrrd", tmp_path / "result.nii.gz", "--no-self-check", "-o", tmp_path / "report", *CPU]
    assert run("review", *inputs) == 0
    assert {row["segment"] for row in table(tmp_path / "report" / "review.csv")} == {"L3", "L4"}
    assert "is not what the run found" not in page(tmp_path / "report")


def test_a_result_that_was_corrected_is_judged_as_it_is_now(files, tmp_path):
    """With the verdict that somebody saved with it, and its earlier state beside it."""
    inputs = [files / "ct.nrrd", files / "corrected.seg.nrrd", "--seeds", files / "seeds.seg.nrrd"]
    before = ["--before", files / "result.seg.nrrd", "--reference", files / "labels.nii.gz"]
    assert run("review", *inputs, *before, "--no-self-check", "-o", tmp_path, *FAST) == 0
    text = page(tmp_path)
    assert "L3 is not what the run found" in text and "L4 is not" not in text
    assert "the propagation finds more here" in text.lower() and "Before" in text and "too short" in text
    row = next(row for row in table(tmp_path / "review.csv") if row["segment"] == "L3")
    assert (row["verdict"], row["stars"], row["reference_segment"]) == ("fix", "2", "label 3")
    assert float(row["dice"]) < 0.9 and float(row["volume_difference_ml"]) < 0


def test_a_segmentation_of_any_origin_is_audited(files, tmp_path, capsys):
    inputs = [files / "ct.nrrd", files / "labels.nii.gz", "-o", tmp_path, "--model", "demo", "--image-size", "64", *CPU]
    assert run("audit", *inputs, "--no-self-check", "--segments", "label 3") == 0
    assert "9 slices were taken from the segmentation as if they had been painted" in capsys.readouterr().out
    (row,) = table(tmp_path / "review.csv")
    assert row["segment"] == "label 3" and 0.3 < float(row["dice_with_propagated"]) <= 1
    assert "What that does not say: that it is right" in page(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ct.nrrd"], "Give a CT and a segmentation"),
        (["ct.nrrd", "nothing.seg.nrrd"], "no file .*nothing.seg.nrrd"),
        (["ct.nrrd", "labels.nii.gz"], "does not say which slices were painted"),
        (["ct.nrrd", "labels.nii.gz", "--seeds", "seeds.seg.nrrd"], "None of the segments .*is painted"),
        (["ct.nrrd", "result.seg.nrrd", "--segments", "L5"], 'no segment "L5"'),
        (["ct.nrrd", "result.seg.nrrd", "--cases", "list.csv"], "cannot be given as well"),
        (["ct.nrrd", "result.seg.nrrd", "--reference", "empty.nii.gz"], r"(?s)\A(?!.*(Paint|seeds)).*Nothing is paint"),
        (["ct.nrrd", "result.seg.nrrd", "--reference", "nowhere.nii.gz"], r"(?s)\A(?!.*seeds).*no file .*nowhere"),
        (["ct.nrrd", "ct.nrrd"], r"(?s)\A(?!.*seeds).*not a label image"),
        (["other.nrrd", "result.seg.nrrd"], "made from another CT"),
    ],
)
def test_what_cannot_be_reviewed_is_told(files, a_phantom, tmp_path, capsys, arguments, message):
    voxels = np.array(a_phantom.volume.voxels)
    voxels[0, 0, 0] += 1
    save_ct(files / "other.nrrd", Volume(voxels, a_phantom.volume.ijk_to_ras))
    save_labels(files / "empty.nii.gz", a_phantom.volume, 0 * voxels)
    given = [argument if argument.startswith("-") or argument == "L5" else files / argument for argument in arguments]
    assert run("review", *given, "-o", tmp_path / "new" / "out", *CPU) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "new").exists()  # nobody is to look for a report there


# --------------------------------------------------------------------------------------------- many cases


@pytest.fixture
def a_list(files, tmp_path):
    """Four cases: one good, one with a file that is missing, one that is worse, and one that is no segmentation."""
    (tmp_path / "broken.seg.nrrd").write_bytes(b"NRRD0005\nnothing")
    lines = [
        "case;ct;segmentation;seeds;reference",
        f"good;{files / 'ct.nrrd'};{files / 'result.seg.nrrd'};;",
        f"missing;{files / 'ct.nrrd'};no.seg.nrrd;;",
        f"worse/größer;{files / 'ct.nrrd'};{files / 'corrected.seg.nrrd'};{files / 'seeds.seg.nrrd'};"
        f"{files / 'labels.nii.gz'}",
        f"broken;{files / 'ct.nrrd'};broken.seg.nrrd;;",
        "",
    ]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines), encoding="utf-8-sig")  # as a German spreadsheet saves it
    return path


def test_a_bad_case_does_not_end_the_list(a_list, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("review", "--cases", a_list, "-o", out, "--no-self-check", *CPU, "--model", "demo", *FAST[4:]) == 2
    assert "2 of 4 cases failed: missing, broken" in capsys.readouterr().err
    rows = table(out / "cases.csv")
    assert [row["case"] for row in rows] == ["missing", "broken", "worse/größer", "good"]
    assert [row["state"] for row in rows] == ["failed", "failed", "reviewed", "reviewed"]
    assert "Without effect here: --model" in page(out / "good")
    assert "no.seg.nrrd" in rows[0]["reason"] and rows[2]["to_fix"] == "1" and rows[2]["dice_with_reference"]
    assert not (out / "missing").exists() and not (out / "broken").exists()
    for row in rows[2:]:
        assert (out / row["report"]).is_file()


def test_an_empty_cell_fails_its_own_case(files, tmp_path, capsys):
    """A list of a hundred must not wait for one path that was forgotten."""
    good = f"good,{files / 'ct.nrrd'},{files / 'result.seg.nrrd'}"
    (tmp_path / "list.csv").write_text(f"case,ct,segmentation\na,,c\n{good}\n,b,c\n")
    assert run("review", "--cases", tmp_path / "list.csv", "-o", tmp_path / "out", "--no-self-check") == 2
    assert "2 of 3 cases failed: a, line 4" in capsys.readouterr().err
    rows = {row["case"]: row for row in table(tmp_path / "out" / "cases.csv")}
    assert "Line 2" in rows["a"]["reason"] and "has no ct" in rows["a"]["reason"]
    assert "has no case" in rows["line 4"]["reason"] and rows["good"]["state"] == "reviewed"


def test_what_is_done_is_not_done_again(a_list, tmp_path, monkeypatch, capsys):
    """After an interrupt, a corrected line or a new case; but what has changed is."""
    out = tmp_path / "out"
    arguments = ["review", "--cases", a_list, "-o", out, "--no-self-check", *CPU, "--model", "demo", *FAST[4:]]
    run(*arguments)
    reviewed = []
    review = one_case.Reviewer.review
    monkeypatch.setattr(one_case.Reviewer, "review", lambda *given: reviewed.append(given[1].name) or review(*given))
    before = (out / "cases.csv").read_bytes()
    run(*arguments)
    assert reviewed == ["missing", "broken"] and (out / "cases.csv").read_bytes() == before
    capsys.readouterr()
    reviewed.clear()
    run(*arguments, "--segments", "L3")
    assert reviewed == ["good", "missing", "worse/größer", "broken"]
    reviewed.clear()
    record = out / "good" / "case.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"row": {}}))
    run(*arguments, "--segments", "L3")
    assert "good" in reviewed and "worse/größer" not in reviewed


def test_an_interrupt_keeps_what_is_done(a_list, tmp_path, monkeypatch, capsys):
    review = one_case.Reviewer.review

    def interrupted(self, case, folder):
        if case.name == "missing":
            raise KeyboardInterrupt
        return review(self, case, folder)

    monkeypatch.setattr(one_case.Reviewer, "review", interrupted)
    assert run("review", "--cases", a_list, "-o", tmp_path / "out", "--no-self-check", *CPU) == 130
    rows = {row["case"]: row["state"] for row in table(tmp_path / "out" / "cases.csv")}
    assert rows["good"] == "reviewed" and set(rows.values()) == {"reviewed", "not yet reviewed"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,ct\na,b\n", 'no column "segmentation"'),
        ("case,ct,segmentation,colour\na,b,c,d\n", 'has a column "colour"'),
        ("case,ct,segmentation\na/b,x,c\na_b,x,c\n", 'called "a_b"'),
        ("case,ct,segmentation\n", "has no cases"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_before_anything_runs(tmp_path, capsys, text, message):
    (tmp_path / "list.csv").write_text(text)
    assert run("audit", "--cases", tmp_path / "list.csv", "-o", tmp_path / "out") == 2
    assert re.search(message, capsys.readouterr().err) and not (tmp_path / "out").exists()


def test_a_case_cannot_leave_the_folder(files, tmp_path):
    """Whatever its name says."""
    line = f"../../x,{files / 'ct.nrrd'},{files / 'result.seg.nrrd'}"
    (tmp_path / "list.csv").write_text(f"case,ct,segmentation\n{line}\n")
    assert run("review", "--cases", tmp_path / "list.csv", "-o", tmp_path / "out", "--no-self-check") == 0
    (row,) = table(tmp_path / "out" / "cases.csv")
    assert (tmp_path / "out" / row["report"]).is_file() and ".." not in Path(row["report"]).parts


def test_the_worst_of_an_audit_is_what_agrees_least():
    """An expected Dice of somebody else's mask says too little to put cases in order by it."""

    def a_row(segment, propagated):
        return SimpleNamespace(
            segment=segment, expected_dice=0.9, likely_wrong_ml=1.0, suspects=2, verdict="",
            dice_with_propagated=propagated, dice=None,
        )  # fmt: skip

    rows = [CaseRow.of(name, "", [a_row("L3", least), a_row("L4", 0.97)]) for name, least in (("a", 0.8), ("b", 0.7))]
    assert [(row.worst_segment, row.expected_dice) for row in rows] == 2 * [("L3", None)]
    assert [row.case for row in sorted(rows, key=lambda row: row.badness)] == ["b", "a"]
