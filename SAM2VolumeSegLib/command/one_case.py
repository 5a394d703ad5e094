"""Reviewing one case, from files to a report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from SAM2VolumeSegLib.command.case_files import Case, CaseFiles, masks_of
from SAM2VolumeSegLib.command.options import model_of, settings_of
from SAM2VolumeSegLib.command.segment import run_line
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import ProgressLine, duration, finished, follow
from SAM2VolumeSegLib.propagation import Progress, Request, Settings
from SAM2VolumeSegLib.propagation.choices import CHOICES, DEFAULT_MODEL, PRESETS
from SAM2VolumeSegLib.report import Report, SegmentRow, check_folder, segment_rows, write_report
from SAM2VolumeSegLib.review import (
    Evidence,
    SelfCheck,
    Verdict,
    audit_seeds,
    compare_steps,
    evidence_path,
    read_evidence,
    review_steps,
    run_identity,
    self_check,
)
from SAM2VolumeSegLib.review.agreement import dice, on_common_box
from SAM2VolumeSegLib.volume import BoxMask
from SAM2VolumeSegLib.volume.target import no_empty_folder

if TYPE_CHECKING:
    from SAM2VolumeSegLib.propagation import Segmenter


class _Known(NamedTuple):
    """What is known of a case before it is judged.

    Attributes:
        evidence: of a run.
        done: what was done for it, in sentences.
        check: the self-check; None: no slice was left out.
        run: how that run was made; None: none was needed.
    """

    evidence: Evidence
    done: tuple[str, ...]
    check: SelfCheck | None = None
    run: Mapping[str, Any] | None = None


class Reviewer:
    """Reviews cases with one choice of options; a model stays loaded for the next case that asks for it."""

    def __init__(self, options: argparse.Namespace, settings: Settings | None):
        """Nothing is loaded yet.

        Args:
            options: of the command.
            settings: those of a run, where some were given; None: each result's own.
        """
        self.options, self._settings = options, settings
        self._loaded: dict[tuple[Any, ...], Segmenter] = {}

    @classmethod
    def of(cls, options: argparse.Namespace) -> Reviewer:
        """Check the options.

        Raises:
            InputError: a value that cannot be used.
        """
        chosen = settings_of(options)
        given = options.stock or options.preset != PRESETS[0].name
        given = given or any(hasattr(options, choice.field) for choice in CHOICES)
        return cls(options, chosen if given or options.audit else None)

    def review(self, case: Case, folder: Path) -> list[SegmentRow]:
        """Review a case and write its report.

        Args:
            case: its files.
            folder: of the report.

        Returns:
            The lines of ``review.csv``.

        Raises:
            InputError: something that the user can correct.
        """
        with no_empty_folder(folder):
            return self._review(case, folder)

    def _review(self, case: Case, folder: Path) -> list[SegmentRow]:
        check_folder(folder)
        files = CaseFiles.of(case, self.options.segments)
        before = files.earlier()  # this and the reference: a wrong file is not to be found after a long run
        beside = masks_of(case.reference, files.volume) if case.reference else None
        known = self._stored(files) or self._found_again(files)
        evidence = known.evidence
        review = finished(review_steps(files.volume, evidence, known.check, files.masks))
        if not review.segments:
            raise InputError(
                f"What is known of {case.segmentation} is of other segments ({', '.join(evidence.segments)}). Make the "
                "result again, or give what was painted (--seeds)."
            )
        judged = {name: files.masks[name] for name in review.segments}
        found = {name: evidence.segments[name].found for name in judged}
        made = {"result": files.provenance, "review": known.run}
        report = Report(
            case=case.name,
            volume=files.volume,
            window=evidence.window,
            review=review,
            verdicts={name: Verdict.from_text(segment.tags) for name, segment in files.segments.items()},
            before=before,
            propagated=finished(compare_steps(files.volume, judged, found)) if self.options.audit else None,
            reference=finished(compare_steps(files.volume, judged, beside)) if beside else None,
            done=[*known.done, *_not_judged(files, judged), *(() if self.options.audit else _changed(judged, found))],
            sources=case.sources,
            provenance={what: value for what, value in made.items() if value},
        )
        write_report(folder, report)
        return segment_rows(report)

    def _stored(self, files: CaseFiles) -> _Known | None:
        """What the run kept beside its result, where that is enough; what another run kept there is not used."""
        path = evidence_path(files.case.segmentation)
        if self.options.audit or not self.options.no_self_check or not path.is_file():
            return None
        evidence = read_evidence(path)
        if evidence.run != run_identity(files.provenance):
            return None
        done = [
            f"What the run kept beside its result ({path.name}) was used; no model ran.",
            "No painted slice was left out: the estimates are those of phantoms.",
        ]
        if unused := ", ".join(self._for_a_run(files.case)):
            if self.options.cases is None:
                raise InputError(
                    f"{unused} would not be used: no model runs with {path.name} and --no-self-check. Leave out "
                    f"{unused}; or leave out --no-self-check, or move {path.name} away, to propagate again."
                )
            done.append(f"Without effect here: {unused}.")  # in a list they are for the cases that need a run
        return _Known(evidence, tuple(done))

    def _for_a_run(self, case: Case) -> Iterator[str]:
        """The options that were given and count only where a model runs."""
        options = self.options
        given = {
            "--model": options.model,
            "--checkpoint": options.checkpoint,
            "--config": options.config,
            "--image-size": options.image_size,
            "--seeds": case.seeds,
            "--preset": options.preset != PRESETS[0].name,
            "--stock": options.stock,
        }
        yield from (option for option, value in given.items() if value)
        yield from (choice.option for choice in CHOICES if hasattr(options, choice.field))

    def _found_again(self, files: CaseFiles) -> _Known:
        """What a run finds from what was painted, in an audit from slices of the segmentation; and the self-check."""
        seeds = audit_seeds(files.masks, files.volume) if self.options.audit else files.seeds()
        request = Request.of(files.volume, seeds, self._settings or files.settings)
        segmenter = self._segmenter(files)
        count = sum(not seed.absent for own in seeds.values() for seed in own)
        model = f"the {segmenter.tracker.name} model at {segmenter.tracker.plan.image_size} pixels"
        if self.options.audit:
            done = (
                f"{count} slices were taken from the segmentation as if they had been painted, a quarter, half and "
                f"three quarters of the way on each axis of each structure, and propagated by {model}."
            )
        elif evidence_path(files.case.segmentation).is_file():
            done = f"{count} painted slices were propagated again by {model}, for the self-check."
            if self.options.no_self_check:
                done = (
                    f"{evidence_path(files.case.segmentation).name} was not used: the result does not say that it was "
                    f"made by the same run. {count} painted slices were propagated again by {model}."
                )
        else:
            done = (
                f"Nothing was kept beside the result of how sure its run was (segment --keep-evidence), so {count} "
                f"painted slices were propagated again by {model}."
            )
        print(done)
        result = follow(segmenter.run(request), run_line, "slices")
        evidence = Evidence.of(request, result)
        if self.options.no_self_check:
            not_checked = "No slice was left out: the estimates are those of phantoms."
            return _Known(evidence, (done, not_checked), None, result.provenance)
        print("Self-check: each slice is left out in turn, and compared with what is found without it.")
        check = follow(self_check(request, evidence, segmenter.run_alike), _check_line, "slices left out")
        return _Known(evidence, (done,), check, result.provenance)

    def _segmenter(self, files: CaseFiles) -> Segmenter:
        """The engine with the model that was asked for, else that of the result, else the usual one."""
        from SAM2VolumeSegLib.model.tracker import SliceTracker
        from SAM2VolumeSegLib.propagation import Segmenter

        options = argparse.Namespace(**vars(self.options))
        if options.model is None:
            used = files.provenance.get("model", {})
            options.model = used.get("name") or DEFAULT_MODEL
            options.image_size = options.image_size or used.get("image_size")
        key = options.model, options.image_size
        if key not in self._loaded:
            self._loaded = {key: Segmenter(SliceTracker.load(model_of(options), options.device, options.image_size))}
        self._loaded[key].tracker.forget()
        return self._loaded[key]


def _not_judged(files: CaseFiles, judged: Mapping[str, BoxMask]) -> Iterator[str]:
    if missing := [name for name in files.segments if name not in judged]:
        yield f"Not reviewed, because nothing says what was painted of it: {', '.join(missing)}."


def _changed(judged: Mapping[str, BoxMask], found: Mapping[str, BoxMask]) -> Iterator[str]:
    """Which segments are not what the run finds."""
    for name, mask in judged.items():
        if mask != found[name]:
            overlap = dice(*on_common_box(mask, found[name]))
            yield (
                f"{name} is not what the run found (Dice {overlap:.3f}): it was corrected since, or made in another "
                "way. It is judged as it is."
            )


def _check_line(step: Progress) -> ProgressLine:
    assert step.plane is not None
    left = "" if step.seconds_left is None else duration(step.seconds_left)
    return ProgressLine(step.done, step.total, f"{step.segment}, without {step.plane.value} {step.index}", left)
