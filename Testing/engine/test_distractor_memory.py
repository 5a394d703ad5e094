"""Distractor-aware memory keeps slices that tell a structure from a look-alike, and only those."""

from dataclasses import replace

import numpy as np
import pytest
from propagation_runs import AXIAL, result_of

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.distractor_memory import DistractorAwareMemory
from SAM2VolumeSegLib.model.policy import PROMPT, Place, SliceFacts
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import Settings

PLAIN = SliceFacts(confidence=0.95, area=0.1, beyond=0.02)
ALIKE = replace(PLAIN, beyond=0.5)


def tracked(**special):
    """Facts of slices 1 to 29, plain but for those named ("at_7")."""
    return {n: special.get(f"at_{n}", PLAIN) for n in range(1, 30)}


def anchors(policy=None, facts=None, now=30):
    place = Place(now, 1, (0,), facts or tracked(at_7=ALIKE), 60)
    return (policy or DistractorAwareMemory()).anchors_at(place)


def test_a_slice_with_a_look_alike_is_kept():
    assert anchors() == [7] and anchors(facts=tracked()) == []


@pytest.mark.parametrize(
    "facts",
    [
        replace(ALIKE, beyond=0.29),
        replace(ALIKE, confidence=0.79),
        replace(ALIKE, area=0.13),
        replace(ALIKE, area=0.07),
    ],
    ids=["candidates agree", "unsure", "leaks", "shrinks"],
)
def test_a_doubtful_slice_is_not_kept(facts):
    """A leak into the next bone that became an anchor would be believed to the end of the walk."""
    assert anchors(facts=tracked(at_7=facts)) == []


def test_the_latest_anchors_stay_and_keep_apart():
    facts = tracked(**{f"at_{n}": ALIKE for n in (4, 6, 9, 14, 15, 20, 28)})
    assert anchors(facts=facts) == [14, 20, 28], "6 and 15 are next to an anchor"
    assert anchors(DistractorAwareMemory(anchors=1), facts) == [28]


def test_a_structure_that_grows_slowly_keeps_its_anchors_and_gaps_have_no_size():
    grows = {n: replace(ALIKE, area=0.1 * 1.02**n) for n in range(1, 30)}
    assert anchors(facts=grows) == [17, 22, 27]
    absent = {n: SliceFacts(0.0, 0.0, 0.0) for n in range(2, 28)}
    assert anchors(facts={1: PLAIN} | absent | {28: ALIKE}) == [28]


def test_anchors_stand_beside_what_the_base_chooses_as_given_masks_do():
    place = Place(30, 1, (0,), tracked(at_7=ALIKE, at_28=ALIKE), 60)
    base = VolumeMemory()
    chosen, plain = DistractorAwareMemory(base).choose(place), base.choose(place)
    assert chosen.spatial == (plain.spatial[0], (7, PROMPT), *plain.spatial[1:])
    assert chosen.pointers == plain.pointers
    assert [position for position, _ in chosen.spatial].count(28) == 1, "it is a recent slice already"


@pytest.mark.parametrize("values", [{"anchors": 0}, {"apart": 0}, {"beyond": 1.5}, {"confidence": 2}], ids=str)
def test_a_value_out_of_range_is_refused(values):
    with pytest.raises(InputError, match=next(iter(values))):
        DistractorAwareMemory(**values)


@pytest.fixture
def looked_at(a_tracker, monkeypatch):
    """Queries that reach the network."""
    queries, track = [], a_tracker.network.track
    monkeypatch.setattr(
        a_tracker.network, "track", lambda features, some: queries.extend(some) or track(features, some)
    )
    return queries


EASY = DistractorAwareMemory(anchors=2, beyond=0.01, confidence=0.3, area_change=0.5, apart=3)


def test_anchors_are_looked_at_in_a_run(a_tracker, a_phantom, looked_at):
    """From the candidates of the mask decoder to the memory attention; the demo model, so with easy thresholds."""
    settings = Settings(memory=VolumeMemory(), planes=AXIAL, direction="forward")
    seeds = a_phantom.seeds("first-last", AXIAL)
    plain = result_of(a_tracker, a_phantom.volume, seeds, settings).segments["middle"]
    assert not any(query.beyond for query in looked_at)
    prompts = max(sum(age == PROMPT for age, _ in query.spatial) for query in looked_at)
    looked_at.clear()
    aware = result_of(a_tracker, a_phantom.volume, seeds, replace(settings, memory=EASY))
    given = [sum(age == PROMPT for age, _ in query.spatial) for query in looked_at]
    assert all(query.beyond for query in looked_at) and max(given) == prompts + 2
    assert not np.array_equal(aware.segments["middle"].logits, plain.logits)
    assert aware.segments["middle"].mask.any() and Settings.from_dict(aware.provenance["settings"]).memory == EASY


def test_a_second_run_knows_all_that_the_first_found(a_tracker, a_phantom):
    """What was compared is kept with the prediction, or a correction would compute everything again."""
    settings = Settings(memory=EASY, planes=AXIAL)
    seeds = a_phantom.seeds("first-last", AXIAL)
    first = result_of(a_tracker, a_phantom.volume, seeds, settings).segments["middle"]
    done = a_tracker.tracked
    again = result_of(a_tracker, a_phantom.volume, seeds, settings).segments["middle"]
    assert a_tracker.tracked == done > 0
    np.testing.assert_array_equal(first.logits, again.logits)
