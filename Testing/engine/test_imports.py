"""Rooms know only the rooms below them, and what is heavy is imported only where it is needed."""

import ast
import subprocess
import sys

import pytest
from cli_files import ROOT

import SAM2VolumeSegLib

PACKAGE = ROOT / "SAM2VolumeSegLib"
LAYERS = (
    ("errors", "i18n", "progress", "streams"),
    ("volume",),
    ("seeds",),
    ("synthetic", "model"),
    ("propagation",),
    ("review",),
    ("report",),
    ("scene", "panel", "lesson"),
    ("research.data", "research.measures", "research.pictures"),
    ("research.demo", "research.training", "research.bench", "research.study"),
    ("research.commands",),
    ("command",),
    ("cli",),
    ("__main__",),
)
"""Every room, from the lowest up. A room may import those of the layers below its own, and no other of its layer."""
ROOMS = [room for layer in LAYERS for room in layer]
FILES = sorted(path.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))


def imported(path):
    """Dotted names of the modules that a file imports, anywhere in it; relative ones are made absolute."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(path.parts[: len(path.parts) - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def room_of(name):
    """The room of a dotted name below SAM2VolumeSegLib; what is beside the rooms (`__version__`) is its own."""
    parts = name.split(".")[1:]
    return ".".join(parts[:2]) if parts[0] == "research" else parts[0]


def files_of(room):
    return [path for path in FILES if room_of(".".join(path.with_suffix("").parts)) == room]


def test_every_file_is_in_a_room():
    """A new folder is given its layer above, or nothing would say what it may import."""
    beside = {"__init__", "research.__init__"}
    assert {room_of(".".join(path.with_suffix("").parts)) for path in FILES} == {*ROOMS, *beside}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_below(room):
    """Else geometry needed a network to be tested, the engine Slicer, and the extension the studies."""
    layer = next(number for number, rooms in enumerate(LAYERS) if room in rooms)
    allowed = {room, "__version__"}.union(*LAYERS[:layer])
    for path in files_of(room):
        ours = {room_of(name) for name in imported(path) if name.startswith("SAM2VolumeSegLib.")} - {"research"}
        assert ours <= allowed, f"{path} imports {ours - allowed}"


def test_the_slicer_module_knows_only_what_is_packaged_with_it():
    """The extension has no research/, and no command line."""
    allowed = {
        *("__version__", "errors", "volume", "seeds", "model", "propagation", "review", "report", "scene", "panel"),
        "lesson",
    }
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "SAM2VolumeSeg").rglob("*.py"))
    assert files
    for path in files:
        ours = {room_of(name) for name in imported(path) if name.startswith("SAM2VolumeSegLib.")}
        assert ours <= allowed, f"{path} imports {ours - allowed}"


def test_no_desktop_in_the_engine():
    """No Qt anywhere, and Slicer in one room only."""
    for path in FILES:
        top = {name.split(".")[0] for name in imported(path)}
        forbidden = {"qt", "ctk", "PythonQt"}
        if path.parts[1] != "scene":
            forbidden |= {"slicer", "vtk"}
        assert not top & forbidden, f"{path} imports {top & forbidden}"


def test_nothing_imports_torchvision():
    """Beside a CPU-only torch it fails, and sam2 imports it in modules that we do not need."""
    for path in FILES:
        names = imported(path)
        assert not any(name.split(".")[0] == "torchvision" for name in names), path
        for module in ("sam2.utils.transforms", "sam2.sam2_image_predictor", "sam2.automatic_mask_generator"):
            assert not any(name.startswith(module) for name in names), path


def test_a_type_checker_sees_the_names_that_a_script_can_import():
    """They are listed twice: imported for the one, looked up for the other when they are asked for."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("SAM2VolumeSegLib.")
        for alias in node.names
    }
    assert seen == {name: f"SAM2VolumeSegLib.{module}.{name}" for name, module in SAM2VolumeSegLib._MODULES.items()}


@pytest.mark.parametrize("name", sorted(SAM2VolumeSegLib.__all__))
def test_what_a_script_needs_comes_from_the_package(name):
    assert getattr(SAM2VolumeSegLib, name).__name__ == name and name in dir(SAM2VolumeSegLib)


def test_a_name_that_is_not_there_is_said_as_python_does():
    with pytest.raises(ImportError, match="cannot import name 'read_dose'"):
        from SAM2VolumeSegLib import read_dose  # noqa: F401


BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
"""


def run_without(blocked, code):
    code = BLOCKER.format(blocked=blocked) + code
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_needs_no_network_is_imported_without_torch():
    """Slicer shows found seeds and settings, and lists models, before the user has agreed to install torch."""
    run_without(
        ("torch", "sam2", "hydra", "omegaconf", "torchvision"),
        "import SAM2VolumeSegLib.volume, SAM2VolumeSegLib.seeds, SAM2VolumeSegLib.model.policy\n"
        "import SAM2VolumeSegLib.model.checkpoints, SAM2VolumeSegLib.command.parser, SAM2VolumeSegLib.review\n"
        "from SAM2VolumeSegLib.propagation import RECOMMENDED, Progress, Request, Result, Settings, Sight\n"
        "assert Settings.from_dict(RECOMMENDED.to_dict()) == RECOMMENDED\n"
        "from SAM2VolumeSegLib import Settings, find_seeds, load_model, read_seeds, read_volume, write_segmentation",
    )


def test_the_package_is_there_at_once():
    """The command line answers, and Ctrl-C ends it in words, before anything heavy is loaded."""
    run_without(("numpy", "SimpleITK", "torch"), "import SAM2VolumeSegLib, SAM2VolumeSegLib.cli\ndir(SAM2VolumeSegLib)")


def test_a_network_is_built_without_torchvision_and_matplotlib():
    """The bare installation in Slicer has neither."""
    run_without(
        ("torchvision", "matplotlib", "skimage"),
        "from SAM2VolumeSegLib.propagation import Segmenter\n"
        "from SAM2VolumeSegLib.model import checkpoints\n"
        "from SAM2VolumeSegLib.model.tracker import SliceTracker\n"
        "Segmenter(SliceTracker.load(checkpoints.find('demo'), 'cpu', 64))",
    )


def test_building_leaves_hydra_as_it_was():
    """Another extension may have initialised Hydra for itself; sam2's own import initialises it once, too."""
    run_without(
        ("torchvision",),
        "from hydra import initialize_config_module\n"
        "from hydra.core.global_hydra import GlobalHydra\n"
        "from SAM2VolumeSegLib.model import build, checkpoints\n"
        "import sam2.modeling.sam2_base\n"
        "before = GlobalHydra.instance().hydra\n"
        "build.build_network(checkpoints.config_file(checkpoints.find('demo')), 64)\n"
        "assert GlobalHydra.instance().hydra is before",
    )
