"""Who listens to a run is told what every slice looked at and answered, and what the axes say adds up to the result."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from propagation_runs import BETWEEN, finish

from SAM2VolumeSegLib.model.policy import PROMPT
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory
from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT


def listened(tracker, phantom, settings, strategy="first-middle-last"):
    visits, request = [], Request.of(phantom.volume, phantom.seeds(strategy), settings)
    _, result = finish(Segmenter(tracker).run(request, keep_votes=True, listener=visits.append))
    return visits, result.segments["middle"]


@pytest.mark.parametrize("passes", [1, 2])
def test_every_slice_of_every_walk_is_told_once(a_fast_tracker, a_phantom, passes):
    visits, _ = listened(a_fast_tracker, a_phantom, replace(BETWEEN, passes=passes))
    told = Counter((visit.job.pictures.view.plane, visit.step, visit.stop) for visit in visits)
    jobs = {visit.job.pictures.view.plane: visit.job for visit in visits}
    assert set(told.values()) == {passes}
    for plane, job in jobs.items():
        for step in (1, -1):
            assert {stop for p, s, stop in told if (p, s) == (plane, step)} == set(job.stops.span.positions)


def test_what_a_slice_looked_at_is_told_as_the_policy_chose_it(a_fast_tracker, a_phantom):
    """SPS lets in painted slices that are near; two recent ones follow, under the first and the last embedding."""
    visits, _ = listened(a_fast_tracker, a_phantom, replace(BETWEEN, memory=VolumeMemory(radius=0.3)))
    left_out = 0
    for visit in visits:
        if visit.memories is None:
            assert visit.prediction is None and visit.stop in visit.job.given
            continue
        near = [stop for stop, age in visit.memories.spatial if age == PROMPT]
        length = visit.job.stops.span.slices
        assert all(abs(visit.stop - stop) / length <= 0.3 for stop in near) or len(near) == 1
        left_out += len(visit.job.given) - len(near)
        recent = [stop for stop, age in visit.memories.spatial if age != PROMPT]
        # In the volume's first gap, and where a painted slice was just passed, there are fewer than two.
        assert set(recent) <= {visit.stop - visit.step, visit.stop - 2 * visit.step}
    assert left_out


@pytest.mark.parametrize("settings", [BETWEEN, Settings(edges=False), replace(BETWEEN, memory=STOCK)])
def test_votes_and_weights_add_up_to_the_logits(a_fast_tracker, a_phantom, settings):
    """What a lesson lets a student compute by hand: the weighted mean of the axes is the answer."""
    _, segment = listened(a_fast_tracker, a_phantom, settings)
    votes, weights = (
        np.stack([axes[plane] for plane in axes]) for axes in (segment.plane_logits, segment.plane_weights)
    )
    assert np.array_equal(weights > 0, ~np.isnan(votes))
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.where(total > 0, np.nansum(votes * weights, axis=0) / total, -LOGIT_LIMIT)
    np.testing.assert_allclose(segment.logits, mean, atol=1e-5)  # three products in float32, of logits up to 4


def test_the_answers_that_are_told_are_the_votes(a_fast_tracker, a_phantom):
    """Clamped, sampled and averaged over both directions, they are what the axis says of a slice."""
    visits, segment = listened(a_fast_tracker, a_phantom, replace(BETWEEN, fusion="mean"))
    answers = {}
    for visit in visits:
        if visit.prediction is not None:
            answers.setdefault((visit.job, visit.stop), []).append(visit.prediction.logits[0, 0].numpy())
    compared = 0
    for (job, stop), found in answers.items():
        view, box = job.pictures.view, segment.box
        top, bottom, left, right = view.bounds(box.lower, box.upper)
        sampled = job.pictures.logits_from_model(np.stack(found))[:, top:bottom, left:right]
        mean = np.clip(sampled, -LOGIT_LIMIT, LOGIT_LIMIT).mean(axis=0)
        voted = view.slice(segment.plane_logits[view.plane], job.index(stop) - box.lower[view.axis])
        np.testing.assert_allclose(voted, mean, atol=1e-5)
        compared += 1
    assert compared > 20
