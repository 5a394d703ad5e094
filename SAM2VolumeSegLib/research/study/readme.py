"""Figures that texts quote, written from the committed results: `sam2-volume-seg study readme`.

A text says between markers, which Markdown does not show, where a figure is from:

    <!-- figures: difference ours "Recommended, plain mean" dice -->-0.005 [-0.008, 0.000]<!-- end -->

What is between them is written anew; `Quotes` lists what can be asked for.
"""

from __future__ import annotations

import csv
import re
import shlex
from functools import cached_property
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.download import sha256_of
from SAM2VolumeSegLib.research.measures.metrics import DICE, HAUSDORFF, METRICS, NONE, brief_metrics
from SAM2VolumeSegLib.research.study.report.review import said
from SAM2VolumeSegLib.research.study.report.statistics import Comparison
from SAM2VolumeSegLib.research.study.report.tables import difference, grid

ROOT = Path(__file__).parents[3]
RESULTS = Path("Resources", "results")
FOLDERS = {"painting": "painting", "order": "painting", "review": "review"}
"""Experiments with a report of their own: they are run again with each new default, the paper's protocol is not."""
DEMO = "demo.csv"
"""What `sam2-volume-seg demo --table` writes."""
DEMO_MODEL = Path("SAM2VolumeSegLib", "model", "demo", "demo.pt")
_QUOTE = re.compile(r"(<!-- figures: (.*?) -->)(.*?)(<!-- end -->)", re.DOTALL)


def rewritten(root: Path = ROOT) -> dict[Path, str]:
    """Return the texts of a checkout in which a figure is another one by now, as they should be.

    Args:
        root: of the checkout.

    Raises:
        InputError: this is no checkout, or a text asks for what is not there.
    """
    if not (root / RESULTS).is_dir():
        raise InputError(f'"{root}" is no checkout of this project: the committed results are not in it.')
    quotes, found = Quotes(root), {}
    for path in texts(root):
        text = path.read_text(encoding="utf-8")
        try:
            new = _QUOTE.sub(lambda match: match[1] + quotes.of(match[2]) + match[4], text)
        except InputError as error:
            raise InputError(f'"{path.relative_to(root).as_posix()}": {error}') from error
        if new != text:
            found[path] = new
    return found


def texts(root: Path = ROOT) -> list[Path]:
    """Return the files that may quote figures: README.md, docs/, and what lies beside the code."""
    return sorted([*root.glob("README.md"), *root.glob("docs/**/*.md"), *root.glob("SAM2VolumeSegLib/**/*.md")])


