"""Where the time goes (paper, appendix B-D and figure 4)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from SAM2VolumeSegLib.research.study.report.rows import ReportRow, Sample, StudyModel, StudyResults

ENCODE = "encode"


def component_ms(
    results: StudyResults, model: StudyModel | None, data: str | None = None
) -> dict[Sample, dict[str, float]]:
    """Return milliseconds per slice of each component, for each structure that a model segmented.

    Over all results of a structure together: encoding by the slices that had to be encoded (others came from the
    cache), the other components by the slices that were tracked.

    Args:
        results: of all folders.
        model: which.
        data: name of the one data set to look at; None: all of them.
    """
    seconds: dict[Sample, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    slices: dict[Sample, int] = defaultdict(int)
    encoded: dict[Sample, int] = defaultdict(int)
    for sample, record in results.of_model(model):
        if data not in (None, results.data_of[sample]):
            continue
        slices[sample] += record["slices"]
        encoded[sample] += record["encoded"]
        for part, value in record["seconds"].items():
            if part != "total":
                seconds[sample][part] += value
    return {
        sample: {part: 1000 * value / (encoded if part == ENCODE else slices)[sample] for part, value in parts.items()}
        for sample, parts in seconds.items()
        if slices[sample] and encoded[sample]
    }


def tracking_ms(row: ReportRow) -> np.ndarray:
    """Return milliseconds of tracking one slice, over all structures of a row; sorted.

    A record has the quartiles over its slices alone: times between them are interpolated, one for each of its slices.
    """
    times = [
        np.interp(np.linspace(0, 4, record["slices"]), np.arange(5), record["track_ms"])
        for record in row.records.values()
        if record["track_ms"]
    ]
    return np.sort(np.concatenate(times)) if times else np.array([])
