"""SAM2VolumeSeg: carries masks painted on a few slices through a CT volume with SAM2, weights frozen.

What a script needs is here by name, and imported when it is asked for: the package itself is there at once, and needs
neither torch nor sam2.

torch's threads sleep while they wait for each other, unless the user has said how they should wait. By OpenMP's default
they spin, and beside one busy program, which has the core that the last thread needs, a run takes ten times as long and
more. OpenMP reads this when torch is loaded. Whatever imports torch here has imported this package before; where
somebody else has loaded torch already, as another extension in the same Slicer may have, it comes too late.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SAM2VolumeSegLib.errors import InputError as InputError
    from SAM2VolumeSegLib.errors import InputWarning as InputWarning
    from SAM2VolumeSegLib.model.load import load_model as load_model
    from SAM2VolumeSegLib.propagation.request import Request as Request
    from SAM2VolumeSegLib.propagation.result import Progress as Progress
    from SAM2VolumeSegLib.propagation.result import Result as Result
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter as Segmenter
    from SAM2VolumeSegLib.propagation.settings import Settings as Settings
    from SAM2VolumeSegLib.seeds.choose import Marks as Marks
    from SAM2VolumeSegLib.seeds.find import find_seeds as find_seeds
    from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice as SeedSlice
    from SAM2VolumeSegLib.volume.crop import Box as Box
    from SAM2VolumeSegLib.volume.intensity import Window as Window
    from SAM2VolumeSegLib.volume.planes import Plane as Plane
    from SAM2VolumeSegLib.volume.read import read_seeds as read_seeds
    from SAM2VolumeSegLib.volume.read import read_volume as read_volume
    from SAM2VolumeSegLib.volume.segment import Segment as Segment
    from SAM2VolumeSegLib.volume.volume import Volume as Volume
    from SAM2VolumeSegLib.volume.write import write_segmentation as write_segmentation

__version__ = "0.1.0"

# libgomp (torch on Linux), libomp (macOS) and Intel's (Windows) know the first; each of the others, one of them.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"} & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

_MODULES = {  # of the names above
    "Box": "volume.crop",
    "InputError": "errors",
    "InputWarning": "errors",
    "Marks": "seeds.choose",
    "Plane": "volume.planes",
    "Progress": "propagation.result",
    "Request": "propagation.request",
    "Result": "propagation.result",
    "SeedSlice": "seeds.seed_slice",
    "Segment": "volume.segment",
    "Segmenter": "propagation.segmenter",
    "Settings": "propagation.settings",
    "Volume": "volume.volume",
    "Window": "volume.intensity",
    "find_seeds": "seeds.find",
    "load_model": "model.load",
    "read_seeds": "volume.read",
    "read_volume": "volume.read",
    "write_segmentation": "volume.write",
}

if not TYPE_CHECKING:  # a type checker would take every name for one of these
    __all__ = list(_MODULES)

    def __getattr__(name: str):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

    def __dir__():
        return sorted({*globals(), *_MODULES})
