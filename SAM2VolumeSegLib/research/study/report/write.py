"""The report: what was run, what of the paper holds, tables and figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.bones import in_order
from SAM2VolumeSegLib.research.measures.metrics import METRICS, NONE
from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS
from SAM2VolumeSegLib.research.study.paper import NOTES, PAPER_METRICS, SOURCE, TABLES
from SAM2VolumeSegLib.research.study.record import Record
from SAM2VolumeSegLib.research.study.report import figures, pictures, review
from SAM2VolumeSegLib.research.study.report.embeddings import similarity
from SAM2VolumeSegLib.research.study.report.findings import PRACTICAL, Finding, find
from SAM2VolumeSegLib.research.study.report.plotting import draw_png
from SAM2VolumeSegLib.research.study.report.rows import (
    ResultsFolder,
    StudyModel,
    StudyResults,
    experiments_of,
    file_name,
    read_folders,
)
from SAM2VolumeSegLib.research.study.report.statistics import FEW_CTS, MIN_CTS, MIN_RANKED, RESAMPLES
from SAM2VolumeSegLib.research.study.report.tables import (
    ExperimentTable,
    caption,
    count,
    csv_lines,
    experiment_table,
    grid,
    markdown,
    per_bone,
    plus_minus,
    structure_lines,
)
from SAM2VolumeSegLib.volume.csv_text import to_csv
from SAM2VolumeSegLib.volume.target import beside, check_target, move_together

REPORT, SUMMARY = "report.md", "summary.md"
TITLE = "# The paper's study"
_CAPTIONS = {
    "3a-threshold": "Figure 3a. Which prompted slices stay in memory. Bars: 95 % intervals, left of the mean over "
    "structures, right of the paired difference, which is the one that tells.",
    "3b-capacity": "Figure 3b(i). How many recent slices stay in memory; IS is Intelligent Slicing. Bars as in 3a.",
    "3b-embeddings": "Figure 3b(ii). Cosine similarity of the temporal embeddings, from the slice just before to the "
    "oldest of six, and of prompted slices.",
    "3c-per-class": "Figure 3c. Dice by class (number of structures). A dot is a structure, a filled mark the mean, an "
    "open mark the paper's.",
    "3d-strategies": "Figure 3d. Propagation strategies and the number of prompted slices. Bars: 95 % intervals of the "
    "mean over structures; dashed: the paper's.",
    "4a-components": "Figure 4a. Mean time per component and slice. Encoding is per slice that had to be encoded.",
    "4b-tracking": "Figure 4b. Time to track one slice. Box: quartiles, whiskers: extremes, over all slices; within a "
    "structure the times between the stored quartiles are interpolated.",
    "review-reliability": "Reliability of a review. Voxels within 10 mm of a result's surface by the chance of an "
    "error that the review gives them, and how many of them are wrong; every structure counts as much.",
    "review-mending": "Mended slices. Mean Dice after one, two and three slices more, by who says which.",
}


def write_report(
    results: Sequence[Path], out: Path, data: Path | None = None, pictures_of: Sequence[str] = (), device: str = "auto"
) -> Path:
    """Write the report of one or more results folders, as Markdown with CSV tables and PNG figures.

    Args:
        results: folders with split.json and results.jsonl; a structure that two of them have counts once.
        out: folder for the report; made when it is missing. Files of an earlier report with the same name are replaced.
        data: the data folder, for pictures of slices alone.
        pictures_of: cases of which slices are shown; their CTs' licences must allow it where the report is published.
        device: that segments the pictures' structures again.

    Returns:
        The path of report.md. summary.md beside it is short enough for a README.

    Raises:
        InputError: a folder lacks results or has them in another format; pictures are asked for and cannot be made;
            matplotlib is missing; `out` cannot be written to.
    """
    found = read_folders(results)
    if pictures_of and data is None:
        raise InputError("Pictures need the CTs: name their folder with --data.")
    is_new = not out.exists()
    _check(out, (REPORT, SUMMARY))
    try:
        _write(out, _files(found, data, pictures_of, device))
    except BaseException:
        if is_new:
            with suppress(OSError):  # not empty: not for nothing
                out.rmdir()
        raise
    return out / REPORT


def _files(found: StudyResults, data: Path | None, pictures_of: Sequence[str], device: str) -> dict[str, bytes | str]:
    """The report's files by name."""
    files: dict[str, bytes | str] = {}
    models: list[StudyModel | None] = [*found.models()] or [None]
    parts, summaries = [_opening(found, models)], []
    for model in models:
        part, summary = _of_model(found, model, files)
        parts.append(part)
        summaries.append(summary)
        if model and pictures_of:
            parts.append(_pictures(found, model, data, pictures_of, device, files))
    parts.append(_reading(found))
    files[SUMMARY] = "\n\n".join(summaries) + "\n"
    files[REPORT] = "\n\n".join(part for part in parts if part) + "\n"
    return files


