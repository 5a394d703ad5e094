"""A memory policy of one's own, defined outside of the library, is chosen, fed, stored and read back as the paper's."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
from propagation_runs import AXIAL, result_of

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import policies
from SAM2VolumeSegLib.model.policy import Memories, Place, SliceFacts, known_values
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import Settings


@dataclass(frozen=True)
class Steady:
    """The paper's memory without recent slices of which the model is unsure, or whose area is far from the largest."""

    kind = "steady"
    needs = frozenset({"confidence", "area"})
    ages = 2

    confidence: float = 0.5
    share: float = 0.5

    def reach(self, limits):
        return None

    def choose(self, place):
        chosen = VolumeMemory().choose(place)
        largest = max((facts.area for facts in place.tracked.values()), default=0)
        wrong = {
            position
            for position, facts in place.tracked.items()
            if facts.confidence < self.confidence or facts.area < self.share * largest
        }
        return Memories(
            *(tuple(one for one in some if one[0] not in wrong) for some in (chosen.spatial, chosen.pointers))
        )

    def to_dict(self):
        return {"kind": self.kind} | asdict(self)

    @classmethod
    def from_dict(cls, values):
        return cls(**known_values(cls, values))


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(policies.KINDS, Steady.kind, Steady)


@pytest.fixture
def places(monkeypatch):
    """Where the policy was asked, as it was then."""
    asked, choose = [], Steady.choose
    monkeypatch.setattr(
        Steady,
        "choose",
        lambda self, place: asked.append(replace(place, tracked=dict(place.tracked))) or choose(self, place),
    )
    return asked


def test_it_decides_by_facts_alone():
    """So that what it chooses is tested without torch, in a moment."""
    sure, unsure, small = SliceFacts(0.9, 0.2), SliceFacts(0.4, 0.2), SliceFacts(0.9, 0.05)
    place = Place(9, 1, (0,), dict.fromkeys(range(1, 7), sure) | {7: small, 8: unsure}, 40)
    assert [position for position, _ in Steady().choose(place).spatial] == [0]
    assert [position for position, _ in Steady(confidence=0.3, share=0.2).choose(place).spatial] == [0, 7, 8]
    assert 8 not in dict(Steady().choose(place).pointers) and 6 in dict(Steady().choose(place).pointers)


def test_it_is_told_what_it_asked_for_and_nothing_is_computed_twice(a_tracker, a_phantom, known, places):
    """From the mask decoder to the memory attention and back; a correction must not compute everything again."""
    settings = Settings(memory=Steady(), planes=AXIAL)
    seeds = a_phantom.seeds("first-last", AXIAL)
    first = result_of(a_tracker, a_phantom.volume, seeds, settings)
    facts = [one for place in places for one in place.tracked.values()]
    assert facts and all(0 <= one.confidence <= 1 and 0 <= one.area <= 1 for one in facts)
    assert max(one.area for one in facts) > 0
    done = a_tracker.tracked
    again = result_of(a_tracker, a_phantom.volume, seeds, settings)
    assert a_tracker.tracked == done > 0
    np.testing.assert_array_equal(first.segments["middle"].logits, again.segments["middle"].logits)
    assert Settings.from_dict(first.provenance["settings"]).memory == Steady()


def test_it_changes_what_the_network_looks_at(a_tracker, a_phantom):
    """One that finds every slice wrong has prompts alone, as the paper's without recent slices, but for pointers."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    paper, none = (
        result_of(a_tracker, a_phantom.volume, seeds, Settings(memory=memory, planes=AXIAL)).segments["middle"]
        for memory in (VolumeMemory(), Steady(confidence=2))
    )
    assert not np.array_equal(paper.logits, none.logits) and none.mask.any()


def test_what_is_stored_of_it_is_refused_where_it_is_not_known():
    """A result from somebody else's computer, with a policy that this one does not have."""
    stored = Settings(memory=Steady()).to_dict()
    with pytest.raises(InputError, match="no memory of the kind 'steady'"):
        Settings.from_dict(stored)


def test_a_name_that_it_does_not_have_is_refused(known):
    with pytest.raises(InputError, match="no setting named sure"):
        Settings.from_dict({"memory": {"kind": "steady", "sure": 1}})
