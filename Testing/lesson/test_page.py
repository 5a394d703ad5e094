"""The page in Chromium: what it shows is what the run computed, by mouse, by keyboard, on paper, without a network."""

import re

import numpy as np
import pytest
from browsers import PICTURE, WIDTH, open_page, take_picture
from PIL import Image

from SAM2VolumeSegLib.lesson.page import page_of, read_words
from SAM2VolumeSegLib.lesson.run import PLANES
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT
from SAM2VolumeSegLib.volume import Plane

HALF_A_STEP = LOGIT_LIMIT / 254 + 1e-6
VIEWS = ("slices", "attention", "compare", "votes", "questions")


@pytest.fixture
def opened(a_browser, a_page_file):
    """Opens the page at an address; whatever it complains of, or asks the network for, fails the test."""
    pages = []

    def open_at(address="", **viewport):
        page, complaints = open_page(a_browser, a_page_file, address, **viewport)
        pages.append((page, complaints))
        return page

    yield open_at
    for page, complaints in pages:
        page.close()
        assert complaints == []


def go(page, address):
    """Follow a link to a place of the page."""
    page.evaluate("(address) => { location.hash = address; }", address)
    page.wait_for_function("(address) => document.body.dataset.ready && location.hash.length > 1", arg=address)
    page.wait_for_timeout(50)  # the event comes after the change


