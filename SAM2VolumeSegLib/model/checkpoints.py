"""The models that can be used, where their checkpoints are stored on this machine, and how the weights are read.

Only `fetch` uses the network. Neither torch nor sam2 is imported before weights are read, so a program can list and
fetch models before those two are installed.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.answer import megabytes
from SAM2VolumeSegLib.model.config import image_size
from SAM2VolumeSegLib.model.download import download, only_writer, part_of, sha256_of
from SAM2VolumeSegLib.volume.paths import check_file

if TYPE_CHECKING:
    import torch

OFFICIAL_ADDRESS = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"
APACHE_2 = "Apache-2.0"


class CheckpointError(InputError):
    """A model that cannot be used. The way out depends on where the user is: at a shell, or in a program with buttons.

    Attributes:
        problem: A sentence on what is wrong.
        way_out: "fetch", "fetch again" or "install"; the message has the shell's.
    """

    def __init__(self, problem: str, way_out: str, shell: str):
        super().__init__(f"{problem} {shell}")
        self.problem, self.way_out = problem, way_out


@dataclass(frozen=True)
class Download:
    """Weights that their publisher offers, fetched into the store when the user asks for them.

    Attributes:
        url: Its last part is the file's name in the store.
        size: Bytes.
        sha256: In hex.
    """

    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class LocalFile:
    """Weights in a file on this machine: one that comes with this program (bundled), or the user's own."""

    path: Path
    bundled: bool = False


@dataclass(frozen=True)
class PackageFile:
    """A file in the folder of a Python package, wherever that is installed."""

    package: str
    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Model:
    """A SAM2 architecture together with its weights.

    Attributes:
        name: What the user calls it.
        config: The yaml file of the architecture.
        source: Where the weights come from.
        image_size: Side of the square input in pixels; None: as `config` states it, or as the device suggests (see
            `devices.plan`).
        licence: SPDX name of the weights' licence, None where only the user knows.
    """

    name: str
    config: Path | PackageFile
    source: Download | LocalFile
    image_size: int | None = None
    licence: str | None = None

    @property
    def is_official(self) -> bool:
        """True for Meta's four SAM2.1 models, which are fetched and not bundled."""
        return isinstance(self.source, Download)

    @property
    def size(self) -> int:
        """Bytes of the weights' file; 0 where the user's own file is gone."""
        return self.source.size if isinstance(self.source, Download) else _size_of(self.source.path) or 0


def _official(name: str, letter: str, file_name: str, size: int, sha256: str) -> Model:
    config = PackageFile("sam2", f"configs/sam2.1/sam2.1_hiera_{letter}.yaml")
    return Model(name, config, Download(OFFICIAL_ADDRESS + file_name, size, sha256), licence=APACHE_2)


_DEMO = Path(__file__).parent / "demo"

