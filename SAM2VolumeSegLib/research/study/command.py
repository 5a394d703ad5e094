"""The study's part of the command line."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from SAM2VolumeSegLib.progress import ProgressLine, duration, follow

if TYPE_CHECKING:
    from SAM2VolumeSegLib.research.data.layouts import DataSet
    from SAM2VolumeSegLib.research.study.experiments import Experiment
    from SAM2VolumeSegLib.research.study.run import Study, StudyProgress
    from SAM2VolumeSegLib.research.study.split import Drawing, Split

SOME_FAILED = 1  # exit code


def add_study(commands) -> None:
    """Add the command "study" to the program's commands (an argparse subparsers object)."""
    study = commands.add_parser("study", help="the paper's study on your data: draw, run, report")
    parts = study.add_subparsers(required=True, metavar="PART")

    phantoms = parts.add_parser("phantoms", help="make a data set of synthetic CTs")
    phantoms.add_argument("folder", type=Path, help="where it is written")
    phantoms.add_argument("--count", type=int, default=8, help="CTs (8)")
    phantoms.add_argument("--seed", type=int, default=0, help="of the random shapes (0)")
    phantoms.set_defaults(command=_phantoms)

    draw = parts.add_parser("draw", help="draw the structures, the same number of each class, once and for all")
    draw.add_argument("results", type=Path, help="folder of the study; split.json is written there")
    _add_data(draw)
    draw.add_argument("--per-class", type=int, help="structures of each class at most (250)")
    draw.add_argument("--seed", type=int, help="of the draw (0)")
    draw.set_defaults(command=_draw)

    run = parts.add_parser("run", help="run experiments, or what is left of them")
    run.add_argument("experiment", nargs="+", help="names that `study experiments` lists, or all")
    _add_data(run)
    run.add_argument("--results", type=Path, required=True, help="folder of the study; drawn first where it is new")
    run.add_argument("--cases", type=int, help="only the first so many structures of the split (all)")
    run.add_argument("--model", default="small", help="tiny, small, base+, large or demo (small)")
    run.add_argument("--image-size", type=int, help="pixels the model sees (its own: 1024, demo 160)")
    run.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps, of every worker (auto)")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, help="processes on this machine, as many as it has GPUs (1)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster to use, as in tcp://10.0.0.1:8786")
    run.add_argument("--quiet", action="store_true", help="at most a hundred lines in place of the bar, for a log")
    run.set_defaults(command=_run)

    report = parts.add_parser("report", help="tables and figures in the paper's form, beside the paper's own numbers")
    report.add_argument("results", type=Path, nargs="+", help="folders of studies")
    report.add_argument("--out", type=Path, required=True, help="folder for the report")
    report.add_argument("--data", help="the data folder, for the pictures")
    report.add_argument("--pictures-of", nargs="+", metavar="CASE", default=(), help="cases that may be shown")
    report.add_argument("--device", default="auto", help="for the pictures: auto, cpu, cuda, cuda:1 or mps (auto)")
    report.set_defaults(command=_report)

    estimate = parts.add_parser("estimate", help="hours and bytes for more structures and GPUs, from what was measured")
    estimate.add_argument("results", type=Path, help="folder of a study that ran")
    estimate.add_argument("--structures", type=int, default=2500, help="(2500, as in the paper)")
    estimate.add_argument(
        "--gpus", type=int, nargs="+", default=(1, 8, 64), metavar="N", help="one worker each (1 8 64)"
    )
    estimate.add_argument("--encode-ms", type=float, help="assume this for encoding a slice, in place of the measured")
    estimate.add_argument("--track-ms", type=float, help="assume this for tracking a slice, in place of the measured")
    estimate.add_argument("--image-size", type=int, help="assume this for the embeddings' bytes")
    estimate.set_defaults(command=_estimate)

    readme = parts.add_parser("readme", help="in a checkout: write the figures that texts quote from Resources/results")
    readme.set_defaults(command=_readme)

    demo_model = parts.add_parser("demo-model", help="in a checkout: replace the bundled model, say what to run again")
    demo_model.add_argument("checkpoint", type=Path, help="the new one, as research.training writes it")
    demo_model.set_defaults(command=_demo_model)

    prior = parts.add_parser("review-prior", help="in a checkout: fit to phantoms where a result is likely wrong")
    prior.set_defaults(command=_review_prior)

    experiments = parts.add_parser("experiments", help="list the experiments and their rows")
    experiments.set_defaults(command=_list_experiments)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", required=True, help="folder of TotalSegmentator, or of CTs and label volumes; tptbox: the package's"
    )
    parser.add_argument("--classes", help="class table of label volumes: a .json file, shared or tptbox (the folder's)")


