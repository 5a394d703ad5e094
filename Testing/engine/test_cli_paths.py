"""A file that is not there, is a folder, is empty or no UTF-8: each option that takes one names it, and what to do."""

import re

import pytest
from cli_files import paint, save_ct, save_labels

from SAM2VolumeSegLib.cli import main

IMAGES = {
    "segment ct": ["segment", "{bad}", "{seeds}", "-o", "{out}"],
    "segment seeds": ["segment", "{ct}", "{bad}", "-o", "{out}"],
    "segment --correct": ["segment", "{ct}", "{seeds}", "-o", "{out}", "--correct", "{bad}", "axial:14"],
    "seeds": ["seeds", "{ct}", "{bad}"],
    "lesson --reference": ["lesson", "{ct}", "{seeds}", "-o", "{page}", "--reference", "{bad}"],
    "review ct": ["review", "{bad}", "{seeds}", "-o", "{out}"],
    "review segmentation": ["review", "{ct}", "{bad}", "-o", "{out}"],
    "review --seeds": ["review", "{ct}", "{seeds}", "--seeds", "{bad}", "-o", "{out}"],
    "review --reference": ["review", "{ct}", "{seeds}", "--reference", "{bad}", "-o", "{out}"],
    "review --before": ["review", "{ct}", "{seeds}", "--before", "{bad}", "-o", "{out}"],
    "audit segmentation": ["audit", "{ct}", "{bad}", "-o", "{out}"],
}
TEXTS = {
    "lesson --words": ["lesson", "--phantom", "-o", "{page}", "--words", "{bad}"],
    "review --cases": ["review", "--cases", "{bad}", "-o", "{out}"],
    "audit --cases": ["audit", "--cases", "{bad}", "-o", "{out}"],
}
WEIGHTS = {"--checkpoint": ["segment", "{ct}", "{seeds}", "-o", "{out}", "--checkpoint", "{bad}", "--config", "tiny"]}
ALL = IMAGES | TEXTS | WEIGHTS
SAID = {
    "gone": r"There is no file .*Check the path",
    "folder": r"is a folder\. (Give the file itself|A segmentation is one file)|no DICOM images .* Choose the folder",
    "empty": r"is empty\. Copy it, or save it, again",
}


@pytest.fixture(scope="module")
def good(a_phantom, tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    save_ct(folder / "ct.nrrd", a_phantom.volume)
    save_labels(folder / "seeds.nii.gz", a_phantom.volume, paint(a_phantom, "middle"))
    return folder


def said(arguments, bad, good, folder, capsys):
    """What a command says, one sentence or two; it ends with 2 and writes nothing."""
    names = {"ct": good / "ct.nrrd", "seeds": good / "seeds.nii.gz", "bad": bad}
    names |= {"out": folder / ("out.seg.nrrd" if arguments[0] == "segment" else "out"), "page": folder / "page.html"}
    before = sorted(folder.iterdir())
    model = ["--model", "demo"] if arguments[0] in ("segment", "lesson") else []
    assert main([*(text.format(**names) for text in arguments), *model]) == 2
    assert sorted(folder.iterdir()) == before
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("Error: ") and str(bad) in error and "Errno" not in error and "codec" not in error
    return error


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("option", ALL)
def test_a_file_that_cannot_be_one_is_named_with_what_to_do(good, tmp_path, capsys, option, kind):
    bad = tmp_path / "bad.nii.gz"
    if kind == "folder":
        bad.mkdir()
    elif kind == "empty":
        bad.touch()
    assert re.search(SAID[kind], said(ALL[option], bad, good, tmp_path, capsys))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("option", TEXTS)
def test_text_in_another_encoding_is_told_from_a_wrong_text(good, tmp_path, capsys, option, encoding):
    """Spreadsheets of old write the one, and "Unicode text" is the other."""
    bad = tmp_path / "bad.csv"
    bad.write_bytes("case,ct,segmentation\nRöntgen,ct.nrrd,seeds.nii.gz\n".encode(encoding))
    assert "is not text in UTF-8" in (error := said(TEXTS[option], bad, good, tmp_path, capsys))
    assert "save it with the encoding UTF-8" in error


@pytest.mark.parametrize("option", IMAGES)
def test_text_in_place_of_an_image_is_told(good, tmp_path, capsys, option):
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes("Röntgen".encode("utf-16"))
    assert "no image of a known format" in said(IMAGES[option], bad, good, tmp_path, capsys)
