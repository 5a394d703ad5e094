"""Voxels of an image file: exactly the bytes that its header declares, unpacked and checked to their end."""

from __future__ import annotations

import bz2
import gzip
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np

from SAM2VolumeSegLib.errors import InputError

_MOST_PER_BYTE = {"raw": 1, "gzip": 1032, "zlib": 1032, "bzip2": 2_000_000}
"""What one stored byte can unpack to: deflate's limit (zlib's technical notes); bzip2 of zeros has 1.2 million."""
_CHUNK = 1 << 20


def read_voxels(
    path: Path, file: BinaryIO, packing: str, skip: int, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """Read voxels [k, j, i] from a file that stands where its (packed) data begin.

    gzip, bzip2 and zlib have checksums, which are checked: an altered bit is found. Memory is taken for what arrives,
    never for what a header promises.

    Args:
        path: for messages.
        packing: "raw", "gzip", "bzip2" or "zlib".
        skip: bytes before the voxels, when unpacked.
        dtype: as stored, with its byte order; the array has that of this machine.

    Raises:
        InputError: fewer or more bytes than declared, or they are damaged.
    """
    wanted = skip + math.prod(shape) * dtype.itemsize
    shorter = (
        f'"{path}" is cut off, or its header is damaged: the header declares {wanted - skip:,} bytes of voxels, and '
        "the file holds fewer. Copy or export it again."
    )
    if wanted > (os.fstat(file.fileno()).st_size - file.tell()) * _MOST_PER_BYTE[packing]:
        raise InputError(shorter)
    data = bytearray()
    try:
        for chunk in _unpacked(file, packing):
            data += chunk
            if len(data) > wanted:
                raise InputError(
                    f'"{path}" is damaged: it holds more than the {wanted - skip:,} bytes of voxels that its header '
                    "declares. Copy or export it again."
                )
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f'"{path}" is damaged: it is cut off, or altered. Copy or export it again.') from error
    if len(data) < wanted:
        raise InputError(shorter)
    voxels = np.frombuffer(data, dtype, offset=skip).reshape(shape)
    if not dtype.isnative:
        voxels = voxels.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return np.require(voxels, requirements="A")


def _unpacked(file: BinaryIO, packing: str) -> Iterator[bytes]:
    if packing == "zlib":
        yield from _inflated(file)
        return
    open_ = {"raw": nullcontext, "gzip": gzip.open, "bzip2": bz2.open}[packing]
    with open_(file) as unpacked:
        while chunk := unpacked.read(_CHUNK):
            yield chunk


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """What ``gzip.open`` does, for a stream with zlib's frame. Raises EOFError, zlib.error."""
    inflater = zlib.decompressobj()
    while not inflater.eof:
        packed = inflater.unconsumed_tail or file.read(_CHUNK)
        if not packed:
            raise EOFError
        yield inflater.decompress(packed, _CHUNK)
    if inflater.unused_data or file.read(1):
        raise EOFError("something follows the compressed voxels")