# ----------------------------------------------------------------------------------------------------- what was run


def _opening(results: StudyResults, models: Sequence[StudyModel | None]) -> str:
    records = list(results.records())
    lines = [
        TITLE,
        "How the figures of M. Lopez Escoriza and P. Amargant Alvarez, *Automatic Segmentation of 3D CT scans with "
        f"SAM2 using a zero-shot approach* ({SOURCE}) come out here. Prompts are cut from the reference. Not for "
        "clinical use.",
        "## What was run",
        grid(
            ["results", "data", "CTs", "structures", "tried", "per class", "seed", "split.json", "left out"],
            [_folder_line(folder) for folder in results.folders],
        ),
    ]
    used = Counter()
    for record in records:
        if one := record["model"]:
            used[one["name"], one["image_size"], one["sha256"], one["device"], one["precision"]] += 1
        else:
            used["no model", NONE, NONE, NONE, NONE] += 1
    if used:
        head = ["model", "input size", "SHA-256", "device", "precision", "results"]
        body = [
            [*map(str, key), str(number)] for key, number in sorted(used.items(), key=lambda item: list(map(str, item)))
        ]
        lines.append(grid(head, body))
    lines.append(_facts(results, records))
    lines.append("Again, with the data in `DATA`:\n\n```\n" + "\n".join(_commands(results, models)) + "\n```")
    lines.append(_structures(results))
    lines.append(_troubles(results))
    return "\n\n".join(line for line in lines if line)


def _folder_line(folder: ResultsFolder) -> list[str]:
    split = folder.split
    tried = {(one["case"], one["structure"]) for one in (*folder.records, *folder.failed)}
    numbers = [len({one.ct_sha256 for one in split.structures}), len(split.structures), len(tried)]
    numbers += [split.per_class, split.seed]
    return [folder.name, split.data, *map(str, numbers), folder.split_sha256[:8], str(len(split.left_out))]


def _facts(results: StudyResults, records: Sequence[Record]) -> str:
    if not records:
        return "No task has finished."
    dates = sorted(record["date"] for record in records)
    programs = ", ".join(sorted({record["program"] for record in records}))
    facts = [f"{count(len(records), 'result')}, written by {programs} from {dates[0]} to {dates[-1]}."]
    if commits := sorted({record["commit"] for record in records if record.get("commit")}):
        facts.append(f"Commit: {', '.join(commits)}.")
    minutes = sum(record["seconds"]["total"] for record in records) / 60
    facts.append(f"Computing took {f'{minutes / 60:.1f} hours' if minutes >= 60 else f'{minutes:.1f} minutes'} in all.")
    if results.superseded:
        facts.append(f"{count(results.superseded, 'result')} of older code left out.")
    return " ".join(facts)


def _commands(results: StudyResults, models: Sequence[StudyModel | None]) -> list[str]:
    lines = []
    for folder in results.folders:
        split = folder.split
        lines.append(
            f"sam2-volume-seg study draw {folder.name} --data DATA --per-class {split.per_class} --seed {split.seed}"
        )
        own = StudyResults([folder])
        for model in models:
            names = [one.name for one in experiments_of(own, model)]
            if model is None or not names:
                continue
            command = (
                f"sam2-volume-seg study run {'all' if names == list(EXPERIMENTS) else ' '.join(names)} --data DATA"
            )
            tried = {(one["case"], one["structure"]) for one in (*folder.records, *folder.failed)}
            cases = f" --cases {len(tried)}" if len(tried) < len(split.structures) else ""
            lines.append(
                f"{command} --results {folder.name} --model {model.name} --image-size {model.image_size}{cases}"
            )
    return [*lines, f"sam2-volume-seg study report {' '.join(folder.name for folder in results.folders)} --out REPORT"]


def _structures(results: StudyResults) -> str:
    """The number of structures with a result, by class and data set."""
    measured = Counter()
    for sample in results.measured():
        measured[results.structures[sample].bone, results.data_of[sample]] += 1
    if not measured:
        return ""
    bones = in_order(bone for bone, _ in measured)
    body = [[bone, *(str(measured[bone, name]) for name in results.data)] for bone in bones]
    totals = [sum(measured[bone, name] for bone in bones) for name in results.data]
    return "Structures with results:\n\n" + grid(["class", *results.data], [*body, ["all", *map(str, totals)]])


