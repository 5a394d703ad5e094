"""Whether data are what they were: a digest of a file, or of a folder such as that of a DICOM series."""

from __future__ import annotations

import hashlib
from pathlib import Path

from SAM2VolumeSegLib.model.download import sha256_of
from SAM2VolumeSegLib.volume.dicom_files import files_below


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and digests of all files that are read in a folder, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return sha256_of(path)
    lines = [f"{sha256_of(file)} {file.relative_to(path).as_posix()}\n" for file in files_below(path, [])]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
