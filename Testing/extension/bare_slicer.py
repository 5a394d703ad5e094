"""Imports a module file as Slicer does at its start, and says what that needed.

python bare_slicer.py FOLDER MODULE [MORE...]: Slicer puts FOLDER on the path and executes FOLDER/MODULE.py; then each
of MORE is imported by name. slicer, vtk, qt and ctk are stand-ins that accept everything: what is shown here is what
importing needs, not what the module does. numpy, scipy and SimpleITK, which Slicer always has, get stand-ins where the
interpreter has none. Packages that only Set up installs cannot be imported. Prints JSON. Needs nothing but Python, so
that any interpreter can run it.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path

STAND_INS = {"slicer", "vtk", "qt", "ctk", "SampleData", "SegmentEditorEffects"}
SLICER_HAS = {"numpy", "scipy", "SimpleITK"}
NOT_BEFORE_SET_UP = {
    "torch", "torchvision", "sam2", "hydra", "omegaconf", "iopath", "nrrd", "platformdirs", "tqdm", "skimage",
    "matplotlib", "PyTorchUtils",
}  # fmt: skip


class Anything(type):
    """The type of the stand-ins' classes: any attribute, any call, any subscript, usable as a base or a decorator."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)

    def __call__(cls, *args, **_kwargs):
        if cls.__dict__.get("stands_in"):
            # What is decorated stays what it is.
            decorated = len(args) == 1 and isinstance(args[0], (type, types.FunctionType))
            return args[0] if decorated else stand_in(cls.__name__)
        return super().__call__(*args, **_kwargs)

    def __getitem__(cls, _key):
        return cls

    def __or__(cls, _other):
        return cls

    __ror__ = __or__


def stand_in(name):
    return Anything(name, (), {"stands_in": True})


class StandInModule(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = (lambda text, *_more: text) if name in ("tr", "translate") else stand_in(name)
        setattr(self, name, value)
        return value


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, stand_ins):
        self.stand_ins = stand_ins
        self.refused = []

    def find_spec(self, name, _path=None, _target=None):
        top = name.split(".")[0]
        if top in self.stand_ins or top.startswith("qSlicer"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        if top in NOT_BEFORE_SET_UP:
            self.refused.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

    def create_module(self, spec):
        return StandInModule(spec.name)

    def exec_module(self, module):
        pass


def main(folder, name, *more):
    missing = {package for package in SLICER_HAS if importlib.util.find_spec(package) is None}
    finder = Finder(STAND_INS | missing)
    # The library that is found must be FOLDER's, not one that is installed for the tests.
    sys.path[:] = [path for path in sys.path if not Path(path, "SAM2VolumeSegLib").is_dir()] + [folder]
    installed = [item for item in sys.meta_path if not getattr(item, "__module__", "").startswith("__editable__")]
    sys.meta_path[:] = [finder, *installed]
    spec = importlib.util.spec_from_file_location(name, Path(folder) / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    for other in more:
        importlib.import_module(other)
    imported = {key for key, value in sys.modules.items() if value is not None and not isinstance(value, StandInModule)}
    library = sys.modules.get("SAM2VolumeSegLib") or importlib.import_module("SAM2VolumeSegLib")
    from SAM2VolumeSegLib.model import checkpoints

    model = checkpoints.find("demo")
    facts = {
        "python": ".".join(map(str, sys.version_info[:2])),
        "classes": sorted(key for key, value in vars(module).items() if getattr(value, "__module__", None) == name),
        "library": str(Path(library.__file__).resolve().parent),
        "model": [str(checkpoints.path_of(model)), str(checkpoints.config_file(model))],
        "refused": finder.refused,
        "heavy": sorted(key for key in imported if key.split(".")[0] in NOT_BEFORE_SET_UP),
        "stand_ins": sorted(missing),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
