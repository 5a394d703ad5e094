"""`sam2-volume-seg lesson`: from files and from the phantom to a page, and what it refuses in words."""

import json
import re

import pytest
from cli_files import save_ct, save_labels

from SAM2VolumeSegLib.cli import main
from SAM2VolumeSegLib.lesson.page import WORDS
from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Segment, write_segmentation

QUICK = ("--device", "cpu", "--image-size", "64", "--axes", "axial", "--direction", "forward")


@pytest.fixture
def files(a_phantom, tmp_path):
    """A CT, what is painted of two structures, and a reference of one of them."""
    volume, names = a_phantom.volume, ("middle", "above")
    seeds = {name: simulate_seeds(a_phantom.references[name], volume, "first-middle-last") for name in names}
    painted = [Segment(name, paint_seeds(own, volume)) for name, own in seeds.items()]
    ct, paint, reference = (
        save_ct(tmp_path / "ct.nrrd", volume),
        tmp_path / "painted.seg.nrrd",
        tmp_path / "ref.seg.nrrd",
    )
    write_segmentation(paint, volume, painted, {})
    write_segmentation(reference, volume, [Segment("middle", a_phantom.references["middle"])], {})
    return ct, paint, reference


def run(*arguments):
    return main(["lesson", *map(str, arguments)])


def embedded(file):
    text = file.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="lesson">(.*?)</script>', text, re.DOTALL)[1])


def test_a_lesson_of_ones_own_ct(files, tmp_path, capsys):
    ct, paint, reference = files
    page = tmp_path / "lesson.html"
    more = ["--against=--preset paper --radius 0.5", "--model", "demo", *QUICK]
    assert run(ct, paint, "-o", page, "--reference", reference, *more) == 0
    assert f"Written: {page}" in capsys.readouterr().out
    content = embedded(page)
    assert (content["segment"], content["volume"]) == ("middle", "ct")
    names = [way["name"] for way in content["ways"]]
    assert names == ["own", "recommended", "paper", "stock", "afar", "ages", "--preset paper --radius 0.5"]
    assert list(content["ways"][0]["planes"]) == ["axial"]
    assert dict(content["ways"][-1]["choices"])["Seed radius (SPS)"] == "0.5"
    assert content["ways"][0]["dice"] is not None
    assert run(ct, paint, "-o", page, "--show", "above", "--model", "demo", *QUICK) == 0, "a lesson replaces a lesson"
    assert embedded(page)["segment"] == "above" and embedded(page)["reference"] is None


def test_a_lesson_of_the_phantom_needs_no_files(tmp_path):
    page = tmp_path / "lesson.html"
    assert run("--phantom", "-o", page, *QUICK) == 0
    content = embedded(page)
    assert content["segment"] == "Bone 1" and content["model"]["name"] == "demo" and content["reference"] is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give a CT and its painted slices, or --phantom"),
        (["ct.nrrd"], "Give a CT and its painted slices"),
        (["ct.nrrd", "painted.seg.nrrd", "--phantom"], "Give a CT and its painted slices"),
        (["--phantom", "--reference", "ref.seg.nrrd"], "leave out --reference"),
        (["--phantom", "--against=--radius nought"], "--radius: 'nought' is not a number"),
        (["--phantom", "--against=--wave 3"], "--against: unrecognized arguments: --wave 3"),
        (["--phantom", "--against='"], "--against: No closing quotation"),
        (["--phantom", "--against=--preset paper --embeddings sam2 --recent 9"], "asks for 9 recent slices"),
        (["--phantom", "--show", "Bone 9"], 'no painted segment "Bone 9". Painted are: Bone 1, Bone 2'),
        (["--phantom", "--words", "nowhere.json"], 'no file "nowhere.json"'),
    ],
)
def test_what_cannot_be_is_said_in_words(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "-o", "lesson.html", "--device", "cpu", "--image-size", "64") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "lesson.html").exists()


def test_nobodys_page_is_replaced(tmp_path, capsys):
    own = tmp_path / "thesis.html"
    own.write_text("<html>three years of work</html>", encoding="utf-8")
    assert run("--phantom", "-o", own) == 2 and "is there already, and no lesson" in capsys.readouterr().err
    assert run("--phantom", "-o", tmp_path / "lesson.txt") == 2 and "has to end in .html" in capsys.readouterr().err
    assert run("--phantom", "-o", own, "--words", own) == 2
    assert "three years" in own.read_text(encoding="utf-8")


def test_a_reference_of_something_else_is_refused(files, tmp_path, capsys):
    ct, paint, reference = files
    arguments = (
        ct,
        paint,
        "-o",
        tmp_path / "lesson.html",
        "--reference",
        reference,
        "--show",
        "above",
        "--model",
        "demo",
    )
    assert run(*arguments) == 2
    assert 'There is no segment "above"' in capsys.readouterr().err


def test_a_label_image_is_a_reference_too(files, a_phantom, tmp_path):
    """As other programs write it: it keeps no name, so what is in it is what is shown."""
    ct, _, _ = files
    volume, truth = a_phantom.volume, a_phantom.references["middle"]
    painted = paint_seeds(simulate_seeds(truth, volume, "first-middle-last", (Plane.AXIAL,)), volume)
    paint, reference = (
        save_labels(tmp_path / f"{n}.nii.gz", volume, m) for n, m in (("paint", painted), ("ref", truth))
    )
    page = tmp_path / "lesson.html"
    assert run(ct, paint, "-o", page, "--reference", reference, "--model", "demo", *QUICK) == 0
    assert embedded(page)["ways"][0]["dice"] > 0


def test_a_translated_page(tmp_path):
    words = json.loads(WORDS.read_text(encoding="utf-8")) | {"lang": "de", "play": "Abspielen"}
    german, page = tmp_path / "worte.json", tmp_path / "stunde.html"
    german.write_text(json.dumps(words), encoding="utf-8")
    assert run("--phantom", "-o", page, "--words", german, *QUICK) == 0
    assert ">Abspielen</button>" in page.read_text(encoding="utf-8")
