"""The words of a page are in one file, all of them, and a translation cannot lose a number."""

import json
import re
from pathlib import Path

import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.lesson import page
from SAM2VolumeSegLib.lesson.page import page_of, read_words
from SAM2VolumeSegLib.lesson.ways import TAUGHT

FOLDER = Path(page.__file__).parent
SCRIPT = "\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "script").glob("*.js")))
HTML = (FOLDER / "page.html").read_text(encoding="utf-8")


def test_every_word_that_the_page_says_is_in_the_file_and_no_other():
    """A name in the script that has no words stops it; words that nobody says are translated for nothing."""
    words = set(read_words())
    filled = set(re.findall(r"\{\{([\w.]+)\}\}", HTML)) - {"style", "script", "words", "lesson"}
    asked = set(re.findall(r'say\(\s*"([^"]+)"', SCRIPT))
    assert filled | asked <= words, (filled | asked) - words
    named = set(re.findall(r'"([\w.]+)"', SCRIPT))
    # Names that are put together: all that begin and end as `answer.${kind}` does.
    composed = [text.split("${") for text in re.findall(r"`([a-z.]+\$\{[^`]*)`", SCRIPT)]
    made = {
        word
        for word in words
        for begin, end in composed
        if word.startswith(begin) and word.endswith(end.split("}")[-1])
    }
    assert words == (filled | asked | named | made) & words, words - (filled | asked | named | made)


def test_every_setting_that_is_taught_has_a_name():
    assert {f"way.{way.name}" for way in TAUGHT} | {"way.own"} <= set(read_words())


def test_no_letter_of_the_page_stands_outside_of_the_words():
    """Else a translated page would be half English."""
    visible = re.sub(r"<(style|script)[^>]*>.*?</\1>|<[^>]*>|\{\{[\w.]+\}\}", "", HTML, flags=re.DOTALL)
    assert not re.search("[A-Za-z]", visible), visible
    said = re.findall(r'aria-label="([^"{]+)"|title="([^"{]+)"', HTML)
    assert not said


@pytest.mark.parametrize("change", [{"play": None}, {"play": 5}, {"slice.of": "{plane} {index}"}, {"stop": "{oops}"}])
def test_a_translation_that_lacks_something_says_what(tmp_path, change):
    words = {name: text for name, text in (read_words() | change).items() if text is not None}
    path = tmp_path / "worte.json"
    path.write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(f'"{next(iter(change))}"')):
        read_words(path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_file_that_is_no_translation_is_refused(tmp_path, text):
    path = tmp_path / "words.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="words.json"):
        read_words(path)


def test_where_a_translation_cannot_be_read_is_told(tmp_path):
    """A comma is lost quickly, and the file has more than a hundred lines."""
    path = tmp_path / "words.json"
    lines = (FOLDER / "words.json").read_text(encoding="utf-8").split("\n")
    at = next(n for n, line in enumerate(lines) if n > 20 and line.endswith('",'))
    path.write_text("\n".join([*lines[:at], lines[at][:-1], *lines[at + 1 :]]), encoding="utf-8")
    with pytest.raises(InputError, match=f"cannot be read from line {at + 2}, column .* comma that is missing"):
        read_words(path)


def test_a_translation_that_was_saved_with_a_mark_of_its_encoding_is_read(tmp_path):
    """As some editors of Windows do."""
    path = tmp_path / "words.json"
    path.write_text((FOLDER / "words.json").read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert read_words(path) == read_words()


def test_a_page_is_in_the_words_that_it_is_given(embedded):
    words = read_words() | {"lang": "de", "play": "Abspielen", "view.questions": "Fragen <i>&"}
    html = page_of(embedded, words)
    assert '<html lang="de">' in html and ">Abspielen</button>" in html
    assert "Fragen &lt;i&gt;&amp;</button>" in html


def test_a_segments_name_cannot_end_the_script(embedded):
    """Names come from files of others."""
    named = page_of(embedded | {"segment": "</script><script>alert(1)</script>"}, read_words())
    plain = page_of(embedded, read_words())
    assert named.count("<script") == plain.count("<script") and named.count("</script") == plain.count("</script")
