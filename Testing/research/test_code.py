"""Results of other code are other tasks, and results of code that is only explained better are not."""

import subprocess
import sys

import pytest

from SAM2VolumeSegLib.research.study import code
from SAM2VolumeSegLib.research.study.code import code_digest, code_files, essence

SOURCE = '''"""What it is."""

LIMIT = 4  # of logits
"""Why."""


def half(value):
    """Half of it."""
    text = "# no comment"  # a comment
    return value / 2, text
'''


def test_comments_docstrings_and_blank_lines_do_not_count():
    assert essence(SOURCE) == 'LIMIT = 4\ndef half(value):\n    text = "# no comment"\n    return value / 2, text'
    explained = SOURCE.replace("Why.", "Why,\n\nand since when.").replace("# a comment", "").replace("\n\n", "\n\n\n")
    assert essence(explained) == essence(SOURCE)


@pytest.mark.parametrize(("before", "after"), [("4", "5"), ("/ 2", "* 2"), ("# no comment", "# no  comment")])
def test_everything_else_does(before, after):
    assert essence(SOURCE.replace(before, after)) != essence(SOURCE)


def test_the_digest_is_that_of_the_code_that_a_task_goes_through():
    """A folder that is forgotten here would let old results count as done."""
    rooms = {"/".join(path.relative_to(code.LIBRARY).parts[:-1]) for path in code_files()}
    assert {"volume", "seeds", "model", "propagation", "research/measures", "model/demo"} <= rooms
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys\nfrom SAM2VolumeSegLib.research.study import task\n"
         "from SAM2VolumeSegLib.propagation import segmenter\n"
         "print(*(module.__file__ for name, module in sys.modules.items() if name.startswith('SAM2VolumeSegLib.')))"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    left_out = {path for path in loaded if path not in {str(one) for one in code_files()}}
    names = {path.removeprefix(f"{code.LIBRARY}/") for path in left_out}
    names = {name for name in names if not name.startswith("review/")}  # beside the measures, it looks at results
    # What says what was asked for is in the key by its values; messages and digests decide nothing.
    assert names <= {
        "panel/__init__.py",
        *("errors.py", "i18n.py", "progress.py", "streams.py", "research/__init__.py", "research/data/__init__.py"),
        *(f"research/study/{name}.py" for name in ("__init__", "code", "configuration", "record", "shape")),
    }


def test_other_code_is_another_digest_and_line_ends_are_not(tmp_path, monkeypatch):
    def digest(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(text.encode())
        code_digest.cache_clear()
        return code_digest()

    monkeypatch.setattr(code, "LIBRARY", tmp_path)
    monkeypatch.setattr(code, "DECIDES", ("volume", "task.py"))
    try:
        first = digest({"volume/read.py": SOURCE, "volume/demo.yaml": "a: 1\n", "task.py": "x = 1\n"})
        assert digest({"volume/read.py": SOURCE.replace("\n", "\r\n")}) == first
        assert digest({"volume/notes.md": "nothing that computes"}) == first
        assert len({first, digest({"volume/demo.yaml": "a: 2\n"}), digest({"task.py": "x = 2\n"})}) == 3
    finally:
        code_digest.cache_clear()
