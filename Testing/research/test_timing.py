"""Times per component: complete, plausible, and without any effect on the result."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from propagation_runs import AXIAL, result_of

from SAM2VolumeSegLib.propagation import STOCK_SAM2
from SAM2VolumeSegLib.research.measures import timing
from SAM2VolumeSegLib.research.measures.timing import ATTENTION, DECODER, ENCODE, MEMORY, ComponentTimes


@pytest.fixture
def seeds(a_phantom):
    return a_phantom.seeds("first-middle-last", AXIAL)


def test_measuring_changes_nothing(a_fast_tracker, a_phantom, seeds):
    """A hook's return value replaces the output of its module."""
    plain = result_of(a_fast_tracker, a_phantom.volume, seeds, STOCK_SAM2).segments["middle"]
    a_fast_tracker.forget()
    with ComponentTimes(a_fast_tracker):
        timed = result_of(a_fast_tracker, a_phantom.volume, seeds, STOCK_SAM2).segments["middle"]
    assert np.array_equal(plain.logits, timed.logits)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in a_fast_tracker.network.modules())


def test_hooks_are_gone_after_a_run_that_failed(a_fast_tracker):
    """Left behind, they would be called for every later run, and time it twice."""
    with pytest.raises(KeyboardInterrupt), ComponentTimes(a_fast_tracker):
        raise KeyboardInterrupt
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in a_fast_tracker.network.modules())


def test_every_tracked_slice_is_timed_and_no_prompted_one(a_fast_tracker, a_phantom, seeds, monkeypatch):
    """By a clock that goes on when it is looked at: a real one goes on while the machine does other work."""
    ticks = count()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    with ComponentTimes(a_fast_tracker) as times:
        confidence = result_of(a_fast_tracker, a_phantom.volume, seeds, STOCK_SAM2).segments["middle"].confidence
    (slices,) = confidence.values()
    assert len(times.track_ms) == len(slices) - 3
    batches = times.seconds[ATTENTION]
    # Prompt encoder and mask decoder are one part, and prompts are decoded and remembered, too.
    assert batches > 0 and times.seconds[DECODER] == 2 * times.seconds[MEMORY] == 2 * (batches + 3)
    # Eight looks at the clock from the start of a slice's memory attention to the end of its memory encoder.
    assert sum(times.track_ms) == pytest.approx(7000 * batches)


def test_what_was_encoded_before_takes_no_time(a_fast_tracker, a_phantom, seeds):
    """Embeddings are shared: the second configuration of a structure encodes nothing."""
    result_of(a_fast_tracker, a_phantom.volume, seeds, STOCK_SAM2)
    a_fast_tracker.predictions.clear()
    with ComponentTimes(a_fast_tracker) as times:
        result_of(a_fast_tracker, a_phantom.volume, seeds, STOCK_SAM2)
    assert times.seconds[ENCODE] == 0 < times.seconds[DECODER]
