"""results.jsonl survives kills, full disks and second writers, and counts each task once."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_records import a_record, noisy, some_structures, the_demo_model, write_results

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.estimate import estimate
from SAM2VolumeSegLib.research.study.report import write_report
from SAM2VolumeSegLib.research.study.report.rows import read_folders
from SAM2VolumeSegLib.research.study.split import SPLIT, read_split
from SAM2VolumeSegLib.research.study.store import FILE, FORMAT, ResultsFile, read_results

(STRUCTURE,) = some_structures(1, 1)
RECORD = a_record(STRUCTURE, Configuration("Baseline"), the_demo_model(), 0.5)


def record(key, dice=0.5, **values):
    return RECORD | {"key": key, "dice": dice, **values}


def failure(key, error="The CT is damaged."):
    head = ("case", "structure", "bone", "configuration")
    return {"key": key, "error": error, **{name: RECORD[name] for name in head}}


def test_what_is_appended_is_read(tmp_path):
    folder = tmp_path / "made" / "here"
    with ResultsFile(folder) as results:
        assert results.append(record("a")) and results.append(failure("b"))
        assert results.finished.keys() == {"a"} and results.failed.keys() == {"b"}
    finished, failed = read_results(folder)
    assert finished == {"a": record("a")} and failed == {"b": failure("b")}
    assert json.loads((folder / FILE).read_text(encoding="utf-8").splitlines()[0])["format"] == FORMAT


def test_a_key_counts_once(tmp_path):
    with ResultsFile(tmp_path) as results:
        assert results.append(record("a", dice=0.5)) and not results.append(record("a", dice=0.9))
    with ResultsFile(tmp_path) as results:
        assert not results.append(record("a", dice=0.9))
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 2
    assert read_results(tmp_path)[0]["a"]["dice"] == 0.5


def test_a_failure_is_not_done_and_is_forgotten_after_a_success(tmp_path):
    with ResultsFile(tmp_path) as results:
        results.append(failure("a"))
    with ResultsFile(tmp_path) as results:
        assert not results.finished and results.append(record("a")) and not results.failed
    assert read_results(tmp_path) == ({"a": record("a")}, {})


@settings(max_examples=40, deadline=None)  # every example waits for the disk a dozen times
@given(st.data())
def test_cut_anywhere_whole_records_stay_and_writing_goes_on(tmp_path_factory, data):
    """A kill can stop the file after any byte; a power cut can leave zeros from there on."""
    folder = tmp_path_factory.mktemp("cut")
    with ResultsFile(folder) as results:
        for key in "abc":
            results.append(record(key, structure="dens axis, \u00e4\u2028"))
    content = (folder / FILE).read_bytes()
    length = data.draw(st.integers(0, len(content)))
    zeros = data.draw(st.sampled_from((b"", bytes(5), bytes(5000))))
    (folder / FILE).write_bytes(content[:length] + zeros)
    whole = content[:length].count(b"\n")
    expected = set("abc"[: max(whole - 1, 0)])
    assert read_results(folder)[0].keys() == expected
    with ResultsFile(folder) as results:
        assert results.finished.keys() == expected
        for key in "abcd":
            results.append(record(key))
    assert read_results(folder)[0].keys() == set("abcd")
    assert len((folder / FILE).read_bytes().splitlines()) == 5


def test_sigkill_while_writing(tmp_path):
    """A real process, killed while it writes as fast as it can: every result that it was told is written is there."""
    code = (
        "import itertools, json, pathlib, sys\n"
        "from SAM2VolumeSegLib.research.study.store import ResultsFile\n"
        "with ResultsFile(pathlib.Path(sys.argv[1])) as results:\n"
        "    record = json.loads(sys.argv[2]) | {'text': 'x' * 30000}\n"
        "    for number in itertools.count():\n"
        "        results.append(record | {'key': str(number)})\n"
        "        print(number, flush=True)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, json.dumps(RECORD)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(20):
        writer.stdout.readline()
    time.sleep(0.01)
    writer.kill()
    told = [19, *(int(line) for line in writer.stdout.read().split() if line)]
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    with ResultsFile(tmp_path) as results:  # the lock of a killed process is free
        assert set(map(str, range(max(told) + 1))) <= results.finished.keys()
        results.append(record("after"))
    assert "after" in read_results(tmp_path)[0]


def test_an_interrupt_leaves_whole_lines(tmp_path):
    """Ctrl-C right after a record was handed over: it is in the file, and the lock is free."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background program may ignore it
    with pytest.raises(KeyboardInterrupt), ResultsFile(tmp_path) as results:
        results.append(record("a"))
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    signal.signal(signal.SIGINT, before)
    with ResultsFile(tmp_path) as results:
        assert results.finished.keys() == {"a"}


