"""The command `sam2-volume-seg checkpoints`."""

from __future__ import annotations

import argparse
from contextlib import closing

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("checkpoints", help="list, fetch, verify or delete models")
    parser.add_argument("action", choices=("list", "fetch", "verify", "delete"), nargs="?", default="list")
    parser.add_argument("name", nargs="?", help="tiny, small, base+ or large")
    parser.set_defaults(command=_checkpoints)


def _checkpoints(options: argparse.Namespace) -> None:
    if options.action == "list":
        _list()
        return
    if not options.name:
        raise InputError(f"Which model? Known models: {', '.join(checkpoints.MODELS)}.")
    model = checkpoints.find(options.name)
    if options.action == "fetch":
        _fetch(model)
        print(f"The model '{model.name}' is ready: {checkpoints.path_of(model)}")
    elif options.action == "verify":
        print(f"{model.name}: {checkpoints.verify(model)}")
    else:
        freed = checkpoints.delete(model)
        print(f"Deleted: {freed / 1e6:.0f} MB" if freed else f"The model '{model.name}' was not stored.")


def _list() -> None:
    stored, unfinished = checkpoints.stored(), checkpoints.unfinished()
    for model in checkpoints.MODELS.values():
        whole = f"{(model.size or 0) / 1e6:.0f} MB"
        if not model.is_official:
            state = f"bundled, {checkpoints.path_of(model).stat().st_size / 1e6:.0f} MB (demonstration only)"
        elif model.name in stored:
            state = f"stored, {whole}"
        elif model.name in unfinished:
            state = f"{unfinished[model.name] / 1e6:.0f} of {whole} fetched"
        else:
            state = f"not fetched, {whole}"
        print(f"{model.name:6}  {state}, {model.licence}")
    print(f"Stored in: {checkpoints.store_folder()}")


def _fetch(model: checkpoints.Model) -> None:
    from tqdm import tqdm

    with closing(checkpoints.fetch(model)) as download, tqdm(unit="B", unit_scale=True, desc=model.name) as bar:
        for done, total in download:
            bar.total = total
            bar.update(done - bar.n)
