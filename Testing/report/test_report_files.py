"""What a report says, without a browser: page and tables are whole, safe and complete."""

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from report_cases import NAMES, SAID, a_report_of

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.report import FILES, write_report
from SAM2VolumeSegLib.review import AGREEMENT_MEANS, SIGNS, Review, Verdict
from SAM2VolumeSegLib.seeds import point_text

FIRST, SECOND = NAMES.values()
EMPTY = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Text, tags and addresses of a page; fails where a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.addresses, self._open = "", [], [], []
        self.feed(text)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("href", "src")]
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("href", "src")]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data


def read_table(path):
    """As a spreadsheet does: by the mark at its beginning it knows the encoding."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def page(a_folder):
    return Page((a_folder / "review.html").read_text(encoding="utf-8"))


def test_a_page_needs_nothing_else(page, a_folder):
    """It is mailed, and opened where there is no network."""
    assert page.addresses and all(address.startswith(("data:", "#")) for address in page.addresses)
    text = (a_folder / "review.html").read_text(encoding="utf-8")
    assert "@import" not in text and not re.search(r"url\((?!['\"]?data:)", text)
    assert sorted(file.name for file in a_folder.iterdir()) == sorted(FILES)


def test_names_and_comments_are_text(page):
    """Not tags, whatever somebody typed."""
    assert FIRST in page.text and SECOND in page.text and SAID.comment in page.text and "patient <1>" in page.text
    assert "b" not in page.tags and "i" not in page.tags


def test_somebody_who_was_not_there_finds_all(page):
    text = " ".join(page.text.split())
    for said in (
        "0.91 (0.80 – 0.96)",
        "0.85 (0.80 – 0.96) (phantoms)",
        "by A. Reader, 2026-01-02T03:04:05+00:00, with Slicer",
        "2 of 5",
        "not given",  # the other one's verdict
        "Surface elsewhere: the axes disagree.",
        "Names are mixed up?",
        "1 painted slice between others, left out, was found again with Dice 0.87",
        "9 painted slices were propagated again.",
        "not for clinical use",
        "is an estimate and no measurement",
        "taken for the truth, and may be wrong itself",
        "ct.nrrd",
        '"name": "demo"',
    ):
        assert said in text, said


def test_the_least_certain_segment_comes_first(page):
    assert page.text.index(SECOND) < page.text.index(FIRST)


def test_every_suspect_has_a_picture_and_one_more_of_the_state_before(a_report, page):
    with_before, without = (a_report.review.segments[name].suspects for name in (FIRST, SECOND))
    compared = [a_report.reference.segments[name].suspects for name in (FIRST, SECOND)]
    assert with_before and without and all(map(len, compared))
    shown = 2 * len(with_before) + len(without) + 2 * len(compared[0]) + len(compared[1])
    assert page.tags.count("figure") == shown
    assert page.text.count("Before") >= len(with_before)


def test_before_and_now_show_the_same_part(a_folder):
    """To be compared by eye."""
    text = (a_folder / "review.html").read_text(encoding="utf-8")
    pairs = re.findall(
        r'<figcaption>Before</figcaption><svg viewBox="([^"]+)".*?<figcaption>Now</figcaption><svg '
        r'viewBox="([^"]+)"',
        text,
        re.DOTALL,
    )
    assert pairs and all(before == now for before, now in pairs)


def test_what_agreement_means_is_said_in_an_audit_and_nowhere_else(a_phantom, a_report, tmp_path, page):
    assert not any(sentence in page.text for sentence in AGREEMENT_MEANS)
    write_report(tmp_path, a_report_of(a_phantom, propagated=a_report.reference, reference=None, before={}))
    audit = Page((tmp_path / "review.html").read_text(encoding="utf-8"))
    assert all(sentence in audit.text for sentence in AGREEMENT_MEANS)
    assert "Audit of patient <1>" in audit.text and "propagated from its own slices" in audit.text


def test_an_audit_gives_no_range_for_masks_of_another_origin(a_phantom, a_report, tmp_path):
    """It was found on results of this program: perfect masks of others lay outside it. They are listed by agreement."""
    compared = dict(a_report.reference.segments)
    for name, dice in ((FIRST, 0.611), (SECOND, 0.944)):
        compared[name] = replace(compared[name], agreement=compared[name].agreement._replace(dice=dice))
    propagated = replace(a_report.reference, segments=compared)
    write_report(tmp_path, a_report_of(a_phantom, propagated=propagated, reference=None, before={}))
    text = Page((tmp_path / "review.html").read_text(encoding="utf-8")).text
    assert "nine of ten" not in text.lower() and "0.80 –" not in text and "Expected Dice" not in text
    assert text.index("0.611") < text.index("0.944")
    rows = read_table(tmp_path / "review.csv")
    assert [row["dice_with_propagated"] for row in rows] == ["0.611", "0.944"]
    assert "1 slice of the segmentation between others" in text and "1 painted slice" not in text
    assert "the result has these slices" not in text
    assert {row[f"expected_dice_{end}"] for row in rows for end in ("lower", "upper")} == {""}


def test_a_segment_without_suspects_is_said_to_have_none(a_phantom, tmp_path):
    whole = a_report_of(a_phantom, reference=None, before={}, verdicts={})
    name, segment = next(iter(whole.review.segments.items()))
    review = Review({name: replace(segment, suspects=())}, None)
    write_report(tmp_path, replace(whole, review=review))
    text = Page((tmp_path / "review.html").read_text(encoding="utf-8")).text
    assert "No region stands out" in text and "Self-check" not in text


def test_tables_hold_what_the_page_says(a_folder, a_report):
    rows = {row["segment"]: row for row in read_table(a_folder / "review.csv")}
    assert list(rows) == [SECOND, FIRST]
    first = rows[FIRST]
    assert float(first["expected_dice"]) == 0.91 and first["self_checked"] == "yes" and first["stars"] == "2"
    assert first["comment"] == SAID.comment and first["verdict"] == "fix" and first["reference_segment"] == FIRST
    agreement = a_report.reference.segments[FIRST].agreement
    assert float(first["dice"]) == pytest.approx(agreement.dice, abs=1e-5)
    assert rows[SECOND]["verdict"] == rows[SECOND]["stars"] == rows[SECOND]["dice_with_propagated"] == ""


def test_a_suspect_in_the_table_is_where_slicer_shows_it(a_folder, a_report, page):
    rows = read_table(a_folder / "suspects.csv")
    likely = [row for row in rows if row["kind"] == "likely wrong" and row["segment"] == FIRST]
    suspects = a_report.review.segments[FIRST].suspects
    assert len(likely) == len(suspects)
    for row, suspect in zip(likely, suspects, strict=True):
        place = [float(row[name]) for name in ("right_mm", "anterior_mm", "superior_mm")]
        assert place == pytest.approx(suspect.centre, abs=1e-3)
        assert row["centre"] == point_text(suspect.centre) and f"Centre at {row['centre']}." in page.text
        assert (row["plane"], int(row["slice_index"])) == (suspect.plane.value, suspect.index)
    assert {row["kind"] for row in rows} == {"likely wrong", "differs from the reference"}
    assert [row["error"] for row in likely] == [SIGNS[suspect.sign] for suspect in suspects]


def test_what_a_slice_saves_is_said_to_be_of_the_whole_slice(a_phantom, a_report, tmp_path):
    """Beside the volume of one region it would save more than is wrong there."""
    review = a_report.review
    segment = review.segments[FIRST]
    suspects = (replace(segment.suspects[0], wrong_mm3=27.0, gain_mm3=389.0),)
    review = replace(review, segments={FIRST: replace(segment, suspects=suspects)})
    write_report(tmp_path, a_report_of(a_phantom, review=review))
    text = Page((tmp_path / "review.html").read_text(encoding="utf-8")).text
    assert "Likely wrong here: 27 mm³." in text and "expected to save 389 mm³, here and elsewhere." in text
    assert read_table(tmp_path / "suspects.csv")[0]["saved_in_the_whole_structure_mm3"] == "389"


def test_of_many_reasons_the_weightiest_stands_out_and_the_least_are_unfolded(a_phantom, a_report, tmp_path):
    """Six in bold are read by nobody. Up to three are read at once, and none is lost."""
    segment = a_report.review.segments[FIRST]
    for reasons, bold, beside, folded in (
        ("abcdef", "Missing: a.", "Also: b; c.", ["3 more reasons", "D.", "E.", "F."]),
        ("abcd", "Missing: a.", "Also: b; c.", ["1 more reason", "D."]),
        ("ab", "Missing: a.", "Also: b.", []),
        ("a", "Missing: a.", "Likely wrong", []),
    ):
        one = replace(segment.suspects[0], sign="missing", reasons=tuple(reasons))
        review = replace(a_report.review, segments={FIRST: replace(segment, suspects=(one,))})
        write_report(tmp_path, a_report_of(a_phantom, review=review, reference=None))
        text = (tmp_path / "review.html").read_text(encoding="utf-8")
        card = re.search(r'<article class="suspect".*?</article>', text, re.DOTALL)[0]
        assert f"<strong>{bold}</strong> {beside}" in card and card.count("<strong>") == 1
        assert re.findall(r"<(?:summary|li)>(.*?)</", card) == folded
        assert read_table(tmp_path / "suspects.csv")[0]["why"] == "; ".join(reasons)


def test_a_reference_is_drawn_on_every_suspect_and_named_in_the_legend(a_phantom, a_report, tmp_path):
    """Who looks where it may be wrong sees at once whether it is; in an audit beside what was propagated."""

    def lines(**others):
        """Kinds of the lines in the legend; of the suspects, and of where it differs from the reference."""
        write_report(tmp_path, a_report_of(a_phantom, before={}, **others))
        text = (tmp_path / "review.html").read_text(encoding="utf-8")
        legend = re.search(r'<ul class="legend">.*?</ul>', text, re.DOTALL)[0]
        kinds = {"legend": set(re.findall(r'<path class="(\w+)" d', legend)) - {"frame"}}
        for what in ("suspect", "difference"):
            cards = re.findall(rf'<article class="suspect" id="{what}-.*?</article>', text, re.DOTALL)
            each = {frozenset(re.findall(r'<path class="(judged|other|reference)" d', card)) for card in cards}
            kinds[what] = set(*each) if each else None
        return kinds

    both = {"judged", "reference"}
    assert lines() == {"legend": both, "suspect": both, "difference": both}
    audited = lines(propagated=a_report.reference)
    assert audited == {"legend": both | {"other"}, "suspect": both | {"other"}, "difference": both}
    assert lines(reference=None) == {"legend": {"judged"}, "suspect": {"judged"}, "difference": None}


def test_a_self_check_that_could_not_change_the_estimate_stands_beside_it(a_phantom, a_report, tmp_path):
    """One slice on each axis: its axis says nothing without it. What was found is shown all the same."""
    review = a_report.review
    segment = review.segments[FIRST]
    only = tuple(replace(review.check.slices[0], among="only", dice=dice) for dice in (0.71, 0.75))
    segment = replace(segment, expected=segment.expected._replace(measured=False))
    review = replace(review, segments={FIRST: segment}, check=replace(review.check, slices=only))
    write_report(tmp_path, a_report_of(a_phantom, review=review))
    text = (tmp_path / "review.html").read_text(encoding="utf-8")
    summary = re.search(r'id="summary".*?</table>', text, re.DOTALL)[0]
    assert "one painted slice on each axis, the self-check cannot change it" in summary
    assert "Self-check, mean Dice" in summary and "0.73" in summary
    (row,) = read_table(tmp_path / "review.csv")
    assert (row["self_checked"], row["self_check_dice"]) == ("no", "0.73")


def test_left_is_called_left():
    """A minus before a number that is called R is read over, and the other side is corrected."""
    assert point_text((-8.2, -12.8, 3.0)) == "L 8.2, P 12.8, S 3.0 mm"
    assert point_text((8.2, 12.8, -3.04)) == "R 8.2, A 12.8, I 3.0 mm"


def test_a_report_replaces_an_earlier_one_and_nobody_elses_file(a_report, tmp_path):
    write_report(tmp_path, a_report)
    write_report(tmp_path, a_report)
    other = tmp_path / "other"
    other.mkdir()
    (other / "review.csv").write_text("mine")
    with pytest.raises(InputError, match=r"review\.csv.*not from this program"):
        write_report(other, a_report)
    assert (other / "review.csv").read_text() == "mine" and len(list(other.iterdir())) == 1


def test_a_verdict_of_which_little_is_known_is_shown_as_well(a_phantom, tmp_path):
    write_report(tmp_path, a_report_of(a_phantom, verdicts={SECOND: Verdict("accept")}))
    text = (tmp_path / "review.html").read_text(encoding="utf-8")
    assert "Accept" in text and "somebody who gave no name" in text and "None" not in Page(text).text