def test_one_writer_at_a_time(tmp_path):
    with ResultsFile(tmp_path), pytest.raises(InputError, match="Another run writes"), ResultsFile(tmp_path):
        pass
    with ResultsFile(tmp_path):
        pass


@pytest.mark.parametrize(("number", "age"), [(0, "an older format"), (FORMAT + 1, "a newer format")])
def test_another_format(tmp_path, number, age):
    header = json.dumps({"format": number, "program": "SAM2VolumeSeg 0.0.1"})
    (tmp_path / FILE).write_text(f"{header}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"{age}.*SAM2VolumeSeg 0.0.1.*Choose another results folder"):
        read_results(tmp_path)
    with pytest.raises(InputError, match=age), ResultsFile(tmp_path):
        pass
    assert (tmp_path / FILE).read_text(encoding="utf-8") == f"{header}\n"


@pytest.mark.parametrize("content", ["hello", "hello\n", "[1]\n", '{"key": "a"}\n{"key": "b"}\n', '{"format": "x"}\n'])
def test_a_file_of_something_else_is_left_alone(tmp_path, content):
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="not a results file"), ResultsFile(tmp_path):
        pass
    assert (tmp_path / FILE).read_text(encoding="utf-8") == content


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    with ResultsFile(tmp_path) as results:
        results.append(record("a"))
        results.append(record("b"))
    lines = (tmp_path / FILE).read_text(encoding="utf-8").splitlines()
    (tmp_path / FILE).write_text("\n".join([lines[0], lines[1][:20], lines[2], ""]), encoding="utf-8")
    with pytest.raises(InputError, match="Line 2 .*damaged"):
        read_results(tmp_path)


