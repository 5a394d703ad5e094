"""How alike the temporal embeddings of a model are (paper, figure 3b(ii))."""

from __future__ import annotations

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.research.study.report.rows import StudyModel

RECENT = 6
"""Rows 0 to 5 of `maskmem_tpos_enc` belong to recent slices, from the one just before on; row 6 to prompted ones."""


def similarity(model: StudyModel) -> np.ndarray | None:
    """Return the cosine similarity of the rows of `maskmem_tpos_enc` (7, 7), None where this model is not here."""
    try:
        known = checkpoints.find(model.name)
        if checkpoints.verify(known) != model.sha256:
            return None
        weights = checkpoints.load_weights(known)
    except InputError:
        return None
    return cosine(weights["maskmem_tpos_enc"].numpy())


def cosine(rows: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of rows (n, ...) with each other (n, n)."""
    flat = np.reshape(rows, (len(rows), -1)).astype(float)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return flat @ flat.T


def redundancy(similarities: np.ndarray) -> tuple[float, float]:
    """Return the mean similarity of the intermediate recent rows (1 to 4) with each other, and of first with last."""
    between = similarities[1 : RECENT - 1, 1 : RECENT - 1]
    return float(between[np.triu_indices(len(between), 1)].mean()), float(similarities[0, RECENT - 1])