class Quotes:
    """What a text can ask for, by the first word.

    | asked | written |
    |---|---|
    | study-summary | mean Dice of the five final methods, the paper's below |
    | findings STATE | a line for each of the paper's findings that holds, does not hold, is not clear |
    | finding TEXT SCOPE | difference and interval of one finding on one data set, or on all data |
    | difference EXPERIMENT ROW METRIC | of a row from its baseline, with its interval |
    | mean EXPERIMENT ROW METRIC | of a row |
    | painting | what a user gets for what is painted, beside the best method without a model |
    | order | the same for each order of the first slices, with the difference from the advised one |
    | review | what was asked of a review, what was wanted and what was measured on all data |
    | answer PAINTED QUESTION | one of these answers, by the beginning of its question |
    | demo | the table of the demonstration |
    | demo-model FACT | sha256 or megabytes of the bundled checkpoint |
    """

    def __init__(self, root: Path = ROOT):
        self.results = root / RESULTS
        self.demo = root / DEMO_MODEL

    def of(self, asked: str) -> str:
        """Return what stands between the markers.

        Args:
            asked: a line of the table above.

        Raises:
            InputError: it cannot be found.
        """
        write = {
            "study-summary": self._summary,
            "findings": self._findings,
            "finding": self._finding,
            "difference": self._difference,
            "mean": self._mean,
            "painting": self._painting,
            "order": self._order,
            "review": self._review,
            "answer": self._answer,
            "demo": self._demo,
            "demo-model": self._model,
        }
        try:
            name, *arguments = shlex.split(asked)
            return write[name](*arguments)
        except (TypeError, ValueError, KeyError, StopIteration, OSError) as error:
            raise InputError(f"the results have no figures for: {asked} ({error!r}).") from error

    def _summary(self) -> str:
        lines = [line for line in self._table("final") if line["n"] != "0"]
        best = DICE.best(float(line[DICE.name]) for line in lines)
        ours = [_bold(DICE.text(value), value == best) for value in (float(line[DICE.name]) for line in lines)]
        paper = [DICE.text(float(line[f"paper_{DICE.name}"])) for line in lines]
        here = f"demo model, {lines[0]['n']} structures"
        return _block(grid(["", *(line["row"] for line in lines)], [[here, *ours], ["the paper", *paper]]))

    def _findings(self, state: str) -> str:
        chosen = [(text, cells[0]) for text, cells in self._judged.items() if cells[0][0] == state]
        return _block("\n".join(f"- {text}: {figures}" for text, (_, figures) in chosen))

    def _finding(self, text: str, scope: str) -> str:
        _, figures = self._judged[text][self._scopes.index(scope)]
        return figures[: figures.index("]") + 1]

    def _difference(self, experiment: str, row: str, metric: str) -> str:
        line, start = self._line(experiment, row), {DICE.name: "dice", HAUSDORFF.name: "hausdorff"}[metric]
        mean, *sides = (float(line[f"{start}_{part}"]) for part in ("difference", "lower", "upper"))
        digits = METRICS[metric].digits if metric == DICE.name else METRICS[metric].brief
        return difference(Comparison(int(line["pairs"]), int(line["cts"]), mean, tuple(sides)), digits)

    def _mean(self, experiment: str, row: str, metric: str) -> str:
        return METRICS[metric].text(float(self._line(experiment, row)[metric]))

    def _painting(self) -> str:
        metrics = [METRICS[name] for name in ("dice", "hausdorff95_mm", "contact_dice", "swapped_percent")]
        body = []
        for line in self._table("painting"):
            if line["model"] and line["n"] != "0":
                figures = [metric.text(float(line[metric.name]) if line[metric.name] else None) for metric in metrics]
                cells = [line["row"], *figures, f"{float(line['seconds']):.1f}"]
                if line["lead"]:
                    sides = (float(line["lead_lower"]), float(line["lead_upper"])) if line["lead_lower"] else None
                    lead = Comparison(int(line["n"]), 0, float(line["lead"]), sides)
                    cells += [line["opponent"].split(",")[0], difference(lead)]
                else:
                    cells += [NONE, NONE]
                body.append(cells)
        head = ["painted on each structure", *(metric.heading for metric in metrics), "seconds"]
        return _block(grid([*head, "best without a model", "lead over it in Dice"], body))

    def _order(self) -> str:
        lines = [line for line in self._table("order") if line["n"] != "0"]
        body = []
        for line in sorted(lines, key=lambda line: int(line["row"].split(":")[0])):  # stable: as advised comes first
            cells = [line["row"], *(METRICS[name].text(float(line[name])) for name in ("dice", "hausdorff95_mm"))]
            if not line["against"]:
                body.append([*cells, NONE, NONE])
                continue
            body.append([*cells, line["against"], self._difference("order", line["row"], DICE.name)])
        return _block(
            grid(["painted", "Dice", METRICS["hausdorff95_mm"].heading, "against", "difference in Dice"], body)
        )

    def _review(self) -> str:
        painted = list(dict.fromkeys(line["painted"] for line in self._answers))
        cells = {(line["question"], line["painted"]): _said(line) for line in self._answers}
        body = [
            [text, wanted, *(cells.get((text, one), NONE) for one in painted)]
            for text, wanted in dict.fromkeys((line["question"], line["wanted"]) for line in self._answers)
        ]
        return _block(grid(["", "wanted", *(f"from {one}" for one in painted)], body))

    def _answer(self, painted: str, question: str) -> str:
        return _said(
            next(one for one in self._answers if one["painted"] == painted and one["question"].startswith(question))
        )

    @cached_property
    def _answers(self) -> list[dict[str, str]]:
        lines = _read(self.results / FOLDERS["review"] / "demo-160-review-answers.csv")
        return [line for line in lines if line["data"] == "all data"]

    def _demo(self) -> str:
        lines = _read(self.results / DEMO)
        best = {
            metric.name: metric.best(float(line[metric.name]) for line in lines if line[metric.name] != NONE)
            for metric in brief_metrics()
        }
        body = [
            [
                line["method"],
                line["seeds"],
                *(_bold(line[name], line[name] != NONE and float(line[name]) == value) for name, value in best.items()),
                *(line[name] for name in ("slices", "seconds", "peak_mb")),
            ]
            for line in lines
        ]
        head = ["", "seeds", *(metric.heading for metric in brief_metrics()), "slices", "seconds", "peak MB"]
        return _block(grid(head, body))

    def _model(self, fact: str) -> str:
        facts = {
            "sha256": lambda: sha256_of(self.demo),
            "megabytes": lambda: f"{self.demo.stat().st_size / 1e6:.1f} MB",
        }
        return facts[fact]()

    # ------------------------------------------------------------------------------------------------ what is there

    def _line(self, experiment: str, row: str) -> dict[str, str]:
        return next(line for line in self._table(experiment) if line["row"] == row)

    def _table(self, experiment: str) -> list[dict[str, str]]:
        return _read(self.results / FOLDERS.get(experiment, "") / f"demo-160-{experiment}.csv")

    @cached_property
    def _scopes(self) -> list[str]:
        return self._report_lines[0][2:]

    @cached_property
    def _judged(self) -> dict[str, list[tuple[str, str]]]:
        """Text of a finding -> (state, figures) on every scope."""
        return {text: [_state(cell) for cell in cells] for text, _, *cells in self._report_lines[2:]}

    @cached_property
    def _report_lines(self) -> list[list[str]]:
        """The cells of the report's table of findings."""
        lines = (self.results / "report.md").read_text(encoding="utf-8").splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("| finding |"))
        last = next(number for number in range(first, len(lines)) if not lines[number].startswith("|"))
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:last]]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _said(line: dict[str, str]) -> str:
    figures = (float(line[name]) if line[name] else None for name in ("answer", "lower", "upper"))
    return said(*figures, int(line["digits"]))


def _state(cell: str) -> tuple[str, str]:
    """Return state and figures of a cell as the report writes it."""
    _, state, figures = cell.split("**") if cell.startswith("**") else ("", "", cell)
    return state, figures.strip()


def _bold(text: str, is_best: bool) -> str:
    return f"**{text}**" if is_best else text


def _block(text: str) -> str:
    return f"\n\n{text}\n\n"
