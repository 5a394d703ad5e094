"""How commands end: in a sentence and an exit code, whatever happens, and never without the result they made."""

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from cli_files import FAST, ROOT, paint, save_ct, save_labels

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.command.parser import parse, parser
from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.model import checkpoints

PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a shell may have it ignored
    "from SAM2VolumeSegLib.cli import main; raise SystemExit(main())"
)
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # several programs at once
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="streams and signals of POSIX")


@pytest.fixture(scope="module")
def files(a_phantom, tmp_path_factory) -> Path:
    """ct.nrrd, seeds.nii.gz."""
    folder = tmp_path_factory.mktemp("ends")
    save_ct(folder / "ct.nrrd", a_phantom.volume)
    save_labels(folder / "seeds.nii.gz", a_phantom.volume, paint(a_phantom, "middle"))
    return folder


def run_into(monkeypatch, error) -> int:
    """A command that ends in this error."""

    def fail():
        raise error

    monkeypatch.setattr(checkpoints, "stored", fail)
    return cli.main(["checkpoints"])


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("The CT is odd."), 2, "Error: The CT is odd."),
        (PermissionError(13, "Permission denied", "/x/y"), 2, r'Error: "/x/y" cannot be used: Permission denied\.'),
        (OSError(36, "File name too long", "x" * 300), 2, "Error: .*x.* cannot be used: File name too long"),
        (OSError("odd"), 2, "Error: The system says: odd"),
        (MemoryError(), 2, "Error: There is not enough memory"),
        (np.exceptions.AxisError("x"), 70, r"Error: Something unexpected went wrong \(AxisError\)"),
        (RuntimeError("Exception thrown: Failed to allocate memory for image."), 2, "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 2, "not enough memory"),
        (RuntimeError("Could not determine home directory."), 2, "Error: A path begins with ~"),
        (ModuleNotFoundError("No module named 'nrrd'", name="nrrd"), 2, "Error: The Python package nrrd is missing"),
        (KeyboardInterrupt(), 130, "Cancelled."),
        (KeyboardInterrupt("Nothing was written."), 130, "Cancelled. Nothing was written."),
    ],
    ids=repr,
)
def test_every_end_is_a_sentence_and_a_code(monkeypatch, capsys, error, code, sentence):
    import torch  # noqa: F401 - which knows its own words for memory that is full

    assert run_into(monkeypatch, error) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and re.search(sentence, said[0]), said


def test_numpy_without_memory(monkeypatch, capsys):
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    assert run_into(monkeypatch, caught.value) == 2 and "not enough memory" in capsys.readouterr().err