# --------------------------------------------------------------------------------------------------------------- data


def _phantoms(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.data.phantoms import write_phantoms

    write_phantoms(options.folder, options.count, options.seed)
    print(f"Written: {options.folder}")
    print(f"Next: sam2-volume-seg study run all --model demo --data {options.folder} --results RESULTS")


def _draw(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.data.layouts import open_data

    data = open_data(options.data, options.classes)
    split = _drawn(options.results, data, options.per_class, options.seed)
    print(f"{len(split.structures)} structures of {split.data}:")
    for bone, count in split.counts.items():
        print(f"  {count:4} {bone}")
    if split.left_out:
        print("Left out:")
        for reason in split.reasons():
            print(f"  {reason}")
    if split.absent:
        print(f"{split.absent} masks were empty: those structures are not in their CT.")
    print(f"Written: {options.results / 'split.json'}")
    print(f"Next: sam2-volume-seg study run all --data {options.data} --results {options.results}")


def _drawn(
    results: Path, data: DataSet, per_class: int | None = None, seed: int | None = None, quiet: bool = False
) -> Split:
    from SAM2VolumeSegLib.research.study.split import drawn_once

    def shown(step: Drawing) -> ProgressLine:
        rest = f"{step.looked_at} looked at"
        return ProgressLine(step.drawn, step.total, f"{step.candidate.case} {step.candidate.name}", rest)

    return follow(drawn_once(results, data, per_class, seed), shown, "structures", quiet)


# ---------------------------------------------------------------------------------------------------------------- run


def _run(options: argparse.Namespace) -> int:
    from SAM2VolumeSegLib.research.data.layouts import open_data
    from SAM2VolumeSegLib.research.study.run import Study
    from SAM2VolumeSegLib.research.study.workers import open_site

    experiments = _experiments(options.experiment, options.model)
    data = open_data(options.data, options.classes)
    split = _drawn(options.results, data, quiet=options.quiet)
    study = Study(experiments, split.first(options.cases), options.model, options.image_size, split.structures)
    _say_older(study, options.results)
    with open_site(data.folder, options.device, options.workers, options.scheduler) as site:
        try:
            follow(study.run(site, options.results), _shown, "tasks", options.quiet)
        except KeyboardInterrupt:
            _print_summary(study, options)
            raise
    return SOME_FAILED if _print_summary(study, options) else 0


def _say_older(study: Study, results: Path) -> None:
    from SAM2VolumeSegLib.research.study.store import FILE, read_results

    older = study.older(read_results(results)[0]) if (results / FILE).exists() else 0
    if older:
        print(
            f"{older} of {len(study.tasks)} tasks have results of older code only and are computed again; the older "
            "ones stay in the file, and another folder (--results) keeps the two apart."
        )


def _experiments(names: list[str], model: str) -> list[Experiment]:
    from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS, find_experiment

    chosen = EXPERIMENTS if "all" in names else dict.fromkeys(names)
    return [find_experiment(name, model) for name in chosen]


def _shown(step: StudyProgress) -> ProgressLine:
    parts = [f"{step.failed} failed"] if step.failed else []
    parts += [f"{step.left} left"]
    if step.seconds_left is not None:
        parts.append(duration(step.seconds_left))
    if step.workers != 1:
        parts.append(f"{step.workers} workers")
    return ProgressLine(step.done + step.failed, step.done + step.failed + step.left, step.dice, ", ".join(parts))


def _print_summary(study: Study, options: argparse.Namespace) -> int:
    """Say what is in the results of this study, and what comes next; returns how many tasks failed."""
    from SAM2VolumeSegLib.research.study.store import FILE, read_results

    results, errors = read_results(options.results)
    finished, failed = results.keys() & study.tasks.keys(), errors.keys() & study.tasks.keys()
    waiting = {key for key, task in study.tasks.items() if task.model in study.absent} - finished
    left = len(study.tasks) - len(finished | failed | waiting)
    print(f"{len(finished)} of {len(study.tasks)} tasks are done, {len(failed)} failed, {left} are left.")
    _print_grouped("Failed", Counter(errors[key]["error"] for key in failed))
    for line in study.not_run():
        print(f"Not run: {line}")
    print(f"Results: {options.results / FILE}")
    if left or failed:
        print("Next: the same command again does what is left, and what failed once more.")
    if finished:
        report = f"sam2-volume-seg study report {options.results} --out {options.results / 'report'}"
        print(f"{'Then' if left or failed else 'Next'}: {report}")
    return len(failed)


def _print_grouped(title: str, reasons: Counter[str]) -> None:
    for reason, count in reasons.most_common(10):
        print(f"{title}, {count} {'task' if count == 1 else 'tasks'}: {reason}")
    if len(reasons) > 10:
        print(f"{title}: {len(reasons) - 10} more reasons, in the results.")


# ------------------------------------------------------------------------------------------------------------- results


def _report(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.data.layouts import data_folder
    from SAM2VolumeSegLib.research.study.report import write_report

    data = None if options.data is None else data_folder(options.data)
    print(f"Written: {write_report(options.results, options.out, data, options.pictures_of, options.device)}")


def _estimate(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.study.estimate import estimate

    assumed = options.encode_ms, options.track_ms, options.image_size
    print(estimate(options.results, options.structures, options.gpus, *assumed))


def _readme(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.study.readme import ROOT, rewritten
    from SAM2VolumeSegLib.volume.target import write_text

    changed = rewritten()
    for path, text in changed.items():
        write_text(path, text)
        print(f"Written: {path.relative_to(ROOT).as_posix()}")
    if not changed:
        print("Every figure is as in the results.")


def _demo_model(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.study.demo_model import RUN_AGAIN, replace
    from SAM2VolumeSegLib.research.study.readme import ROOT

    for path in replace(options.checkpoint, ROOT):
        print(f"Written: {path.relative_to(ROOT).as_posix()}")
    print("Run again before the commit, because figures and pictures are those of the old model:")
    print("\n".join(f"  {command}" for command in RUN_AGAIN))


def _review_prior(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.model.load import load_model
    from SAM2VolumeSegLib.research.study.readme import ROOT
    from SAM2VolumeSegLib.research.study.review_prior import FILE, fit, structures, write_prior
    from SAM2VolumeSegLib.review.features import NAMES

    model, checked = fit(list(structures(load_model("demo", "cpu"), print)))
    for name, weight in zip(("constant", *NAMES), model.weights, strict=True):
        print(f"{name:12} {weight:6.3f}")
    print(f"Wrong volume: a factor of exp({model.log_ratio_sd:.3f}) about the expected one, {checked:.3f} if checked.")
    write_prior(ROOT, model, checked)
    print(f"Written: {FILE.as_posix()}")


def _list_experiments(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS

    for name, experiment in EXPERIMENTS.items():
        table = f" (the paper's {experiment.table})" if experiment.table else ""
        print(f"{name}: {experiment.title}{table}. {experiment.description}")
        for row in experiment.configurations:
            print(f"  {row.name}{' (baseline)' * (row.name == experiment.baseline)}")
