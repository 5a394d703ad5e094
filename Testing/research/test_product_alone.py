"""The Slicer extension has no research/: nothing of the product may need it."""

import subprocess
import sys

from cli_files import ROOT

ROOMS = ("volume", "seeds", "synthetic", "model", "propagation", "panel", "scene")


def test_the_product_runs_without_research():
    """The layers are tested file by file; this also finds an import by name, and a package's data that lies there."""
    code = (
        "import importlib, pkgutil, sys\n"
        "sys.modules['SAM2VolumeSegLib.research'] = None\n"
        f"for room in {ROOMS}:\n"
        "    package = importlib.import_module(f'SAM2VolumeSegLib.{room}')\n"
        "    for module in pkgutil.iter_modules(package.__path__, f'{package.__name__}.'):\n"
        "        if room != 'scene':  # needs Slicer\n"
        "            importlib.import_module(module.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