def numbers_of(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def seen_at(lesson, way, plane, step, index):
    walk = lesson.runs[way].walks[Plane(plane), step]
    return walk, next(seen for seen in walk.seen.values() if seen.index == index)


def test_the_slider_shows_what_each_slice_looked_at(a_lesson, opened):
    """Moved by its keys: the counts, the confidence and the mask are those of the run."""
    page = opened("#view=slices&way=1&plane=axial&step=1&index=25")
    page.focus("#index")
    found, compared = set(), 0
    for _ in range(12):
        index = int(page.evaluate("current.index"))
        walk, seen = seen_at(a_lesson, 1, "axial", 1, index)
        text = page.inner_text("#sentence")
        assert page.inner_text("#where").startswith(f"axial slice {index} (")
        if seen.confidence is None:
            assert "painted" in text and not page.query_selector_all(".group.near li")
        else:
            painted = [looked.index for looked in seen.spatial if looked.age == 0]
            out = len(walk.given) - len(painted)
            number = list(walk.seen.values()).index(seen) + 1
            expected = [number, len(walk.seen), round(seen.confidence, 2), len(painted)]
            expected += [len(seen.spatial) - len(painted), len(seen.pointers), out]
            assert numbers_of(text)[:7] == pytest.approx(expected, abs=0.006)
            assert len(page.query_selector_all(".group.near li")) == len(painted)
            assert len(page.query_selector_all(".group.out li")) == out
            assert len(page.query_selector_all(".group.recent li")) == len(seen.spatial) - len(painted)
            compared += 1
        mask = page.evaluate("Array.from(seenOf(walkOf(1, 'axial', 1), current.index).mask)")
        assert np.array_equal(np.reshape(mask, seen.mask.shape), seen.mask)
        found.add(index)
        page.keyboard.press("ArrowRight")
    assert len(found) == 12 and compared >= 10


@pytest.mark.parametrize("view", ["slices", "attention"])
def test_it_opens_where_something_was_predicted(opened, view):
    """The slice in the middle is a painted one: nothing happens there, and a class would look at just that."""
    page = opened(f"#view={view}")
    walked = page.evaluate("walkOf(current.way, current.plane, current.step)")
    (here,) = [one for one in walked["seen"] if one["index"] == page.evaluate("current.index")]
    assert here["confidence"] is not None and here["pictures"]
    assert page.inner_text("#sentence") != read_words()["slices.given"]


def test_the_picture_on_the_screen_is_the_one_that_the_model_saw(a_lesson, opened):
    """Pixel by pixel, away from the outline that is drawn over it."""
    page = opened("#view=slices&way=0&plane=sagittal&step=1&index=20")
    page.uncheck("#truth")
    index = int(page.evaluate("current.index"))
    pixels = page.evaluate(
        "() => { const canvas = byId('seen'); const size = canvas.width;"
        "const all = canvas.getContext('2d').getImageData(0, 0, size, size).data; const found = [];"
        "for (let y = 3; y < size; y += 6) for (let x = 3; x < size; x += 6) found.push(all[4 * (y * size + x)]);"
        "return found; }"
    )
    pictures = a_lesson.sight.pictures(a_lesson.segment, Plane.SAGITTAL)
    shown, saw = np.reshape(pixels, (160, 160)), np.rint(pictures.picture(index) * 63) * 4
    same = shown == saw
    assert same.mean() > 0.9
    _, seen = seen_at(a_lesson, 0, "sagittal", 1, index)
    rows, columns = np.nonzero(~same)
    near = np.pad(seen.mask, 2)
    around = [near[y : y + 5, x : x + 5] for y, x in zip(rows, columns, strict=True)]
    assert rows.size and all(part.any() and not part.all() for part in around), "only the outline lies over it"


def test_attention_is_that_of_the_network(a_lesson, opened):
    page = opened("#view=attention&way=3&plane=axial&step=1&index=26")
    for index in (26, 30, 45):
        go(page, f"#view=attention&way=3&plane=axial&step=1&index={index}")
        _, seen = seen_at(a_lesson, 3, "axial", 1, index)
        values = page.eval_on_selector_all("#shares td[data-value]", "(cells) => cells.map((c) => +c.dataset.value)")
        order = sorted(seen.spatial, key=lambda looked: looked.age != 0)  # painted ones first
        pointers = sum(pointed.share for pointed in seen.pointers)
        assert values == pytest.approx([*(looked.share for looked in order), pointers, 1], abs=2e-4)  # 5 digits each
        assert len(page.query_selector_all("#maps canvas")) == len(seen.spatial)


def test_two_settings_part_where_the_run_says(a_lesson, embedded, opened):
    """The buttons lead there, and Dice and outlines are those of the masks."""
    page = opened("#view=compare&a=1&b=3&plane=axial&index=40")
    indices, parting = a_lesson.upright.indices(Plane.AXIAL), embedded["partings"]["1 3 axial"]["axis"]
    for name in ("first", "most"):
        page.click(f"#{name}")
        position = indices.index(int(page.evaluate("current.index")))
        assert position == parting[name]
        masks = [a_lesson.runs[way].answer(Plane.AXIAL)[position] for way in (1, 3)]
        areas = [int(page.get_attribute(f"#picture{letter}", "data-area")) for letter in "AB"]
        assert areas == [mask.sum() for mask in masks]
        truth = a_lesson.reference[position]
        dice = [2 * (one & other).sum() / (one.sum() + other.sum()) for one, other in
                ((masks[0], truth), (masks[1], truth), masks)]  # fmt: skip
        assert numbers_of(page.inner_text("#sentence"))[1:4] == pytest.approx(dice, abs=0.0006)
        row = page.eval_on_selector_all(
            f"#curveTable tbody tr:nth-child({position + 1}) td", "(cells) => cells.map((cell) => +cell.dataset.value)"
        )
        assert row == pytest.approx(dice)
    page.select_option("#by", "final")
    assert page.get_attribute("#pictureA", "data-area") == str(a_lesson.runs[1].final[position].sum())


@pytest.mark.parametrize("drag", [False, True], ids=["by slider", "by mouse"])
def test_three_votes_of_a_place_are_those_of_the_run(a_lesson, opened, drag):
    page, run = opened("#view=votes&point=30,30,30"), a_lesson.runs[0]
    moves = [("axial", 0.5, 0.45), ("coronal", 0.4, 0.6), ("sagittal", 0.6, 0.3)] if drag else [0, 1, 2]
    points = set()
    for move in moves:
        if drag:
            plane, across, down = move
            frame = page.query_selector(f"#{plane}").bounding_box()
            page.mouse.move(frame["x"] + frame["width"] / 4, frame["y"] + frame["height"] / 4)
            page.mouse.down()
            page.mouse.move(frame["x"] + frame["width"] * across, frame["y"] + frame["height"] * down, steps=3)
            page.mouse.up()
        else:
            page.focus(f"#point{move}")
            for _ in range(5):
                page.keyboard.press("ArrowRight")
        point = tuple(page.evaluate("current.point"))
        points.add(point)
        rows = page.eval_on_selector_all(
            "#voteTable tbody tr",
            "(rows) => rows.map((row) => [row.dataset.row, "
            "[...row.querySelectorAll('[data-value]')].map((cell) => +cell.dataset.value)])",
        )
        shown = dict(rows)
        for plane in PLANES:
            weight = float(run.weights[plane][point])
            if not weight:
                assert shown[plane.value] == []
                continue
            logit, counted, _part = (shown[plane.value][0], *shown[plane.value][1:3])
            assert logit == pytest.approx(float(run.votes[plane][point]), abs=HALF_A_STEP)
            assert counted == pytest.approx(weight, rel=1e-4)
        if any(run.weights[plane][point] for plane in PLANES):
            assert shown["mean"][0] == pytest.approx(float(run.mean[point]), abs=HALF_A_STEP + 1e-4)
        assert shown["fused"][0] == pytest.approx(float(run.fused[point]), abs=HALF_A_STEP)
        assert shown["final"][0] == run.final[point] and shown["reference"][0] == a_lesson.reference[point]
    assert len(points) == 3
    differ = ((run.mean > 0) != run.final).sum()
    assert f"{differ:,} of {run.final.sum():,} voxels" in page.inner_text("#edges")


def test_every_question_leads_to_the_place_that_answers_it(embedded, opened):
    page = opened("#view=questions")
    items = page.query_selector_all("#asked > li")
    assert len(items) == 5
    for item, question in zip(items, embedded["questions"], strict=True):
        assert len(item.query_selector_all("a")) == len(question["places"])
        assert "{" not in item.text_content() and "undefined" not in item.text_content()
        for figure in (value for value in question["paper"].values() if isinstance(value, float)):
            assert str(figure) in item.text_content()
        assert "arXiv:2603.23116v1" in item.text_content()
    links = page.eval_on_selector_all("#asked a", "(links) => links.map((link) => link.getAttribute('href'))")
    for link, place in zip(links, (p for q in embedded["questions"] for p in q["places"]), strict=True):
        page.click("#tab-questions")
        page.click(f'#asked a[href="{link}"] >> nth=0')
        page.wait_for_function("(view) => current.view === view", arg=place["view"])
        state = page.evaluate("current")
        assert {name: state[name] for name in place} == place
        assert page.is_visible(f"#{place['view']}")


def test_the_page_is_used_by_keyboard_alone(opened):
    page = opened()
    page.focus("#tab-slices")
    for view in (*VIEWS[1:], VIEWS[0]):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == f"tab-{view}"
        assert page.get_attribute(f"#tab-{view}", "aria-selected") == "true"
        assert [page.is_visible(f"#{name}") for name in VIEWS] == [name == view for name in VIEWS]
    page.evaluate("document.activeElement.blur()")
    before = page.evaluate("current.index")
    page.keyboard.press("ArrowRight")
    after = page.evaluate("current.index")
    assert after != before
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("current.index") == before
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    page.wait_for_function("(index) => current.index !== index", arg=before)
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-pressed") == "false"


@pytest.mark.parametrize("view", VIEWS)
def test_a_screen_reader_has_words_for_everything(opened, view):
    """Each picture has a name, each control a label, no two elements one identity; the slider says the slice."""
    page = opened(f"#view={view}&point=30,30,30")
    nameless = page.evaluate(
        """(view) => [...document.querySelectorAll(`#${view} canvas, #${view} svg, #controls input, #controls select`)]
        .filter((one) => one.checkVisibility() && !one.closest('[aria-hidden=true]') && !one.closest('button'))
        .filter((one) => !one.getAttribute('aria-label') && !one.labels?.length)
        .map((one) => one.outerHTML.slice(0, 80))""",
        view,
    )
    assert nameless == []
    twice = page.evaluate(
        "() => { const all = [...document.querySelectorAll('[id]')].map((one) => one.id);"
        "return all.filter((id, n) => all.indexOf(id) !== n); }"
    )
    assert twice == []
    assert page.get_attribute("html", "lang") == "en"
    if view in VIEWS[:3]:
        assert "slice" in page.get_attribute("#index", "aria-valuetext")


def test_colours_are_apart_for_people_who_see_no_red_or_no_green(a_browser, a_page_file):
    """The colours of outlines and curves, through Machado's matrices (2009, severity 1.0): no two become alike."""
    page, _ = open_page(a_browser, a_page_file)
    colours = page.evaluate("COLOURS")
    page.close()
    deficient = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    for together in (("answer", "reference"), ("a", "b", "both"), ("mean", "final", "reference")):
        rgb = {name: np.array([int(colours[name][n : n + 2], 16) / 255 for n in (1, 3, 5)]) for name in together}
        for matrix in map(np.array, deficient.values()):
            seen = {name: (matrix @ value**2.2).clip(0, 1) ** (1 / 2.2) for name, value in rgb.items()}
            pairs = [(one, other) for one in seen for other in seen if one < other]
            for one, other in pairs:
                assert np.linalg.norm(seen[one] - seen[other]) > 0.2, (one, other)


def test_on_paper_it_is_a_handout(opened):
    """All five parts, room for answers, and neither controls nor the answers."""
    page = opened("#view=attention&way=3&plane=axial&step=1&index=26")
    pdf = page.pdf(format="A4")  # as when it is printed: the page is told so
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 4
    page.emulate_media(media="print")
    page.evaluate("showAll()")
    for view in VIEWS:
        assert page.is_visible(f"#{view}")
    assert not page.is_visible("#controls") and not page.is_visible("[role=tablist]")
    assert not any(one.is_visible() for one in page.query_selector_all("#asked details, #asked a"))
    assert sum(one.is_visible() for one in page.query_selector_all(".write")) == 5
    drawn = page.evaluate("[...document.querySelectorAll('main canvas')].filter((one) => one.checkVisibility()).length")
    assert drawn >= 8


def test_it_fits_on_a_telephone(opened):
    page = opened(width=380, height=700)
    for view in VIEWS:
        go(page, f"#view={view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 380, view


def test_an_address_that_makes_no_sense_shows_the_page_all_the_same(opened):
    page = opened("#view=nonsense&way=99&plane=up&index=x&point=1,2")
    assert page.is_visible("#slices")
    go(page, "#view=votes&point=1,999,3")
    go(page, "#view=slices&way=2&plane=coronal&index=9999&step=-1")
    assert page.evaluate("[current.plane, current.step]") == ["axial", 1], "stock SAM2 goes forward along one axis"


def test_a_page_without_a_reference_and_attention_opens(a_browser, embedded, tmp_path):
    """What most people have is a CT and nobody who knows what is right."""
    import copy

    bare = copy.deepcopy(embedded)
    bare["reference"] = None
    for look in bare["looks"]:
        del look["reference"]
    for way in bare["ways"]:
        way.pop("dice"), way.pop("diceOfSlices")
        for walk in (walk for plane in way["planes"].values() for walk in plane["walks"]):
            walk["heat"] = None
            for seen in walk["seen"]:
                seen["pictures"] = [[index, age, None] for index, age, _share in seen["pictures"]]
                seen["pointers"] = [[index, ago, None] for index, ago, _share in seen["pointers"]]
    file = tmp_path / "bare.html"
    file.write_text(page_of(bare, read_words()), encoding="utf-8")
    page, complaints = open_page(a_browser, file)
    for view in VIEWS:
        go(page, f"#view={view}")
        assert "undefined" not in page.inner_text(f"#{view}") and "NaN" not in page.inner_text(f"#{view}")
    go(page, "#view=attention&way=0&plane=axial&index=30")
    assert "does not say" in page.inner_text("#unattended")
    page.close()
    assert complaints == []


def test_the_readmes_picture_is_of_this_page(a_browser, a_page_file, tmp_path):
    """It is taken anew, of the same size and place; `python Testing/lesson/browsers.py` replaces the README's."""
    picture = tmp_path / "lesson.png"
    assert take_picture(a_browser, a_page_file, picture) == []
    with Image.open(picture) as taken, Image.open(PICTURE) as kept:
        assert taken.size == kept.size and taken.width == WIDTH
        # Fonts and smoothing differ between computers; the CT in the picture does not.
        part = [np.asarray(one.convert("L").resize((64, 41)), dtype=float) for one in (taken, kept)]
    assert np.corrcoef(part[0].ravel(), part[1].ravel())[0, 1] > 0.9
