"""Voxels of an image file: exactly the bytes that its header declares, unpacked and checked to their end."""

from __future__ import annotations

import bz2
import gzip
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _

_MOST_PER_BYTE = {"raw": 1, "gzip": 1032, "zlib": 1032, "bzip2": 2_000_000}
"""What one stored byte can unpack to: deflate's limit (zlib's technical notes); bzip2 of zeros has 1.2 million."""
_CHUNK = 1 << 20


def read_voxels(
    path: Path, file: BinaryIO, packing: str, skip: int, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """Read the voxels of a file: the bytes that its header declares, and nothing may follow them.

    gzip, bzip2 and zlib have checksums, which are checked: an altered bit is found. Memory is taken for what arrives,
    never for what a header promises.

    Args:
        path: for messages.
        file: stands where its data begin, packed or not.
        packing: "raw", "gzip", "bzip2" or "zlib".
        skip: bytes before the voxels, when unpacked.
        shape: of the array to return, the file's fastest axis last.
        dtype: as stored, with its byte order.

    Returns:
        The voxels, in the byte order of this machine; writable.

    Raises:
        InputError: fewer or more bytes than declared, or they are damaged.
    """
    wanted = skip + math.prod(shape) * dtype.itemsize
    shorter = _(
        '"{path}" is cut off, or its header is damaged: the header declares {wanted:,} bytes of voxels, '
        "and the file holds fewer. Copy or export it again."
    ).format(path=path, wanted=wanted - skip)
    if wanted > (os.fstat(file.fileno()).st_size - file.tell()) * _MOST_PER_BYTE[packing]:
        raise InputError(shorter)
    data = bytearray()
    try:
        for chunk in _unpacked(file, packing):
            data += chunk
            if len(data) > wanted:
                raise InputError(
                    _(
                        '"{path}" is damaged: it holds more than the {wanted:,} bytes of voxels that its header '
                        "declares. Copy or export it again."
                    ).format(path=path, wanted=wanted - skip)
                )
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            _('"{path}" is damaged: it is cut off, or altered. Copy or export it again.').format(path=path)
        ) from error
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
    unpacked = gzip.GzipFile(fileobj=file) if packing == "gzip" else bz2.BZ2File(file) if packing == "bzip2" else file
    while chunk := unpacked.read(_CHUNK):
        yield chunk


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """Unpack a stream with zlib's frame, as ``GzipFile`` does those with gzip's.

    Raises:
        EOFError: it ends too early, or something follows it.
        zlib.error: it is damaged.
    """
    inflater = zlib.decompressobj()
    while not inflater.eof:
        packed = inflater.unconsumed_tail or file.read(_CHUNK)
        if not packed:
            raise EOFError
        yield inflater.decompress(packed, _CHUNK)
    if inflater.unused_data or file.read(1):
        raise EOFError(_("something follows the compressed voxels"))
