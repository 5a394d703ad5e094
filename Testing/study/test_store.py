"""results.jsonl survives kills, full disks and second writers, and counts each task once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.study.store import FILE, FORMAT, ResultsFile, read_results


def record(key, dice=0.5, **values):
    return {"key": key, "case": "s0001", "structure": "hip_left", "configuration": "Baseline", "dice": dice, **values}


def failure(key, error="The CT is damaged."):
    return {"key": key, "case": "s0001", "structure": "hip_left", "configuration": "Baseline", "error": error}


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
        "import itertools, pathlib, sys\n"
        "from SAM2VolumeSegLib.study.store import ResultsFile\n"
        "with ResultsFile(pathlib.Path(sys.argv[1])) as results:\n"
        "    for number in itertools.count():\n"
        "        results.append({'key': str(number), 'text': 'x' * 30000})\n"
        "        print(number, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
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
