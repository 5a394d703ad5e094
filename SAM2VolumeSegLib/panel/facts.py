"""Looks at this computer: which of the needed packages are there. Imports none of them, because that takes seconds."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
from importlib import metadata
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.panel.choices import Choices, model_from
from SAM2VolumeSegLib.panel.readiness import Facts, Package, version_tuple

STORE = Package("platformdirs", "4", "platformdirs")  # knows the folder of the downloaded models
SMALL_PACKAGES = (
    Package("hydra-core", "1.3.2", "hydra"),
    Package("iopath", "0.1.10", "iopath"),
    STORE,
    Package("tqdm", "4.66.1", "tqdm"),
)
CLAHE = Package("scikit-image", "0.22", "skimage", megabytes=20)  # Slicer has it not, and only CLAHE needs it
SAM2_SIGN = "configs/sam2.1/sam2.1_hiera_s.yaml"  # older copies of sam2 do not have it


def gather(slicer_version: str, choices: Choices, can_install: bool = True) -> Facts:
    """Look at this computer.

    Args:
        slicer_version: such as "5.12.3".
        choices: for the chosen model, and CLAHE.
        can_install: whether anything may be installed.

    Returns:
        What was found.
    """
    importlib.invalidate_caches()  # something may just have been installed
    present, megabytes = _model(choices)
    needed = (*SMALL_PACKAGES, CLAHE) if choices.clahe else SMALL_PACKAGES
    missing = tuple(package for package in needed if _folder(package.module) is None)
    return Facts(
        python=tuple(sys.version_info[:3]),
        slicer=version_tuple(slicer_version),
        intel_mac=sys.platform == "darwin" and platform.machine() == "x86_64",
        torch=_version("torch"),
        torch_extension=_folder("PyTorchUtils") is not None,
        sam2=_version("sam2"),
        foreign_sam2=_foreign_sam2(),
        missing=missing,
        model=choices.model.value,
        model_present=present,
        model_megabytes=megabytes,
        can_install=can_install,
        can_store_models=STORE not in missing,
    )


def stored_models() -> dict[str, Path]:
    """Return the files of the downloaded models by name; none before the package that knows the folder is there."""
    try:
        return checkpoints.stored()
    except ImportError:
        return {}


def _model(choices: Choices) -> tuple[bool, float | None]:
    try:
        model = model_from(choices)
    except InputError:
        return False, None
    if not model.is_official:
        return model.size > 0, None
    return model.name in stored_models(), model.size / 1e6


def _version(name: str) -> str | None:
    if _folder(name) is None:
        return None
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _foreign_sam2() -> str | None:
    """Return the folder of a sam2 that lies in front of, or in place of, the one from the package index."""
    folder = _folder("sam2")
    if folder is None or (folder / SAM2_SIGN).is_file():
        return None
    return str(folder)


def _folder(name: str) -> Path | None:
    """Return where a package is, or would be imported from."""
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if loaded:
        return Path(loaded).parent
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: a half-loaded module without a spec
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin).parent if spec.origin else None