def test_no_results_and_no_folder(tmp_path):
    with pytest.raises(InputError, match="no results in .*study run"):
        read_results(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"), ResultsFile(tmp_path / "file"):
        pass


def test_numbers_that_json_lacks_are_refused(tmp_path):
    """A distance without a value is null; nan would make the file unreadable elsewhere."""
    with ResultsFile(tmp_path) as results, pytest.raises(ValueError, match="JSON"):
        results.append(record("a", dice=float("nan")))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk is simulated with Linux's /dev/full")
def test_a_full_disk(tmp_path):
    with pytest.raises(InputError, match="cannot be written .*what was written before is kept"):
        with ResultsFile(tmp_path) as results:
            results.append(record("a"))
            whole = results._file
            results._file = open("/dev/full", "ab")  # noqa: SIM115
            results.append(record("b"))
    whole.close()
    assert read_results(tmp_path)[0].keys() == {"a"}


# ------------------------------------------------------------------------------------------ lines of something else

GARBAGE = (None, True, -1, 1e300, 10**4000, "", "\ud800", [], {}, [[]], {"total": "x"}, float("nan"), [1, "x", 3, 4, 5])


@pytest.mark.parametrize("name", [*RECORD, "model name", "seconds total", "seconds encode", "model image_size"])
def test_a_record_without_a_field_or_with_another_in_its_place_is_named(tmp_path, name):
    """JSON of a wrong kind is damage too: a report once ended in a KeyError."""
    outer, _, inner = name.partition(" ")

    def changed(change):
        again = json.loads(json.dumps(RECORD))
        change(again[outer] if inner else again, inner or outer)
        return again

    lines = [changed(lambda record, field: record.pop(field))]
    lines += [changed(lambda record, field, odd=odd: record.update({field: odd})) for odd in GARBAGE]
    lines = [line for line in lines if not (line.get("error") or _might_be(name, line))]
    assert len(lines) >= 6
    for line in lines:
        header = json.dumps({"format": FORMAT})
        (tmp_path / FILE).write_text(f"{header}\n{json.dumps(RECORD | {'key': 'first'})}\n{json.dumps(line)}\n")
        with pytest.raises(InputError, match=r"Line 3 of .*results\.jsonl. is damaged. Remove that line"):
            read_results(tmp_path)
        with pytest.raises(InputError, match="Line 3"), ResultsFile(tmp_path):
            pass


def _might_be(name, line):
    """Texts may be empty, distances and times missing, a difference in volume anything."""
    value = line.get(name, "gone") if " " not in name else line[name.split()[0]].get(name.split()[1], "gone")
    may_be = {
        "hausdorff_mm": (None, -1),
        "hausdorff95_mm": (None, -1),
        "track_ms": (None,),
        "choices": ({}, {"total": "x"}),
    }
    may_be |= {"volume_difference_ml": (-1,), "reference_ml": (-1,), "seconds total": (-1,), "seconds encode": (-1,)}
    texts = ("key", "case", "structure", "bone", "configuration", "program", "date", "model name")
    allowed = may_be.get(name, ("",) if name in texts else ())
    return any(type(value) is type(one) and value == one for one in allowed) or (name == "model" and value is None)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"key": ' * 100_000, "[" * 400 + "]" * 400, '{"key": 1' + "0" * 9000 + "}"]
)
def test_a_line_of_brackets_is_damaged(tmp_path, line):
    (tmp_path / FILE).write_text(f'{{"format": {FORMAT}}}\n{line}\n')
    with pytest.raises(InputError, match="Line 2 .*damaged"):
        read_results(tmp_path)
    (tmp_path / SPLIT).write_text(line)
    with pytest.raises(InputError, match="damaged"):
        read_split(tmp_path / SPLIT)


@pytest.fixture(scope="module")
def a_small_study(tmp_path_factory):
    """A results folder as bytes: split.json and results.jsonl of an experiment of five rows."""
    folder = tmp_path_factory.mktemp("study")
    write_results(folder, some_structures(2, 2), ["final"], noisy({}))
    return {name: (folder / name).read_bytes() for name in (SPLIT, FILE)}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_happens_to_the_files_of_a_study_it_is_read_or_said(tmp_path_factory, a_small_study, data):
    """Bits flip, bytes get lost, numbers become others: a result or a sentence, never a KeyError after a long wait."""
    folder = tmp_path_factory.mktemp("hit")
    name = data.draw(st.sampled_from((SPLIT, FILE)))
    content = bytearray(a_small_study[name])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(("flip", "cut", "lose", "number", "field")))
        if kind == "flip":
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            content = content[: place + 1]
        elif kind == "lose":
            del content[place : place + data.draw(st.integers(1, 40))]
        elif kind == "number":
            content[place:place] = data.draw(
                st.sampled_from((b"9", b"-", b"e9", b"null", b"[", b"}", b"1e999", b"NaN"))
            )
        else:  # a field of a name that nothing knows
            content = bytearray(bytes(content).replace(b'"dice"', b'"die"', 1).replace(b'"label"', b'"lable"', 1))
        content = content or bytearray(b" ")
    for one, whole in a_small_study.items():
        (folder / one).write_bytes(content if one == name else whole)
    for attempt in (
        lambda: read_split(folder / SPLIT),
        lambda: estimate(folder, 10, (1,)),
        lambda: read_folders([folder]),
    ):
        with suppress(InputError):
            attempt()
    with suppress(InputError), ResultsFile(folder):
        pass


@settings(max_examples=2, deadline=None)
@given(st.data())
def test_a_report_of_odd_results_is_written_or_refused(tmp_path_factory, a_small_study, data):
    """Numbers of the right kind, and odd: the statistics and figures must bear them."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / SPLIT).write_bytes(a_small_study[SPLIT])
    header, *lines = a_small_study[FILE].splitlines()
    odd = []
    for line in lines:
        record = json.loads(line)
        field = data.draw(st.sampled_from(("dice", "iou", "hausdorff_mm", "slices", "encoded", "seconds", "track_ms")))
        share, number = st.floats(0, 1), st.floats(-1e11, 1e11)
        if field == "seconds":
            record[field] |= {"total": data.draw(number), "encode": data.draw(number)}
        elif field == "track_ms":
            record[field] = data.draw(st.none() | st.lists(number, min_size=5, max_size=5)) if record[field] else None
        else:
            kinds = {"dice": share, "iou": share, "hausdorff_mm": number, "slices": st.integers(0, 10**4)}
            record[field] = data.draw(kinds.get(field, st.integers(0, 10**6)))
        odd.append(json.dumps(record).encode())
    (folder / FILE).write_bytes(b"\n".join([header, *odd, b""]))
    with suppress(InputError):
        write_report([folder], folder / "report")
