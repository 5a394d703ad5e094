"""Fit the chance of an error to phantoms: what a review says of a patient of whom too little is painted.

    sam2-volume-seg study review-prior

Phantoms are segmented from nine slices and from three, and the errors near the surface of each result are what the
model of `review.error_model` is fitted to. The file `review/prior.py` is written anew.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.progress import finished
from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings
from SAM2VolumeSegLib.research.data.cases import cases_below
from SAM2VolumeSegLib.research.data.phantoms import write_phantoms
from SAM2VolumeSegLib.review.error_model import ErrorModel, calibrated, most_probable
from SAM2VolumeSegLib.review.evidence import Evidence
from SAM2VolumeSegLib.review.features import NAMES, features_of
from SAM2VolumeSegLib.review.self_check import SelfCheck, self_check
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Plane
from SAM2VolumeSegLib.volume.target import write_text

SEED = 17
"""Of the phantoms: not those that the study runs on, by default 0, nor those of training."""
COUNT, STRUCTURES = 12, 3
"""CTs, and structures of each, the largest: a quarter of an hour on two cores."""
PAINTED = ("quarters", "middle")
STRUCTURE_COUNTS = 2000.0
"""As how many voxels a structure counts, however large it is."""
UNKNOWN = 10.0
"""Standard deviation of weights of which nothing is known."""
LEAST_WRONG = 5.0
"""Voxels that are added to true and expected wrong ones before they are divided: few are no ratio."""
FILE = Path("SAM2VolumeSegLib/review/prior.py")


class Structure(NamedTuple):
    """A structure that was segmented.

    Attributes:
        case: title of its CT.
        painted: strategy of the seeds.
        name: of the structure.
        values: features of the voxels near its surface.
        wrong: whether each of them is.
        wrong_voxels: of the whole result.
        check: of its CT; None where none was made.
    """

    case: str
    painted: str
    name: str
    values: np.ndarray
    wrong: np.ndarray
    wrong_voxels: int
    check: SelfCheck | None


def structures(tracker: SliceTracker, say: Callable[[str], None], count: int = COUNT) -> Iterator[Structure]:
    """Segment the structures of phantoms; the largest of each CT is checked as well where it is painted on nine slices.

    Args:
        tracker: of the model.
        say: is told each CT that is done.
        count: CTs.
    """
    segmenter = Segmenter(tracker)
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms(Path(folder) / "phantoms", count, SEED)
        for case in cases_below(Path(folder) / "phantoms")[0]:
            volume, references = case.load()
            largest = sorted(references, key=lambda name: -np.count_nonzero(references[name]))[:STRUCTURES]
            references = {name: references[name] for name in largest}
            for painted in PAINTED:
                seeds = {name: simulate_seeds(mask, volume, painted, tuple(Plane)) for name, mask in references.items()}
                request = Request.of(volume, seeds, Settings(crop="each"))
                result = segmenter.segment(request)
                evidence, check = Evidence.of(request, result), None
                if painted == PAINTED[0]:
                    check = finished(self_check(request, evidence, segmenter.run_alike, largest[:1]))
                for name, reference in references.items():
                    found = features_of(volume, evidence.segments[name])
                    wrong = (reference[found.box.slices] != found.mask)[found.where]
                    all_wrong = int(np.count_nonzero(reference != result.segments[name].mask))
                    yield Structure(case.title, painted, name, found.values, wrong, all_wrong, check)
            say(f"{case.title}: {len(references)} structures")
            tracker.forget()


def fit(found: list[Structure]) -> tuple[ErrorModel, float]:
    """Fit the model.

    Args:
        found: the structures.

    Returns:
        The model, and the deviation of wrong volumes after a self-check.
    """
    nothing = np.zeros(len(NAMES) + 1)
    looked = [(one.values, one.wrong) for one in found if len(one.wrong)]
    weights = most_probable(looked, STRUCTURE_COUNTS, nothing, nothing + UNKNOWN)
    model = ErrorModel(tuple(weights.tolist()), 0.0)
    checked = [one for one in found if one.check is not None]
    models = [calibrated(one.check.for_calibration(), model) for one in checked if one.check is not None]
    return (
        ErrorModel(model.weights, _deviation([_log_ratio(one, model) for one in found])),
        _deviation([_log_ratio(one, own) for one, own in zip(checked, models, strict=True)]),
    )


def _log_ratio(one: Structure, model: ErrorModel) -> float:
    expected = float(model.chance(one.values).sum(dtype=np.float64))
    return math.log((one.wrong_voxels + LEAST_WRONG) / (expected + LEAST_WRONG))


def _deviation(ratios: list[float]) -> float:
    """About 0, where a true volume is what is expected."""
    return float(np.sqrt(np.mean(np.square(ratios))))


def written(model: ErrorModel, checked: float) -> str:
    """The file `review/prior.py`."""
    weights = ", ".join(f"{weight:.3f}" for weight in model.weights)
    return f'''"""The chance of an error as phantoms have it, written by `sam2-volume-seg study review-prior`."""

WEIGHTS = ({weights})
"""The constant, and the weight of each of `features.NAMES`."""
LOG_RATIO_SD = {model.log_ratio_sd:.3f}
"""Standard deviation over structures of the logarithm of true wrong volume over the expected one."""
LOG_RATIO_SD_CHECKED = {checked:.3f}
"""The same after a self-check."""
'''


def write_prior(root: Path, model: ErrorModel, checked: float) -> None:
    """Write `review/prior.py` of a checkout.

    Raises:
        InputError: it cannot be written.
    """
    write_text(root / FILE, written(model, checked))
