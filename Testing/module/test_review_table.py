"""What the section "Review" says: lines, sentences, and what is known again when the list is made once more."""

from dataclasses import replace

import numpy as np
import pytest

from SAM2VolumeSegLib.panel.review_table import segment_lines, sentences, still_there, suspect_key, suspect_lines
from SAM2VolumeSegLib.review import (
    Agreement,
    Bridge,
    Compared,
    Comparison,
    Contact,
    ExpectedDice,
    LeftOut,
    LikelyErrors,
    Review,
    SegmentReview,
    SelfCheck,
    Shape,
    Suspect,
    Verdict,
)
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Volume

VOLUME = Volume(np.zeros((8, 8, 8), np.int16), np.diag([-1.0, -1.0, 2.0, 1.0]), "CT")
REGION = BoxMask.of(np.ones((8, 8, 8), bool))
FIRST = Suspect(
    "L3", REGION, (1.0, 2.0, 3.04), 312.4, Plane.AXIAL, 5, 20.0, "missing", ("the axes disagree", "far", "dim")
)
SECOND = replace(FIRST, centre=(4.0, 5.0, 6.0), wrong_mm3=20.0)
LISTED = {"L3": (FIRST, SECOND)}
EXPECTED = ExpectedDice(0.93, 0.88, 0.96, False)
WHOLE = Shape(10.0, (), (), (), (), (), ())


def a_review(check=None, shape=WHOLE, expected=EXPECTED, remarks=()):
    errors = LikelyErrors(REGION, Box.whole(VOLUME), np.zeros((8, 8, 8), np.float32))
    return Review({"L3": SegmentReview("L3", expected, errors, (FIRST, SECOND), (), shape, remarks)}, check)


def test_a_line_says_the_expected_dice_with_its_interval_and_what_is_left_to_look_at():
    (line,) = segment_lines(a_review(), LISTED, [], {})
    assert (line.name, line.dice, line.suspects) == ("L3", "0.93 (0.88 to 0.96)", "2")
    assert line.bar == pytest.approx((0.76, 0.86, 0.92))
    (line,) = segment_lines(a_review(), LISTED, [suspect_key(SECOND), "gone"], {"L3": Verdict("fix", 2)})
    assert (line.suspects, line.verdict) == ("2, 1 done", "Fix ★★")


def test_a_bar_ends_where_there_is_nothing_to_tell_apart():
    (line,) = segment_lines(a_review(expected=ExpectedDice(0.6, 0.2, 1.0, True)), LISTED, [], {})
    assert line.bar == pytest.approx((0.0, 0.2, 1.0))


def test_a_line_of_an_audit_says_how_far_it_agrees_and_has_no_range():
    """The range was found on results of this program: perfect masks of others lay outside it."""
    agreement = Agreement(0.8765, 0.78, 3.0, 0.5, 0.1)
    propagated = Comparison({"L3": Compared("L3", "L3", REGION, agreement, ())})
    (line,) = segment_lines(a_review(), LISTED, [], {}, propagated)
    assert line.dice == "0.876" and line.bar == pytest.approx((0.753, 0.753, 0.753))
    (line,) = segment_lines(a_review(), LISTED, [], {}, Comparison({}))
    assert (line.dice, line.bar) == ("-", None)
    for check in (None, SelfCheck((), 3.0)):
        said = " ".join(sentences(a_review(check=check), "L3", audited=True))
        assert "Expected Dice" not in said and "where to look first" in said


def test_a_suspect_names_its_slice_as_the_view_does_its_size_its_kind_and_the_weightiest_reason():
    line, other = suspect_lines([FIRST, SECOND], VOLUME, [suspect_key(FIRST)], [suspect_key(SECOND)])
    assert (line.slice, line.size, line.why) == ("axial S: 10.00mm", "312 mm³", "Missing: the axes disagree")
    assert line.tip.startswith("Missing: the axes disagree. Also: far; dim. About 312 mm³")
    assert "axial S: 10.00mm" in line.tip
    (only,) = suspect_lines([replace(FIRST, sign="both", reasons=("far",))], VOLUME, [], [])
    assert only.why == "Surface elsewhere: far" and only.tip.startswith("Surface elsewhere: far. About")
    assert (line.seen, line.ticked, other.seen, other.ticked) == (True, False, False, True)


def test_what_was_seen_is_known_again_and_what_is_gone_is_forgotten():
    keys = [suspect_key(FIRST), "L4 0.0 0.0 0.0"]
    assert still_there(keys, LISTED) == keys[:1]
    assert suspect_key(FIRST) != suspect_key(SECOND)


def test_it_is_said_what_the_estimate_stands_on():
    assert "not from this patient" in sentences(a_review(), "L3")[0]
    none = np.zeros((0, 5), np.float32), np.zeros(0, bool)
    out = [LeftOut("L3", Plane.AXIAL, n, f"S {n} mm", "between", 0.9, 1.0, *none) for n in (1, 2)]
    said = sentences(a_review(check=SelfCheck(tuple(out), 3.0)), "L3")
    assert "2 painted slices between others" in said[0] and "not from this patient" not in " ".join(said)


def test_a_self_check_that_could_not_change_the_estimate_is_said_to_be_one():
    """Else somebody who paid for it takes the figure for one of this patient."""
    none = np.zeros((0, 5), np.float32), np.zeros(0, bool)
    check = SelfCheck((LeftOut("L3", Plane.AXIAL, 1, "S 1 mm", "only", 0.9, 1.0, *none),), 3.0)
    words = "the self-check cannot change it"
    assert words in sentences(a_review(check), "L3")[-1]
    assert words not in " ".join(sentences(a_review(check, expected=EXPECTED._replace(measured=True)), "L3"))


def test_an_odd_shape_and_a_name_that_does_not_fit_are_said():
    bridges = (Bridge(REGION, 3.25),)
    odd = Shape(10.0, (0.2, 0.1), (0.5,), bridges, (), (), (Contact("L4", 120.0),))
    said = " ".join(sentences(a_review(shape=odd, remarks=("L3 lies below L4.",)), "L3"))
    for words in ("L3 lies below", "2 closed holes, the largest of 0.20 ml", "a loose part of 0.50 ml", "3.2 ml of it"):
        assert words in said, words
    assert "It touches L4 (120 mm²)." in said