def _troubles(results: StudyResults) -> str:
    lines = []
    for folder in results.folders:
        errors = Counter(_public(one["error"]) for one in folder.failed)
        first = {_public(one["error"]): one for one in reversed(folder.failed)}
        for error, number in errors.items():
            one = first[error]
            example = f"{one['case']} {one['structure']} ({one['configuration']})"
            lines.append(f"- {folder.name}: {count(number, 'task')} failed, such as {example}: {error}")
        lines += [f"- {folder.name}: left out of the draw: {_public(reason)}" for reason in folder.split.reasons()]
        if folder.split.absent:
            lines.append(
                f"- {folder.name}: {count(folder.split.absent, 'candidate')} not in the CT at all (an empty mask)."
            )
    return "Failures, and what was left out:\n\n" + ("\n".join(lines) if lines else "- none")


def _public(text: str) -> str:
    """Cut folders off absolute paths: a report may be published."""
    text = re.sub(r'"(?:/|[A-Za-z]:[\\/])[^"]*[/\\]([^"/\\]*)"', r'"\1"', text)
    text = re.sub(r"(?<![\w./])(?:/|[A-Za-z]:\\)[^\s\"':;,]*[/\\]([^\s\"':;,/\\]+)", r"\1", text)
    return " ".join(text.split())


# -------------------------------------------------------------------------------------------------------- one model


def _of_model(results: StudyResults, model: StudyModel | None, files: dict[str, bytes | str]) -> tuple[str, str]:
    """Add a model's files; returns its part of the report, and the summary."""
    slug = model.slug if model else "no-model"
    tables = [experiment_table(results, one, model) for one in experiments_of(results, model)]
    title = f"## Model {model}" if model else "## No model"
    if not tables:
        return (
            f"{title}\n\nNothing to show: no task of an experiment has finished.",
            f"{title}\n\nNothing has finished.",
        )
    similarities = similarity(model) if model else None
    scopes = [None, *results.data] if len(results.data) > 1 else [None]
    findings = find(results, model, scopes, tables, similarities)
    names = ["all data" if scope is None else scope for scope in scopes] if len(scopes) > 1 else ["this run"]
    parts = [title, "### Which of the paper's findings hold", _findings(findings, names)]
    not_run = [name for name in EXPERIMENTS if name not in {table.experiment.name for table in tables}]
    if not_run:
        parts.append(f"Experiments that were not run: {', '.join(not_run)}.")
    for table in tables:
        experiment = table.experiment
        paper = TABLES.get(experiment.name)
        source = f" ({paper.name}, {paper.volumes} volumes)" if paper else ""
        name = _free(files, f"{slug}-{experiment.name}.csv")
        files[name] = to_csv(csv_lines(table))
        parts += [f"### {experiment.title}{source}", experiment.description]
        parts += [f"{caption(table)} [CSV]({name})", markdown(results, table)]
        if experiment.name == "final":
            bones, lines = per_bone(results, model)
            name = _free(files, f"{slug}-per-bone.csv")
            files[name] = to_csv(lines)
            parts.append("### Final methods by bone (Table VII, Dice / IoU, 250 volumes a bone)")
            parts += [f"{caption(table)} [CSV]({name})", bones]
            parts.append("Δ is IS + SPS minus baseline. Its intervals are of each bone by itself, not corrected.")
        if experiment.name == "review":
            lines = review.answers(results, model)
            name = _free(files, f"{slug}-review-answers.csv")
            files[name] = to_csv(lines)
            parts += [f"### Is a review right, and worth following? [CSV]({name})", review.section(lines)]
    name = _free(files, f"{slug}-structures.csv")
    files[name] = to_csv(structure_lines(results, tables))
    parts.append(f"Every structure of every row: [CSV]({name})")
    if model:
        parts.append(_figures(results, model, similarities, files))
    return "\n\n".join(part for part in parts if part), _summary(title, tables, findings, names)


def _findings(findings: Sequence[Finding], names: Sequence[str]) -> str:
    body = []
    for one in findings:
        cells = [f"{f'**{state}**' if state else ''} {text}".strip() for state, text in one.outcomes]
        body.append([one.text, one.paper, *cells])
    rule = (
        "Differences in Dice with 95 % intervals. A gain holds where the interval is above zero and p below 0.05. It "
        f"does not hold where the opposite does, or the interval is below {PRACTICAL} (or the paper's own gain, where "
        "that is smaller). That something does not help holds where it is clearly worse, or the interval is below "
        f"{PRACTICAL}; it does not hold where there is a gain. All else is not clear. Where the claim is about several "
        "rows, the nearest competitor is shown. p is corrected inside an experiment, not over this table: of twenty "
        "findings on nothing but noise, one is expected to look like something."
    )
    return f"{grid(['finding', 'paper', *names], body)}\n\n{rule}"


