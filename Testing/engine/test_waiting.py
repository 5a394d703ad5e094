"""How torch's threads wait for each other: it is said before torch is loaded, and never over what the user has said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
SHOW = f"import os; print({{name: os.environ[name] for name in {SAID} if name in os.environ}})"


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    unset = {name: value for name, value in os.environ.items() if name not in SAID}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=unset | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.mark.parametrize("first", ["SAM2VolumeSegLib.model.tracker", "SAM2VolumeSegLib.research.bench.engines"])
def test_torch_is_loaded_with_threads_that_sleep_while_they_wait(first):
    """Spinning, they take a run of seconds to minutes beside one busy program. OpenMP itself says what it has read."""
    said = run(f"import sys, {first}; assert 'torch' in sys.modules", OMP_DISPLAY_ENV="VERBOSE").stderr
    assert re.search(r"OMP_WAIT_POLICY\s*=\s*'PASSIVE'", said)


@pytest.mark.parametrize("name", SAID)
def test_what_the_user_has_said_stays(name):
    """Who has a machine for this alone may want threads that spin."""
    shown = run(f"import SAM2VolumeSegLib; {SHOW}", **{name: "1"}).stdout
    assert shown.strip() == f"{{'{name}': '1'}}"


def test_a_torch_that_is_there_already_is_left_alone():
    """Another extension in the same Slicer: it comes too late, and must not fail."""
    assert "PASSIVE" in run(f"import torch, SAM2VolumeSegLib; {SHOW}").stdout
