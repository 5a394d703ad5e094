"""The study on the command line: phantoms, draw, run, estimate; processes that are killed and interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study_runs import SIZE, table

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.command.parser import parse
from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS
from SAM2VolumeSegLib.research.study.store import FILE, ResultsFile, read_results

ROOT = Path(__file__).parents[2]
FAST = ("--model", "demo", "--image-size", SIZE, "--device", "cpu")


def study(*arguments) -> int:
    return cli.main(["study", *map(str, arguments)])


# A shell may start background programs with SIGINT ignored, and then so are their children.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from SAM2VolumeSegLib.cli import main; raise SystemExit(main())"
)


def start(*arguments, **options) -> subprocess.Popen:
    """The command in a process group of its own, as a shell makes one."""
    command = [sys.executable, "-c", INTERRUPTIBLE, "study", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes, **options)


def wait_for_results(folder: Path, count: int, process: subprocess.Popen) -> None:
    """Until so many results are in the file; the time is there to end a test that hangs, however busy the machine."""
    end = time.monotonic() + 600
    while not (folder / FILE).exists() or (folder / FILE).read_bytes().count(b"\n") < 1 + count:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)


def test_from_phantoms_to_an_estimate(tmp_path, capsys):
    data, results = tmp_path / "data", tmp_path / "results"
    assert study("phantoms", data, "--count", 1, "--seed", 3) == 0
    assert f"--data {data}" in capsys.readouterr().out
    assert study("draw", results, "--data", data, "--per-class", 2) == 0
    said = capsys.readouterr().out
    assert "2 structures of 1 phantoms" in said and f"study run all --data {data} --results {results}" in said
    assert study("run", "stride", "--data", data, "--results", results, *FAST, "--quiet") == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "0 of 6 tasks; 6 left" and lines[6].startswith("6 of 6 tasks; 0 left, 0 s; Dice of stride: Str")
    assert lines[-3:] == [
        "6 of 6 tasks are done, 0 failed, 0 are left.",
        f"Results: {results / FILE}",
        f"Next: sam2-volume-seg study report {results} --out {results / 'report'}",
    ]
    assert said.err == ""
    assert study("run", "stride", "prompts", "--data", data, "--results", results, *FAST, "--cases", 1) == 0
    said = capsys.readouterr()
    assert "7 of 7 tasks are done" in said.out and "7 of 7 tasks |" in said.err and "0 left" in said.err
    assert study("estimate", results, "--structures", 20, "--gpus", 2, "--encode-ms", 1000, "--track-ms", 500) == 0
    said = capsys.readouterr().out
    records = list(read_results(results)[0].values())
    seconds = 10 * sum(one["encoded"] + one["slices"] / 2 for one in records)
    minutes = re.search(r"  2 workers  (?:(\d+) h )?(\d+) min", said)
    assert abs(60 * int(minutes[1] or 0) + int(minutes[2]) - seconds / 2 / 60) <= 1
    assert "20 such structures: 100 tasks" in said and "Assumed in place of that: 1000.0 ms" in said


def test_experiments_are_listed(capsys):
    assert study("experiments") == 0
    said = capsys.readouterr().out
    for experiment in EXPERIMENTS.values():
        assert f"{experiment.name}: {experiment.title}" in said
        assert f"  {experiment.baseline} (baseline)\n" in said
    assert "stride: Memory bank temporal stride (the paper's Table VI" in said


def test_the_shell_examples_of_the_readme_are_understood():
    text = (ROOT / "SAM2VolumeSegLib" / "research" / "study" / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"(?:^|`)sam2-volume-seg ([^\n`[#]+)(?:$|`|\s+#)", text, re.MULTILINE)
    assert len(examples) >= 7
    for example in examples:
        parse(example.split())


def test_what_fails_is_said_with_its_reason(a_phantom_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    arguments = ("--data", a_phantom_folder, "--results", tmp_path, "--quiet", "--device", "cpu")
    assert study("draw", tmp_path, "--data", a_phantom_folder) == 0
    split = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    split["structures"][0]["ct_sha256"] = "0" * 64
    (tmp_path / "split.json").write_text(json.dumps(split), encoding="utf-8")
    capsys.readouterr()
    assert study("run", "model-scale", *arguments, "--cases", 2, "--model", "demo", "--image-size", SIZE) == 1
    said = capsys.readouterr().out
    assert "1 of 10 tasks are done, 1 failed, 0 are left." in said
    assert re.search(r"Failed, 1 task: The file .* has changed since the split was drawn", said)
    assert re.search(r"Not run: Tiny \(model-scale\): .*checkpoints fetch tiny", said)
    assert "Next: the same command again does what is left, and what failed once more." in said
    assert study("run", "stride", *arguments, "--cases", 2) == 2
    assert "checkpoints fetch small" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"EXPERIMENT": "strides"}, 'There is no experiment "strides". Choose from: model-scale'),
        ({"--data": "nowhere"}, 'There is no folder "nowhere"'),
        ({"--data": str(ROOT / "Testing")}, "is not laid out as a data set"),
        ({"--model": "huge"}, "no model named 'huge'"),
        ({"--image-size": "100"}, "must be a multiple of 32"),
        ({"--cases": "0"}, "0 cases are none"),
        ({"--workers": "0"}, "0 workers cannot work"),
    ],
)
def test_bad_input(a_phantom_folder, tmp_path, capsys, change, message):
    options = {"--data": a_phantom_folder, "--results": tmp_path, "--model": "demo"} | change
    name = options.pop("EXPERIMENT", "stride")
    assert study("run", name, *(part for option in options.items() for part in option)) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("Error: ") and message in said
    assert not (tmp_path / FILE).exists()


def test_results_of_another_format_and_of_another_run(a_phantom_folder, tmp_path, capsys):
    arguments = ("run", "stride", "--data", a_phantom_folder, "--results", tmp_path, *FAST, "--cases", 1, "--quiet")
    with ResultsFile(tmp_path):
        assert study(*arguments) == 2 and "Another run writes" in capsys.readouterr().err
    (tmp_path / FILE).write_text('{"format": 0}\n', encoding="utf-8")
    assert study(*arguments) == 2 and "has an older format" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [1, 2])
def test_the_program_is_killed_and_goes_on(a_phantom_folder, tmp_path, workers):
    """SIGKILL, as the system does it when memory runs out: nothing is lost, the workers end by themselves."""
    common = ("run", "stride", "--data", a_phantom_folder, *FAST, "--cases", 3, "--quiet")
    arguments = (*common, "--results", tmp_path / "killed", "--workers", workers)
    process = start(*arguments)
    wait_for_results(tmp_path / "killed", 1, process)
    process.kill()
    process.communicate()  # ends when the last process that holds its output has ended
    before = read_results(tmp_path / "killed")[0]
    assert 1 <= len(before) < 9
    assert study(*arguments) == 0
    assert study(*common, "--results", tmp_path / "whole") == 0
    killed, whole = (read_results(tmp_path / name)[0] for name in ("killed", "whole"))
    assert all(killed[key] == record for key, record in before.items()), "what was done was done again"
    assert killed.keys() == whole.keys() and len((tmp_path / "killed" / FILE).read_bytes().splitlines()) == 10
    for key, record in table(whole).items():  # threads can differ, and so the last digits
        assert killed[key]["dice"] == pytest.approx(record["dice"], abs=0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(a_phantom_folder, tmp_path, workers):
    """It goes to every process of the terminal. What is done is kept and said, and no process or traceback is left."""
    arguments = ("--data", a_phantom_folder, "--results", tmp_path, *FAST, "--quiet", "--workers", workers)
    process = start("run", "threshold", *arguments, env=os.environ | {"OMP_NUM_THREADS": "1"})
    wait_for_results(tmp_path, 1, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == cli.CANCELLED and err.splitlines() == ["", "Cancelled."]
    done, total = map(int, re.search(r"(\d+) of (\d+) tasks are done, 0 failed, \d+ are left", out).groups())
    assert 0 < done < total and len(read_results(tmp_path)[0]) == done
    assert "Next: the same command again does what is left" in out