def test_a_fault_of_the_program_is_kept_for_a_report(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_into(monkeypatch, KeyError("dice \ud800")) == cli.FAULT
    said = capsys.readouterr().err
    (file,) = tmp_path.iterdir()
    assert str(file) in said and "Traceback" not in said
    assert "Traceback" in file.read_text(encoding="utf-8") and "KeyError" in file.read_text(encoding="utf-8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert run_into(monkeypatch, KeyError("dice")) == cli.FAULT
    assert "Traceback" in capsys.readouterr().err, "there is no other place for it"


def test_warnings_for_the_user_are_notes_and_others_are_not_shown(monkeypatch, capsys):
    def odd():
        for _ in range(2):
            warnings.warn("A segment was left out.", InputWarning, stacklevel=2)
            warnings.warn("deprecated", DeprecationWarning, stacklevel=2)
            np.array(1e300) * np.array(1e300)
        return {}

    monkeypatch.setattr(checkpoints, "stored", odd)
    assert cli.main(["checkpoints"]) == 0
    assert capsys.readouterr().err == "Note: A segment was left out.\n"


def options_with_a_value(parser):
    """Every option of every command that takes a value, with the words that lead to it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from ((name, *words) for words in options_with_a_value(below))
        elif action.nargs != 0:
            yield from ((option,) for option in action.option_strings)


@pytest.mark.parametrize("words", list(options_with_a_value(parser())), ids=" ".join)
def test_a_value_below_zero_needs_no_equals_sign(words, capsys):
    """`--window -100,300` was an error, and one that did not help: "expected one argument"."""
    for value in ("-100,300", "-1e3"):
        with suppress(SystemExit):  # other things are missing
            parse([*words, value])
        assert f"{words[-1]}: expected" not in capsys.readouterr().err


@pytest.mark.parametrize("window", [["--window", "-100,-200"], ["--window=-100,-200"], ["--wind", "-100,-200"]])
def test_a_window_from_below_zero_is_read(files, capsys, tmp_path, window):
    arguments = ["segment", str(files / "ct.nrrd"), str(files / "seeds.nii.gz"), "-o", str(tmp_path / "r.nii"), *FAST]
    assert cli.main([*arguments, *window]) == 2
    assert "window from -100 to -200 HU is empty" in capsys.readouterr().err


def test_several_numbers_below_zero_are_several():
    """Joined to their option, the second would be a file."""
    options = parse(["study", "estimate", "results", "--gpus", "-1", "-8"])
    assert (options.gpus, options.results) == ([-1, -8], Path("results"))


# ----------------------------------------------------------------------------------------------------------- streams


class Broken:
    """A stream that fails, as a full disk or a pipe without a reader."""

    def __init__(self, number):
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))

    def fileno(self):
        raise OSError("no descriptor")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("stream", [None, Broken(errno.ENOSPC), Broken(errno.EPIPE)], ids=("closed", "full", "pipe"))
def test_a_stream_that_is_gone_stops_no_command(monkeypatch, capsys, name, stream):
    """What is printed is lost, and only that."""
    done = []
    monkeypatch.setattr(checkpoints, "stored", lambda: print("x", file=sys.stderr) or done.append(1) or {})
    monkeypatch.setattr(sys, name, stream)
    code = cli.main(["checkpoints"])
    assert done == [1] and getattr(sys, name) is stream
    said = capsys.readouterr()
    if name == "stderr":
        assert code == 0 and "Stored in" in said.out
    elif stream is not None and stream.number == errno.EPIPE:
        assert code == cli.NO_READER and said.err == "x\n"
    else:
        assert code == cli.NOT_PRINTED and "Note: what was to be printed is lost" in said.err


@POSIX
def test_the_result_is_written_although_nobody_reads_or_can(files, tmp_path):
    """`| true`, a full disk for the log, closed streams: the file is what matters, and the exit code tells."""
    cases = {"| true": 141, "> /dev/full": 1, "2> /dev/full": 0, ">&- 2>&- <&-": 1}
    if not os.path.exists("/dev/full"):
        cases = {redirection: code for redirection, code in cases.items() if "full" not in redirection}
    running = []
    for number, (redirection, code) in enumerate(cases.items()):
        out = tmp_path / f"r{number}.nii.gz"
        arguments = ["segment", files / "ct.nrrd", files / "seeds.nii.gz", "-o", out, *FAST]
        script = f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}'
        command = ["bash", "-c", script, "bash", sys.executable, "-c", PROGRAM, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ONE_THREAD}
        running.append((subprocess.Popen(command, cwd=ROOT, **pipes), out, code))
    for process, out, code in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == code, (process.args[2], said)
        assert out.exists() and out.with_name(out.name.replace(".nii.gz", ".json")).exists(), said
        assert b"Traceback" not in said and b"Exception ignored" not in said


@POSIX
def test_a_reader_that_has_enough_ends_it_quietly(files):
    script = '"$@" | head -n 1; exit ${PIPESTATUS[0]}'
    command = ["bash", "-c", script, "bash", sys.executable, "-c", PROGRAM, "study", "experiments"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode in (0, 141)  # 0 where all was printed before head was through
    assert told.stderr == "" and len(told.stdout.splitlines()) == 1


# ----------------------------------------------------------------------------------------------------------- signals

STARTED = "print('started', flush=True); " + PROGRAM


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_program_still_starts(files, tmp_path, number):
    """Half a second of imports, in which Ctrl-C once printed where numpy was."""
    running = []
    arguments = ["segment", files / "ct.nrrd", files / "seeds.nii.gz", "-o", tmp_path / "r.nii", *FAST]
    for wait in (0.15, 0.3, 0.5):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        process = subprocess.Popen([sys.executable, "-c", STARTED, *map(str, arguments)], cwd=ROOT, **pipes)
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(number)
        running.append(process)
    for process in running:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 128 + number, said
        assert said in ("\nCancelled.\n", "\nCancelled. Nothing was written.\n")
    assert not list(tmp_path.iterdir())


WRITING = """
import sys, time
from SAM2VolumeSegLib.cli import main
from SAM2VolumeSegLib.volume import write

def slow(files, folder):
    print("moving", flush=True)
    time.sleep(60)

write.move_together = slow
raise SystemExit(main())
"""


@POSIX
def test_a_cluster_whose_time_is_over_leaves_nothing_half_written(files, tmp_path):
    """SIGTERM in the moment of writing: no temporary folder, and an older result stays."""
    (tmp_path / "r.seg.nrrd").write_bytes(b"an older result")
    arguments = ["segment", files / "ct.nrrd", files / "seeds.nii.gz", "-o", tmp_path / "r.seg.nrrd", *FAST]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", "env": ONE_THREAD}
    process = subprocess.Popen([sys.executable, "-c", WRITING, *map(str, arguments)], cwd=ROOT, **pipes)
    while process.stdout.readline() not in ("moving\n", ""):
        pass
    assert any(file.name.startswith(".sam2volumeseg-") for file in tmp_path.iterdir())
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143 and said.endswith("\nCancelled. Nothing was written.\n")
    assert [file.name for file in tmp_path.iterdir()] == ["r.seg.nrrd"]
    assert (tmp_path / "r.seg.nrrd").read_bytes() == b"an older result"


def test_the_ct_is_never_the_output(files, capsys, tmp_path):
    """Also the checkpoint, under another name for it."""
    seeds = tmp_path / "seeds.nii.gz"
    seeds.write_bytes((files / "seeds.nii.gz").read_bytes())
    os.link(seeds, tmp_path / "weights.nii.gz")
    before = seeds.read_bytes()
    for more in ((), ("--checkpoint", str(tmp_path / "weights.nii.gz"), "--config", "demo")):
        arguments = ["segment", str(files / "ct.nrrd"), str(seeds if not more else files / "seeds.nii.gz")]
        assert cli.main([*arguments, "-o", str(seeds), *FAST, *more]) == 2
        assert "is read here" in capsys.readouterr().err and seeds.read_bytes() == before
