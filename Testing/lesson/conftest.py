"""The bundled lesson, made once, and its page."""

import json
import re

import pytest
from propagation_runs import finish

from SAM2VolumeSegLib.lesson.content import content_of
from SAM2VolumeSegLib.lesson.page import page_of, read_words
from SAM2VolumeSegLib.lesson.run import lesson_of
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import Request
from SAM2VolumeSegLib.synthetic.phantom import make_phantom


@pytest.fixture(scope="session")
def a_lesson():
    """That of `make lesson`."""
    volume, labels, names, seeds = make_phantom()
    request = Request.of(volume, {names[label]: own for label, own in seeds.items()})
    tracker = SliceTracker.load(checkpoints.find("demo"), "cpu")
    return finish(lesson_of(tracker, request, names[1], labels == 1))[1]


@pytest.fixture(scope="session")
def a_page(a_lesson):
    return page_of(content_of(a_lesson), read_words())


@pytest.fixture(scope="session")
def embedded(a_page):
    """The values that a page holds, as its script gets them."""
    return json.loads(re.search(r'<script type="application/json" id="lesson">(.*?)</script>', a_page, re.DOTALL)[1])


@pytest.fixture(scope="session")
def a_page_file(a_page, tmp_path_factory):
    path = tmp_path_factory.mktemp("lesson") / "lesson.html"
    path.write_text(a_page, encoding="utf-8")
    return path
