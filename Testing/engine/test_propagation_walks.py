"""How masks are carried along one axis, with a scripted network: where it goes, what it remembers, where it stops."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from SAM2VolumeSegLib.model.network import SliceMemory, SlicePrediction
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation.propagate import GONE_AFTER, Walk, extra_prompts
from SAM2VolumeSegLib.propagation.sight import Span, span_of
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT, Vote, average

SIZE = 32
HERE, ABSENT = np.ones((SIZE, SIZE), dtype=bool), np.zeros((SIZE, SIZE), dtype=bool)


def answer(found):
    logits = torch.full((1, 1, SIZE // 4, SIZE // 4), 3.0 if found else -1024.0)
    memory = SliceMemory(torch.zeros(1), torch.zeros(1))
    return SlicePrediction(logits, torch.tensor([0.8]), torch.tensor([100.0 if found else -100.0]), memory)


def walked(prompted, span, step=1, present=range(100), policy=None):
    """Walk where the structure is on the positions in `present`: positions, votes, and what each position looked at."""
    memories = {position: SliceMemory(torch.zeros(1), torch.zeros(1), str(position)) for position in prompted}
    walk = Walk(dict(memories), span, policy or VolumeMemory(), step)
    positions, looked_at, left = [], {}, []
    while walk.position is not None:
        position, query = walk.position, walk.query()
        positions.append(position)
        left.append(walk.left)
        if query is not None:
            assert query.index == position and query.num_slices == span.slices
            names = {id(memory): name for name, memory in memories.items()}
            looked_at[position] = [names[id(memory)] for _, memory in query.spatial]
            prediction = answer(position in present)
            memories[position] = prediction.memory
            walk.go_on(prediction)
        else:
            walk.go_on(None)
    assert left == sorted(left, reverse=True) and left[-1] >= 1 and walk.left == 0
    return positions, walk.votes, looked_at


def order(prompted, span, step=1, present=range(100), policy=None):
    return walked(prompted, span, step, present, policy)[0]


@pytest.mark.parametrize(("step", "expected"), [(1, [3, 4, 5, 6, 7]), (-1, [7, 6, 5, 4, 3])])
def test_between_the_seeds_and_no_further(step, expected):
    assert order((3, 7), Span(3, 7), step) == expected


def test_an_extension_goes_on_to_the_ends_of_the_volume():
    assert order((3, 5), Span(0, 8)) == [3, 4, 5, 6, 7, 8, 2, 1, 0]
    assert order((3, 5), Span(0, 8), -1) == [5, 4, 3, 2, 1, 0, 6, 7, 8]


def test_an_extension_stops_when_the_structure_is_gone():
    """Else every bone would be looked for through the whole body, and found again elsewhere."""
    positions = order((30,), Span(0, 99), present=range(28, 36))
    assert positions == [30, *range(31, 36 + GONE_AFTER), 29, 28, *range(27, 27 - GONE_AFTER, -1)]


def test_a_gap_of_one_slice_does_not_end_an_extension():
    present = set(range(20, 50)) - {35}
    positions = order((30,), Span(0, 99), present=present)
    assert max(positions) == 49 + GONE_AFTER


def test_between_seeds_a_lost_structure_is_looked_for_again():
    positions = order((2, 12), Span(2, 12), present=())
    assert positions == list(range(2, 13))


def test_an_extension_never_looks_at_slices_it_has_not_reached():
    """Backwards from the first seed, the slices just passed are above."""
    _, _, looked_at = walked((4, 6), Span(0, 9), policy=VolumeMemory(recent=2))
    assert looked_at[2] == [4, 3] and looked_at[1] == [4, 3, 2]
    assert looked_at[9] == [6, 7, 8]


def test_logits_of_an_absent_structure_are_clamped():
    """SAM2 says -1024: averaged as it is, one axis would outvote the two others."""
    _, votes, _ = walked((1, 4), Span(1, 4), present={2})
    assert list(votes) == [2, 3]
    assert (votes[2].mean() == 3).all() and votes[2].confidence == pytest.approx(0.8)
    assert (votes[3].mean() == -LOGIT_LIMIT).all() and votes[3].confidence == 0


@pytest.mark.parametrize(
    ("painted", "extend", "expected"),
    [
        ({4: True, 7: True}, False, (4, 7)),
        ({4: True, 7: True}, True, (0, 9)),
        ({4: True}, False, (0, 9)),
        ({4: True, 6: False}, False, (0, 6)),
        ({2: False, 4: True}, False, (2, 9)),
        ({2: False, 4: True, 6: False}, False, (2, 6)),
        ({2: False, 4: True, 6: True}, True, (2, 9)),
        ({2: False, 4: True, 6: True}, False, (2, 6)),
    ],
    ids=str,
)
def test_span(painted, extend, expected):
    """A single painted slice goes on both ways; "absent here" ends it on its side only."""
    span = span_of(painted, (0, 9), extend)
    assert (span.first, span.last) == expected and span.slices == expected[1] - expected[0] + 1


def test_an_extension_stays_inside_of_the_ends():
    assert span_of({4: True}, (3, 6), False) == Span(3, 6)
    assert span_of({4: True, 8: True}, (5, 6), True) == Span(4, 8)  # seeds are never left out


@pytest.mark.parametrize(("gate", "grows"), [(0, False), (2, True)])
def test_nothing_is_read_from_the_device_slice_by_slice(monkeypatch, gate, grows):
    """A GPU computes ahead of the program until a number is read from it; only a gate needs one of every slice."""
    read, cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: read.append("cpu") or cpu(tensor))

    class Scalars(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            if function is torch.ops.aten._local_scalar_dense.default:
                read.append("scalar")
            return function(*arguments, **(options or {}))

    counts = []
    for last in (6, 20):
        read.clear()
        with Scalars():
            walked((0, last), Span(0, last), policy=VolumeMemory(gate=gate))
        counts.append(len(read))
    assert (counts[1] > counts[0]) == grows


def vote(value, confidence):
    return Vote(np.full((1, 8, 8), value, dtype=np.float32), confidence)


def test_clamping_does_not_move_the_boundary():
    """Half as sure inside as outside: the boundary is a third of a pixel from the inner one, not halfway."""
    edge = Vote(np.array([[[5.0, -10.0]]], dtype=np.float32), 1.0)
    fine = np.linspace(0, 1, 32)
    sample = lambda logits: (1 - fine) * logits[..., :1] + fine * logits[..., 1:]  # noqa: E731
    found = Vote.means([edge], sample).means[0, 0]
    assert fine[found > 0].max() < 1 / 3 < fine[found <= 0].min()
    assert np.abs(found).max() == LOGIT_LIMIT


def test_directions_are_averaged_where_both_arrived():
    """An extension may end earlier one way: the other way's slices must not be lost or halved."""
    found = average([{1: vote(4.0, 0.9), 2: vote(2.0, 0.5)}, {1: vote(-2.0, 0.3)}])
    assert list(found) == [1, 2]
    assert (found[1].mean() == 1).all() and found[1].confidence == pytest.approx(0.6)
    assert (found[2].mean() == 2).all() and found[2].confidence == 0.5
    assert average([{}, {}]) == {}


def test_extra_prompts_are_the_most_confident_slices_of_long_gaps():
    votes = {position: vote(2.0, 0.6 + position / 100) for position in (1, 2, 3, 4, 6, 7, 9, 10, 11, 12)}
    votes[2] = vote(1.0, 0.95)
    votes[11] = vote(-3.0, 0.99)  # confident that nothing is there
    extra = extra_prompts({0: HERE, 5: HERE, 8: HERE, 13: HERE}, votes, SIZE)
    assert list(extra) == [2], "the gap 6-7 is short, the best slice of 9-12 is empty"
    assert extra[2].shape == (SIZE, SIZE) and extra[2].all()


def test_an_unsure_slice_is_no_extra_prompt():
    """A wrong mask as a prompt is believed from then on."""
    assert extra_prompts({0: HERE, 6: HERE}, {position: vote(2.0, 0.45) for position in range(1, 6)}, SIZE) == {}
