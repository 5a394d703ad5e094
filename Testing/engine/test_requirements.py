"""pyproject.toml says what the program needs. Whoever says it again, for pip or for Slicer, says the same."""

import re
import sys
from importlib.metadata import requires

import pytest
from cli_files import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from SAM2VolumeSegLib.panel import facts, readiness, setup

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def by_name(lines):
    wanted = map(Requirement, lines)
    return {canonicalize_name(one.name): one.specifier for one in wanted if one.marker is None or one.marker.evaluate()}


DECLARED = by_name(PROJECT["dependencies"])


def oldest(specifier):
    """The oldest version that ``>=`` or ``==`` lets in."""
    (only,) = specifier
    assert only.operator in (">=", "==")
    return only.version


class Pip:
    """Keeps what Slicer would be asked to install."""

    def __init__(self):
        self.wanted = []

    def install_torch(self, requirement):
        self.wanted.append(f"torch{requirement}")

    def pip_install(self, arguments):
        self.wanted += [argument for argument in arguments if not argument.startswith("-")]


@pytest.fixture
def set_up():
    """What the button "Set up" installs into a bare Slicer: versions by name."""
    bare = readiness.Facts((3, 12, 10), (5, 12, 3), torch_extension=True, missing=tuple(facts.SMALL_PACKAGES))
    pip = Pip()
    setup.install(setup.steps(bare, pip))
    return by_name(pip.wanted)


def test_slicer_gets_no_older_package_than_the_program_needs(set_up):
    assert {"torch", "sam2"} <= set_up.keys()
    for name, specifier in set_up.items():
        assert name not in DECLARED or DECLARED[name].contains(oldest(specifier)), f"{name}{specifier}"


def test_slicer_gets_no_older_package_than_sam2_needs(set_up):
    """Set up installs sam2 without its dependencies, so pip would not notice."""
    needed = by_name(requires("sam2"))
    assert {"hydra-core", "iopath"} <= set_up.keys()
    for name in needed.keys() & set_up.keys():
        assert needed[name].contains(oldest(set_up[name])), f"{name}{set_up[name]}"


def test_every_sentence_names_the_sam2_that_is_installed():
    said = {
        version
        for path in (ROOT / "SAM2VolumeSegLib").rglob("*.py")
        for version in re.findall(r"\bsam2(?:==| )(\d[\d.]*\d)", path.read_text(encoding="utf-8"))
    }
    assert said == {oldest(DECLARED["sam2"])}


def test_make_installs_all_that_is_declared():
    """requirements.txt is installed without dependency resolution: what it lacks is missing from `make test`."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = by_name(line for line in lines if line[:1].isalpha())
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for name, specifier in by_name([*PROJECT["dependencies"], *extras]).items():
        assert specifier.contains(oldest(pinned[name])), f"{name}{specifier}, and {pinned[name]} in requirements.txt"