MODELS = {
    model.name: model
    for model in (
        _official(
            "tiny", "t", "sam2.1_hiera_tiny.pt", 156_008_466,
            "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        ),
        _official(
            "small", "s", "sam2.1_hiera_small.pt", 184_416_285,
            "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        ),
        _official(
            "base+", "b+", "sam2.1_hiera_base_plus.pt", 323_606_802,
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        ),
        _official(
            "large", "l", "sam2.1_hiera_large.pt", 898_083_611,
            "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        ),
        Model("demo", _DEMO / "demo.yaml", LocalFile(_DEMO / "demo.pt", bundled=True), 160, licence=APACHE_2),
    )
}  # fmt: skip


def find(name: str) -> Model:
    """The model of that name.

    Raises:
        InputError: There is none; the message lists the known names.
    """
    if name not in MODELS:
        raise InputError(
            _("There is no model named '{name}'. Known models: {models}.").format(name=name, models=", ".join(MODELS))
        )
    return MODELS[name]


def user_model(checkpoint: str | Path, config: str | Path, image_size: int | None = None) -> Model:
    """A checkpoint file of the user's, for example a tiny model fine-tuned at 512 pixels.

    Args:
        checkpoint: The weights' file.
        config: The name of a known model whose architecture it has, or the path of a yaml file.
        image_size: Side of the square input in pixels; None: as the yaml states it.

    Raises:
        InputError: A file is missing or empty, or is a folder.
    """
    checkpoint = Path(checkpoint).expanduser().absolute()
    check_file(checkpoint)
    if str(config) in MODELS:
        described = MODELS[str(config)].config
    elif Path(config).expanduser().is_file():
        described = Path(config).expanduser().absolute()
    else:
        raise InputError(
            _(
                "The configuration '{config}' is neither a known model ({models}) nor a yaml file here. Give a model, "
                "or check the path."
            ).format(config=config, models=", ".join(MODELS))
        )
    return Model(checkpoint.stem, described, LocalFile(checkpoint), image_size)


def config_file(model: Model) -> Path:
    """The yaml file of the model's architecture.

    Raises:
        InputError: Its package is missing or too old to have it.
    """
    if isinstance(model.config, Path):
        path = model.config
    else:
        package = model.config.package
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise CheckpointError(
                _("The package {package} is not installed.").format(package=package), "install", _INSTALL[package]
            )
        path = Path(next(iter(spec.submodule_search_locations))) / model.config.path
    if not path.is_file():
        raise CheckpointError(
            _("The configuration of the model '{model}' is missing: {path}.").format(model=model.name, path=path),
            "install",
            _REINSTALL,
        )
    return path


def config_image_size(model: Model) -> int:
    """Side of the square input in pixels that the model's yaml states (its key model.image_size).

    Raises:
        InputError: It states none, or is no such yaml.
    """
    return image_size(config_file(model))


def store_folder() -> Path:
    """The folder of fetched models: $SAM2VOLUMESEG_MODELS, else one in the user's data folder. It may not exist yet."""
    if folder := os.environ.get("SAM2VOLUMESEG_MODELS"):
        return Path(folder).expanduser().absolute()
    import platformdirs  # each system has its own place for what a program stores per user

    return platformdirs.user_data_path("sam2-volume-seg", appauthor=False) / "models"


def cache_folder() -> Path:
    """The user's folder for what programs can compute again. It may not exist yet."""
    import platformdirs

    return platformdirs.user_cache_path("sam2-volume-seg", appauthor=False)


def path_in_store(model: Model) -> Path:
    """Where an official model's file belongs, under the name that its publisher gave it, whether or not it is there."""
    return _place(
        _download_of(model, _("The model '{model}' does not come from the network.").format(model=model.name))
    )


def stored() -> dict[str, Path]:
    """The official models whose whole file is in the store: name -> path."""
    places = {name: (_place(source), source.size) for name, source in _downloads().items()}
    return {name: path for name, (path, size) in places.items() if _size_of(path) == size}


def unfinished() -> dict[str, int]:
    """The official models whose download was begun and not finished: name -> bytes that have arrived."""
    parts = {name: _size_of(part_of(_place(source))) for name, source in _downloads().items()}
    return {name: size for name, size in parts.items() if size is not None}


def path_of(model: Model) -> Path:
    """The checkpoint file of a model.

    Raises:
        InputError: It is not on this machine; the message says how to get it.
    """
    if isinstance(model.source, LocalFile):
        path = model.source.path
        if path.is_file():
            return path
        problem = _("The checkpoint of the model '{model}' is missing: {path}.").format(model=model.name, path=path)
        if model.source.bundled:
            raise CheckpointError(problem, "install", _REINSTALL)
        raise InputError(_("{problem} Put it back, or choose another file.").format(problem=problem))
    path = _place(model.source)
    size = _size_of(path)
    if size is None:
        raise CheckpointError(
            _("The model '{model}' is not on this machine.").format(model=model.name),
            "fetch",
            _(
                "Fetch it with: sam2-volume-seg checkpoints fetch {model} ({megabytes}), or copy {file} from "
                "another computer to {parent}."
            ).format(model=model.name, megabytes=megabytes(model.size), file=path.name, parent=path.parent),
        )
    if size != model.source.size:
        raise _not_official(model, path)
    return path


def fetch(model: Model, url: str | None = None) -> Generator[tuple[int, int], None, None]:
    """Download an official model into the store.

    Closing the generator cancels and keeps what has arrived; the next call continues. A model whose whole file is
    stored is verified and not fetched.

    Args:
        model: An official one.
        url: A mirror to use in place of the official address.

    Yields:
        (bytes there, bytes in all).

    Raises:
        InputError: See `download.download`; or the model is a file on this machine.
    """
    source = _download_of(
        model,
        _("The model '{model}' is a file on this machine already: there is nothing to fetch.").format(model=model.name),
    )
    target = _place(source)
    if _size_of(target) == source.size:
        yield source.size, source.size
        verify(model)
        return
    yield from download(url or source.url, target, source.size, source.sha256)


def delete(model: Model) -> int:
    """Remove an official model and any unfinished download of it from the store.

    Returns:
        The bytes freed.

    Raises:
        InputError: The model was not fetched or is being fetched, or a file cannot be removed.
    """
    target = _place(
        _download_of(
            model, _("The model '{model}' was not fetched, so it is not deleted here.").format(model=model.name)
        )
    )
    there = {path: size for path in (target, part_of(target)) if (size := _size_of(path)) is not None}
    if not there:
        return 0
    try:
        with only_writer(target):
            for path in there:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            _(
                "The model '{model}' could not be deleted in {parent} ({strerror}). Close what uses it, or check "
                "who owns it."
            ).format(model=model.name, parent=target.parent, strerror=error.strerror)
        ) from error
    return sum(there.values())


def digest_of(model: Model) -> str:
    """SHA-256 (hex) that the model's weights have, or have to have: an official file is not read for it.

    Raises:
        InputError: A file of the user's is missing or cannot be read.
    """
    return model.source.sha256 if isinstance(model.source, Download) else verify(model)


def verify(model: Model) -> str:
    """SHA-256 (hex) of the model's checkpoint, which is read.

    Raises:
        InputError: It is missing, cannot be read, or is not the official file.
    """
    path = path_of(model)
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise InputError(
            _("The checkpoint {path} cannot be read ({strerror}).").format(path=path, strerror=error.strerror)
        ) from error
    if isinstance(model.source, Download) and digest != model.source.sha256:
        raise _not_official(model, path)
    return digest


def load_weights(model: Model) -> dict[str, torch.Tensor]:
    """Verify the model's checkpoint, then read it.

    Returns:
        Parameter name -> tensor, as `weights.read_weights`.

    Raises:
        InputError: As `verify` and `weights.read_weights`.
    """
    from SAM2VolumeSegLib.model.weights import read_weights  # imports torch

    verify(model)
    return read_weights(path_of(model))


def _not_official(model: Model, path: Path) -> CheckpointError:
    return CheckpointError(
        _("{path} is not the official model '{model}' (wrong size or SHA-256): it is damaged or incomplete.").format(
            path=path, model=model.name
        ),
        "fetch again",
        _("Remove it with: sam2-volume-seg checkpoints delete {model}, then fetch it again.").format(model=model.name),
    )


def _downloads() -> dict[str, Download]:
    return {name: model.source for name, model in MODELS.items() if isinstance(model.source, Download)}


def _download_of(model: Model, otherwise: str) -> Download:
    """The source of an official model; InputError with that sentence for any other."""
    if not isinstance(model.source, Download):
        raise InputError(otherwise)
    return model.source


def _place(source: Download) -> Path:
    return store_folder() / source.url.rsplit("/", 1)[1]


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


_INSTALL = {"sam2": _("Install it with: pip install sam2==1.1.0")}
_REINSTALL = _("Install the program (and sam2==1.1.0) again.")
