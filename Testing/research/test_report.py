"""The report of a study, from results whose truth is known: what it claims, what it must not, what is missing."""

import csv
import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from study_records import noisy, some_structures, the_demo_model, write_results

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS, find_experiment
from SAM2VolumeSegLib.research.study.report import write_report
from SAM2VolumeSegLib.research.study.report.embeddings import cosine, redundancy
from SAM2VolumeSegLib.research.study.report.findings import CLAIMS, FAILS, HOLDS, NOT_RUN, UNCLEAR, find
from SAM2VolumeSegLib.research.study.report.rows import experiments_of, read_folders
from SAM2VolumeSegLib.research.study.report.statistics import BETTER, TOO_FEW
from SAM2VolumeSegLib.research.study.report.tables import experiment_table, markdown, per_bone
from SAM2VolumeSegLib.research.study.report.times import component_ms, tracking_ms


def table_of(folder, name, data=None):
    """The table of an experiment in one results folder."""
    results = read_folders([folder])
    (model,) = results.models()
    return experiment_table(results, find_experiment(name, "demo"), model, data)


def findings_of(folders, scopes=(None,)):
    results = read_folders(folders)
    (model,) = results.models()
    return {one.text: one.outcomes for one in find(results, model, scopes, [], None)}


def cells_of(text, row):
    """The cells of a row by its name in a Markdown table."""
    line = next(line for line in text.splitlines() if line.replace("*", "").startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


# -------------------------------------------------------------------------------------------------------------- golden


def test_a_table_has_the_papers_figures_beside_ours_and_the_difference(tmp_path):
    dice = {"NP": 0.4, "Baseline": 0.6, "SPS": 0.7, "IS": 0.65, "IS + SPS": 0.8}
    structures = some_structures(8, 1)
    steps = {structure: 0.01 * number for number, structure in enumerate(structures)}
    write_results(tmp_path, structures, ["final"], lambda one, _, row: dice[row] + steps[one])
    table = table_of(tmp_path, "final")
    text = markdown(read_folders([tmp_path]), table)
    assert cells_of(text, "IS + SPS") == [
        "**IS + SPS**",
        "8",
        "0.835 ± 0.024",
        "0.841 ± 0.107",
        "-0.006",
        "0.717 ± 0.036",
        "0.778 ± 0.122",
        "-0.061",
        "4.30 ± 0.49",
        "4.79 ± 4.93",
        "-0.49",
    ]
    assert "| SPS | Baseline | 8 | +0.100 [+0.100, +0.100] | 0.019 | better | +0.019 | -2.00 [-2.00, -2.00] |" in text
    assert "Intervals are over 8 CTs, which are few" in text


def test_the_table_of_bones_is_the_papers_with_ours(tmp_path):
    dice = {"NP": 0.4, "Baseline": 0.6, "SPS": 0.7, "IS": 0.65, "IS + SPS": 0.8}
    write_results(tmp_path, some_structures(6, 2, ("Rib", "Phalanx")), ["final"], lambda one, _, row: dice[row])
    results = read_folders([tmp_path])
    text, lines = per_bone(results, *results.models())
    assert cells_of(text, "Rib")[:6] == ["Rib", "6", "0.400 / 0.250", "0.432 / 0.346", "0.600 / 0.429", "0.751 / 0.648"]
    assert cells_of(text, "Rib")[-2:] == ["+0.200 [+0.200, +0.200]", "+0.043"]
    assert cells_of(text, "Phalanx")[3] == "-"
    assert lines[1][:4] == ["Rib", "NP", 6, pytest.approx(0.4)]


# ---------------------------------------------------------------------------------------- effects that are, or are not


def test_effects_that_are_there_are_found_and_others_are_not(tmp_path):
    effects = {"No preprocessing": -0.2, "Temp 0.3": 0.05, "Uniform (7)": -0.1}
    write_results(tmp_path, some_structures(15, 2), ["preprocessing", "threshold", "prompts"], noisy(effects))
    lines = [line for name in ("preprocessing", "threshold", "prompts") for line in table_of(tmp_path, name).lines]
    verdicts = {line.name: line.dice.verdict for line in lines if line.dice}
    assert verdicts.pop("No preprocessing") == verdicts.pop("Uniform (7)") == "worse"
    assert verdicts.pop("Temp 0.3") == BETTER
    assert len(verdicts) == 13
    assert set(verdicts.values()) == {"no clear difference"}


def test_findings_hold_where_the_paper_is_right_and_do_not_where_it_is_wrong(tmp_path):
    agree = {"No preprocessing": -0.3, "Middle (1)": -0.2, "First-Last (2)": -0.1, "Uniform (5)": -0.05}
    agree |= {f"Sliced {number}": -0.1 for number in range(1, 5)} | {"Sliced 0": -0.2, "Intelligent Slicing": 0.1}
    agree |= {f"Gate {number}": -0.05 for number in range(1, 7)} | {"Stride 4": 0.05, "CLAHE + Windowing": -0.05}
    agree |= {"NP": -0.3, "SPS": 0.05, "IS": 0.1, "IS + SPS": 0.2}
    agree |= {f"Temp {tenths / 10}": 0.05 for tenths in range(1, 5)} | {"Temp 0.3": 0.1}
    agree |= {"Three Axis, 3 prompts": -0.2, "Three Axis, 9 prompts": 0.2, "Forward-Backward, 3 prompts": -0.05}
    names = [name for name in EXPERIMENTS if name not in ("model-scale", "ours", "painting")]
    structures = some_structures(10, 2)
    write_results(tmp_path / "agree", structures, names, noisy(agree, sd=0.01, level=0.5))
    write_results(tmp_path / "none", structures, names, noisy({}, sd=0.01, level=0.5))
    opposite = {name: -effect for name, effect in agree.items()}
    write_results(tmp_path / "opposite", structures, names, noisy(opposite, sd=0.01, level=0.5))
    states = {
        name: {text: outcomes[0][0] for text, outcomes in findings_of([tmp_path / name]).items()}
        for name in ("agree", "none", "opposite")
    }
    claims = [claim for claim in CLAIMS if claim.experiment != "model-scale"]
    assert {states["agree"][claim.text] for claim in claims} == {HOLDS}
    # Findings are judged one by one, so chance has one of twenty.
    assert sum(states["none"][claim.text] == HOLDS for claim in claims if claim.gain) <= 1
    assert sum(states["none"][claim.text] == FAILS for claim in claims if not claim.gain) <= 1
    assert {states["opposite"][claim.text] for claim in claims} == {FAILS}
    assert states["agree"]["Large is hardly better than Small"] == NOT_RUN


def test_a_finding_and_the_table_give_one_answer(tmp_path):
    write_results(tmp_path, some_structures(12, 2), ["propagation"], noisy({"Forward-Backward, 3 prompts": 0.012}))
    line = table_of(tmp_path, "propagation").line("Forward-Backward, 3 prompts")
    ((state, text),) = findings_of([tmp_path])["Forward-backward is not better than forward"]
    assert (line.dice.verdict == BETTER) == (state == FAILS)
    assert f"{line.dice.difference:+.3f}" in text


def test_vertebrae_that_gain_most_are_found(tmp_path):
    def dice(structure, experiment, row):
        extra = 0.1 * (structure.bone == "Vertebrae" and row == "IS + SPS")
        return noisy({"IS + SPS": 0.02}, sd=0.01)(structure, experiment, row) + extra

    write_results(tmp_path / "yes", some_structures(8, 3), ["final"], lambda *of: min(dice(*of), 1))
    write_results(tmp_path / "no", some_structures(8, 3), ["final"], noisy({"IS + SPS": 0.02}, sd=0.01))
    states = [
        findings_of([tmp_path / name])["Vertebrae gain more from IS + SPS than other bones"] for name in ("yes", "no")
    ]
    assert [state for ((state, _),) in states] == [HOLDS, UNCLEAR]


def test_each_data_set_is_judged_by_itself_too(tmp_path):
    structures = some_structures(12, 1)
    others = [replace(one, case=f"t{one.case}", ct_sha256=one.ct_sha256[::-1]) for one in structures]
    write_results(tmp_path / "a", structures, ["stride"], noisy({"Stride 4": 0.1}), data="real CTs")
    write_results(tmp_path / "b", others, ["stride"], noisy({"Stride 4": -0.1}), data="phantoms")
    scopes = (None, "real CTs", "phantoms")
    outcomes = findings_of([tmp_path / "a", tmp_path / "b"], scopes)["A stride of 4 is slightly better"]
    assert [state for state, _ in outcomes] == [UNCLEAR, HOLDS, FAILS]


# ---------------------------------------------------------------------------------------- what is missing or undefined


def test_one_structure_gives_its_figures_and_no_statement(tmp_path):
    write_results(tmp_path / "one", some_structures(1, 1), ["final"], noisy({}))
    text = write_report([tmp_path / "one"], tmp_path / "report").read_text(encoding="utf-8")
    assert re.search(r"\| Baseline \| 1 \| 0\.\d{3} \|", text)
    assert "Too few CTs: fewer than 6 allow no verdict, fewer than 3 no interval" in text
    assert "nan" not in text.lower()
    assert not re.search(r"\*\*(holds|does not hold)\*\* [+-]", text)
    assert {state for ((state, _),) in findings_of([tmp_path / "one"]).values()} == {TOO_FEW, NOT_RUN}


def test_rows_that_were_not_run_say_so(tmp_path):
    some = {"Uniform (7)"}
    write_results(
        tmp_path / "some",
        some_structures(6, 1),
        ["model-scale", "prompts"],
        lambda one, _, row: None if row in some else 0.5,
    )
    text = write_report([tmp_path / "some"], tmp_path / "report").read_text(encoding="utf-8")
    assert "| Uniform (7) | 0 | not run | 0.840 ± 0.117 |" in text
    assert "| Small | 0 | not run: weights absent (sam2-volume-seg checkpoints fetch small) | 0.824 ± 0.131 |" in text
    assert "Experiments that were not run: preprocessing, stride," in text


def test_an_experiment_is_not_shown_for_the_rows_it_shares_with_others(tmp_path):
    write_results(tmp_path, some_structures(3, 1), ["final"], noisy({}))
    results = read_folders([tmp_path])
    assert [one.name for one in experiments_of(results, *results.models())] == ["final"]


def test_differences_are_of_the_structures_that_both_rows_have(tmp_path):
    structures = some_structures(8, 1)
    lacking = set(structures[:2])

    def dice(structure, _, row):
        return None if row == "Stride 4" and structure in lacking else 0.1 if structure in lacking else 0.7

    write_results(tmp_path, structures, ["stride"], dice)
    table = table_of(tmp_path, "stride")
    assert table.line("Stride 4").dice.difference == 0
    assert "Without results for all 8 structures: Stride 4." in markdown(read_folders([tmp_path]), table)


def test_an_empty_prediction_counts_as_dice_0_and_is_left_out_of_the_distances(tmp_path):
    structures = some_structures(8, 1)
    empty = set(structures[:3])
    write_results(
        tmp_path, structures, ["stride"], lambda one, _, row: 0.0 if row == "Stride 2" and one in empty else 0.8
    )
    table = table_of(tmp_path, "stride")
    line = table.line("Stride 2")
    assert line.spreads["dice"].mean == pytest.approx(0.5)
    assert (line.spreads["hausdorff_mm"].n, line.undefined) == (5, 3)
    assert line.hausdorff.verdict == TOO_FEW
    assert "Stride 2: the prediction of 3 of 8 structures is empty" in markdown(read_folders([tmp_path]), table)


def test_a_study_in_which_everything_failed_is_reported(tmp_path):
    message = 'The file "/mnt/somebody/my data/s0000/ct.nii.gz" is missing: copy it there again.'
    write_results(tmp_path / "failed", some_structures(2, 1), ["stride"], lambda *_: message)
    text = write_report([tmp_path / "failed"], tmp_path / "report").read_text(encoding="utf-8")
    assert "No task has finished." in text
    assert re.search(
        r'- failed: 6 tasks failed, such as s0000 vertebrae_0 \(Stride .*\): The file "ct.nii.gz" is', text
    )
    assert "somebody" not in text


def test_a_folder_without_results_or_of_an_older_format_is_refused(tmp_path):
    with pytest.raises(InputError, match="There are no results in"):
        write_report([tmp_path], tmp_path / "report")
    folder = write_results(tmp_path / "old", some_structures(1, 1), ["stride"], noisy({}))
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "results.jsonl").write_text("\n".join(['{"format": 0, "program": "an older one"}', *lines[1:]]) + "\n")
    with pytest.raises(InputError, match=r"has an older format \(0"):
        write_report([folder], tmp_path / "report")
    (folder / "split.json").unlink()
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="There is no split file"):
        write_report([folder], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_results_of_another_split_are_refused(tmp_path):
    folder = write_results(tmp_path / "one", some_structures(2, 1), ["stride"], noisy({}))
    other = write_results(tmp_path / "other", some_structures(1, 1), ["stride"], noisy({}))
    (other / "results.jsonl").write_bytes((folder / "results.jsonl").read_bytes())
    with pytest.raises(InputError, match="which its split.json does not have"):
        read_folders([other])


# ----------------------------------------------------------------------------------------------------- several results


def test_a_structure_in_two_folders_counts_once(tmp_path):
    structures = some_structures(6, 2)
    write_results(tmp_path / "small", structures[:4], ["stride"], noisy({}))
    write_results(tmp_path / "large", structures, ["stride"], noisy({}))
    results = read_folders([tmp_path / "small", tmp_path / "large"])
    assert len(results.structures) == 12
    assert len(list(results.records())) == 3 * 12
    assert results.superseded == 0


def test_the_newest_result_of_two_versions_of_the_program_counts(tmp_path):
    folder = write_results(tmp_path / "old", some_structures(1, 1), ["stride"], lambda *_: 0.5)
    header, *lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    newer = [json.loads(line) for line in lines]
    newer = [one | {"key": one["key"][::-1], "dice": 0.9, "date": "2027-01-01T00:00:00+00:00"} for one in newer]
    (folder / "results.jsonl").write_text("\n".join([header, *map(json.dumps, newer), *lines]) + "\n")
    results = read_folders([folder])
    assert {record["dice"] for record in results.records()} == {0.9}
    assert results.superseded == 3


def test_each_model_has_tables_of_its_own_and_input_sizes_are_no_models(tmp_path):
    other = the_demo_model() | {"name": "small", "image_size": 1024, "sha256": "ab" * 32, "device": "cuda"}
    write_results(tmp_path / "demo", some_structures(6, 1), ["stride", "input-size"], noisy({}))
    write_results(tmp_path / "small", some_structures(9, 1), ["stride"], noisy({"Stride 4": 0.1}), model=other)
    results = read_folders([tmp_path / "demo", tmp_path / "small"])
    assert [str(model) for model in results.models()] == [
        f"demo, 160 px, {the_demo_model()['sha256'][:8]}",
        "small, 1024 px, abababab",
    ]
    sizes = experiment_table(results, find_experiment("input-size", "demo"), results.models()[0])
    assert [len(line.row.records) for line in sizes.lines] == 8 * [6]
    stride = [
        experiment_table(results, find_experiment("stride"), model).line("Stride 4") for model in results.models()
    ]
    assert [line.dice.verdict for line in stride] == ["no clear difference", BETTER]


# ----------------------------------------------------------------------------------------------------- what is written


@pytest.fixture(scope="module")
def a_report(tmp_path_factory):
    """The folder of a report of every experiment, with two failures."""
    folder = tmp_path_factory.mktemp("study")

    def dice(structure, experiment, row):
        return (
            "The crop misses the prompts."
            if row == "Gate 6" and structure.case == "s0001"
            else noisy({})(structure, experiment, row)
        )

    write_results(folder / "results", some_structures(4, 2), EXPERIMENTS, dice)
    return write_report([folder / "results"], folder / "report").parent


def test_a_report_has_a_table_of_every_experiment_and_every_figure(a_report):
    text = (a_report / "report.md").read_text(encoding="utf-8")
    for name, experiment in EXPERIMENTS.items():
        assert f"### {experiment.title}" in text
        assert f"demo-160-{name}.csv" in text
    figures = (
        "3a-threshold",
        "3b-capacity",
        "3b-embeddings",
        "3c-per-class",
        "3d-strategies",
        "4a-components",
        "4b-tracking",
    )
    for name in figures:
        content = (a_report / f"demo-160-figure-{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert 5_000 < len(content) < 120_000
    linked = set(re.findall(r"\]\(([^)]+)\)", text))
    assert linked | {"report.md", "summary.md"} == {path.name for path in a_report.iterdir()}
    assert "2 tasks failed, such as s0001" in text
    assert "sam2-volume-seg study run all --data DATA --results results --model demo --image-size 160" in text


def test_the_same_results_give_the_same_files(tmp_path):
    folder = write_results(tmp_path / "results", some_structures(4, 2), ["final", "capacity"], noisy({}))
    first, second = (write_report([folder], tmp_path / name).parent for name in ("first", "second"))
    files = {path.name: path.read_bytes() for path in first.iterdir()}
    assert files == {path.name: path.read_bytes() for path in second.iterdir()}
    assert len([name for name in files if name.endswith(".png")]) == 5


def test_a_report_names_no_place_on_this_machine(a_report):
    for path in a_report.glob("*.md"):
        assert str(a_report.parent) not in path.read_text(encoding="utf-8")
        assert "/mnt/" not in path.read_text(encoding="utf-8")


def test_the_csv_of_an_experiment_has_what_the_table_has(a_report):
    with (a_report / "demo-160-threshold.csv").open(encoding="utf-8") as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    line = lines["Temp 0.3"]
    assert (line["n"], line["against"], line["paper_dice"]) == ("8", "Temp 1.0 (Baseline)", "0.848")
    assert float(line["dice_lower"]) <= float(line["dice_difference"]) <= float(line["dice_upper"])
    with (a_report / "demo-160-structures.csv").open(encoding="utf-8") as file:
        dice = [float(one["dice"]) for one in csv.DictReader(file) if one["row"] == "Temp 0.3"]
    assert np.mean(dice) == pytest.approx(float(line["dice"]), abs=1e-5)


def test_the_summary_is_short(a_report):
    summary = (a_report / "summary.md").read_text(encoding="utf-8")
    assert "| IS + SPS |" in summary
    assert len(summary.splitlines()) < 45


def test_an_unwritable_folder_is_named(tmp_path):
    write_results(tmp_path / "results", some_structures(1, 1), ["stride"], noisy({}))
    (tmp_path / "report").write_text("a file")
    with pytest.raises(InputError, match="The report cannot be written to"):
        write_report([tmp_path / "results"], tmp_path / "report")


def test_a_report_replaces_a_report_and_nothing_else(tmp_path):
    """Somebody's own summary.md in the folder is not the report's, and no file of it is written beside."""
    write_results(tmp_path / "results", some_structures(1, 1), ["stride"], noisy({}))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "summary.md").write_text("my notes")
    with pytest.raises(InputError, match=r"summary\.md.* is there already"):
        write_report([tmp_path / "results"], tmp_path / "notes")
    assert [file.name for file in (tmp_path / "notes").iterdir()] == ["summary.md"]
    for _ in range(2):
        write_report([tmp_path / "results"], tmp_path / "report")


@pytest.mark.parametrize("name", ["../../x", "/x/y", "a\\b", "m" * 300])
def test_no_file_of_a_report_leaves_its_folder_whatever_a_model_is_called(tmp_path, name):
    """results.jsonl may come from somebody else."""
    model = the_demo_model()
    write_results(tmp_path / "study" / "results", some_structures(1, 1), ["stride"], noisy({}), model)
    file = tmp_path / "study" / "results" / "results.jsonl"
    header, *lines = file.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    odd = [record | {"model": record["model"] | {"name": name, "sha256": sha}} for sha in "ab" for record in records]
    odd = [record | {"key": f"{number}"} for number, record in enumerate(odd)]
    file.write_text("\n".join([header, *map(json.dumps, odd), ""]))
    report = write_report([file.parent], tmp_path / "study" / "report")
    assert sorted(one.name for one in tmp_path.rglob("*") if one.is_dir()) == ["report", "results", "study"]
    written = {one.name for one in report.parent.iterdir()}
    linked = re.findall(r"\]\(([^)]+)\)", report.read_text(encoding="utf-8"))
    assert len(linked) == len(set(linked)), "two models share a file"
    assert {one for one in linked if not one.startswith("http")} <= written


# ------------------------------------------------------------------------------------------------------ times, weights


def test_encoding_is_counted_by_the_slices_that_were_encoded(tmp_path):
    write_results(tmp_path, some_structures(2, 1), ["capacity"], noisy({}))
    results = read_folders([tmp_path])
    (one, _) = component_ms(results, *results.models()).values()
    # Eight rows of 30 slices; two with IS or two recent slices. Only the one with six encodes its 30.
    assert one["encode"] == pytest.approx(1600 / 30)
    assert one["mask decoder"] == pytest.approx(150 / 30)
    assert "total" not in one


def test_times_of_tracking_weigh_structures_by_their_slices(tmp_path):
    write_results(tmp_path, some_structures(1, 2), ["stride"], noisy({}))
    results = read_folders([tmp_path])
    row = results.rows(find_experiment("stride"), *results.models())[0]
    first, second = row.records.values()
    first |= {"track_ms": [1, 1, 1, 1, 1], "slices": 10}
    second |= {"track_ms": [3, 3, 3, 3, 3], "slices": 30}
    assert list(tracking_ms(row)) == [1] * 10 + [3] * 30


def test_embeddings_that_are_alike_have_a_cosine_of_one():
    rows = np.zeros((7, 1, 1, 3))
    rows[1:5, ..., 0], rows[0, ..., 1], rows[5:, ..., 2] = [[[2.0]], [[3.0]], [[4.0]], [[5.0]]], 1, 1
    assert redundancy(cosine(rows)) == pytest.approx((1.0, 0.0))


def test_missing_matplotlib_is_said_with_the_way_to_install_it(tmp_path, monkeypatch):
    write_results(tmp_path / "results", some_structures(1, 1), ["stride"], noisy({}))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="pip install matplotlib"):
        write_report([tmp_path / "results"], tmp_path / "report")