def _figures(
    results: StudyResults, model: StudyModel, similarities: np.ndarray | None, files: dict[str, bytes | str]
) -> str:
    drawn = {
        "3a-threshold": draw_png(figures.threshold, results, model),
        "3b-capacity": draw_png(figures.capacity, results, model),
        "3b-embeddings": None if similarities is None else draw_png(figures.embeddings, similarities),
        "3c-per-class": draw_png(figures.per_bone, results, model),
        "3d-strategies": draw_png(figures.strategies, results, model),
        "4a-components": draw_png(figures.components, results, model),
        "4b-tracking": draw_png(figures.tracking, results, model),
        "review-reliability": draw_png(review.reliability, results, model),
        "review-mending": draw_png(review.gains, results, model),
    }
    parts = ["### Figures"]
    for name, content in drawn.items():
        if content:
            file = _free(files, f"{model.slug}-figure-{name}.png")
            files[file] = content
            parts.append(f"![{_CAPTIONS[name].split('.')[0]}]({file})\n\n{_CAPTIONS[name]}")
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _pictures(
    results: StudyResults,
    model: StudyModel,
    data: Path,
    cases: Sequence[str],
    device: str,
    files: dict[str, bytes | str],
) -> str:
    structures = [pictures.most_different(results, model, case) for case in dict.fromkeys(cases)]
    tracker = pictures.load_tracker(model, device)
    parts = []
    for structure in structures:
        name = _free(files, f"{model.slug}-figure-5-{file_name(structure.case)}.png")
        files[name] = draw_png(pictures.triplets, structure, data, tracker)
        parts.append(
            f"![Figure 5]({name})\n\nFigure 5. {structure}: of this CT the structure whose Dice differs most between "
            "baseline and IS + SPS, up or down, on the axial slices where the two masks differ most. Prompts: its "
            "first, middle and last axial slice."
        )
    return "\n\n".join(parts)


def _summary(title: str, tables: Sequence[ExperimentTable], findings: Sequence[Finding], names: Sequence[str]) -> str:
    """What fits a README: Table I, and a line for each finding."""
    parts, metrics = [title], [METRICS[name] for name in PAPER_METRICS]
    for table in tables:
        if table.experiment.name == "final":
            body = []
            for line in table.lines:
                cells = [line.name]
                for metric in metrics:
                    paper = getattr(line.paper, metric.name)[0]
                    cells += [plus_minus(line.spreads[metric.name], metric.brief), metric.text(paper, brief=True)]
                body.append(cells)
            head = ["", *(cell for metric in metrics for cell in (metric.heading, "paper"))]
            parts += [caption(table), grid(head, body)]
    body = [
        [one.text, one.paper, *(state or NONE for state, _ in one.outcomes), one.outcomes[0][1]] for one in findings
    ]
    parts.append(grid(["finding", "paper", *names, f"Dice difference [95 %], {names[0]}"], body))
    return "\n\n".join(parts)


# ------------------------------------------------------------------------------------------------------ how to read


def _reading(results: StudyResults) -> str:
    lines = [
        "Mean ± standard deviation over structures. Dice and IoU are 0 where the prediction is empty; such a structure "
        "has no distance. Everything is measured on the whole CT.",
        f"Rows are compared on the structures that both have: mean difference, BCa bootstrap interval ({RESAMPLES} "
        "resamples), Wilcoxon signed-rank p with Holm's correction inside an experiment. Whole CTs are resampled and "
        f"ranked, because structures of one CT are not independent: fewer than {FEW_CTS} give coarse intervals, fewer "
        f"than {MIN_RANKED} no verdict, fewer than {MIN_CTS} no interval.",
        "A verdict other than no clear difference needs both: an interval without zero, and a corrected p below 0.05.",
        "Our crop is the reference's bounding box and a margin; what else the paper leaves open is decided in "
        "`SAM2VolumeSegLib/research/study/experiments.py`.",
    ]
    notes = "\n".join(f"- {line}" for line in lines)
    paper = "\n".join(f"- {note}" for note in NOTES)
    return f"## How to read this\n\n{notes}\n\nOn the paper's figures:\n\n{paper}"


def _free(files: dict[str, bytes | str], name: str) -> str:
    """Return a file's name, with a number where another one has it: two cases, or models, can have one name."""
    stem, _, ending = name.rpartition(".")
    number, free = 1, name
    while free in files:
        number += 1
        free = f"{stem}-{number}.{ending}"
    return free


def _check(out: Path, names: Iterable[str]) -> None:
    """Raise InputError where a report cannot be written, or would replace what is no report."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f'The report cannot be written to "{out}" ({error.strerror}): choose another folder.'
        ) from error
    try:
        is_report = (out / REPORT).read_bytes().startswith(TITLE.encode())
    except OSError:
        is_report = False
    for name in names:
        check_target(out / name)
        if (out / name).exists() and not is_report:
            raise InputError(f'"{out / name}" is there already, and no report is in that folder: choose another one.')


def _write(out: Path, files: dict[str, bytes | str]) -> None:
    """Write all files, or none; the report itself comes last."""
    _check(out, files)
    with beside(out / REPORT) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        move_together([folder / name for name in files], out)
