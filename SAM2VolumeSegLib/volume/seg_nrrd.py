"""Slicer's segmentation file, ``.seg.nrrd``: a NRRD whose header fields ``SegmentN_...`` describe the segments.

The layout is documented in 3D Slicer's developer guide (Segmentations, file format) and fixed by
``vtkMRMLSegmentationStorageNode``. pynrrd reads and writes the NRRD itself; its headers are ASCII only and it leaves
escapes alone, so the text of header fields is handled here (UTF-8; line ends and backslashes escaped as Teem does).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume.segment import BONE_COLOR, Segment
from SAM2VolumeSegLib.volume.volume import Volume

PROVENANCE_KEY = "SAM2VolumeSeg_Provenance"
"""Header field with one line of JSON. Slicer ignores it (no node attribute) and drops it when saving again."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPACES = {
    "left-posterior-superior": _LPS_TO_RAS,
    "lps": _LPS_TO_RAS,
    "right-anterior-superior": np.eye(4),
    "ras": np.eye(4),
}
_GENERIC_TERMINOLOGY = (
    "TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic codes - DICOM master list~^^~^^|"
)
_ESCAPED = re.compile(r"\\([n\\])")


def seg_nrrd_header(path: Path) -> dict | None:
    """Return the header fields of a ``.seg.nrrd``; None when ``path`` is another kind of file."""
    import nrrd  # here: 3D Slicer has its own reader, and not this package

    try:
        with open(path, "rb") as file:
            header = _read_header(file)
    except OSError as error:
        raise InputError(f'"{path}" cannot be read: {error.strerror}.') from error
    except (nrrd.NRRDError, ValueError):
        return None
    is_segmentation = any(re.match(r"Segmentation_|Segment\d+_", key) for key in header)
    return header if is_segmentation else None


def _read_header(file: io.BufferedIOBase) -> dict:
    """Read the header and leave ``file`` at the first byte of the data."""
    import nrrd

    if file.read(4) != b"NRRD":
        raise ValueError("not a NRRD file")
    file.seek(0)
    lines = []
    for line in file:
        lines.append(line.decode("utf-8", "replace"))
        if not line.strip():
            break
    header = nrrd.read_header(lines)
    return {key: _unescape(value) if isinstance(value, str) else value for key, value in header.items()}


def read_seg_nrrd(path: Path) -> tuple[list[Segment], np.ndarray]:
    """Read the segments of a ``.seg.nrrd`` on the file's own grid, and its IJK to RAS matrix (mm).

    Shared layers (label values), overlapping segments in layers (a leading list axis), cropped extents (the origin of
    the file is that of the crop) and empty segments are all read; so are files before Slicer 4.11, one layer a segment.

    Raises:
        InputError: the file is damaged, has no segments, or holds fractional labelmaps.
    """
    import nrrd

    try:
        with open(path, "rb") as file:
            header = _read_header(file)
            data = nrrd.read_data(header, file, str(path), index_order="C")
    except (nrrd.NRRDError, OSError, ValueError, EOFError) as error:
        raise InputError(f'"{path}" is damaged or not complete. Save the segmentation again in 3D Slicer.') from error
    master = header.get("Segmentation_MasterRepresentation", "Binary labelmap")
    if master != "Binary labelmap":
        raise InputError(
            f'"{path}" holds a {master.lower()}. Convert it to a binary labelmap in 3D Slicer and save it again.'
        )
    numbers = sorted({int(match[1]) for key in header if (match := re.match(r"Segment(\d+)_", key))})
    if not numbers:
        raise InputError(
            f'There are no segments in "{path}". Paint at least one slice of one segment and save it again.'
        )
    ijk_to_ras, list_axis = _geometry(path, header)
    layers = [data] if list_axis is None else list(np.moveaxis(data, data.ndim - 1 - list_axis, 0))
    segments = []
    for number in numbers:
        field = f"Segment{number}_"
        layer = int(header.get(f"{field}Layer", number if len(layers) > 1 else 0))
        if layer >= len(layers):
            raise InputError(
                f'"{path}" is damaged: layer {layer} is missing. Save the segmentation again in 3D Slicer.'
            )
        segments.append(
            Segment(
                name=header.get(f"{field}Name") or header.get(f"{field}ID") or f"Segment {number + 1}",
                mask=layers[layer] == int(header.get(f"{field}LabelValue", 1)),
                color=_color(header.get(f"{field}Color", "")),
                id=header.get(f"{field}ID", ""),
                tags=header.get(f"{field}Tags", ""),
            )
        )
    return segments, ijk_to_ras


def _geometry(path: Path, header: dict) -> tuple[np.ndarray, int | None]:
    """Return IJK to RAS (mm), and which axis of the file lists the layers."""
    to_ras = _SPACES.get(str(header.get("space", "")).lower())
    directions = np.asarray(header.get("space directions", ()), dtype=np.float64)
    if to_ras is None or directions.ndim != 2 or directions.shape[1] != 3 or "space origin" not in header:
        raise InputError(
            f'"{path}" does not say where it lies in the patient. Save the segmentation again in 3D Slicer.'
        )
    spatial = np.isfinite(directions).all(axis=1)
    if spatial.sum() != 3 or len(directions) > 4:
        raise InputError(f'"{path}" has {len(directions)} axes, which no segmentation has. Save it again in 3D Slicer.')
    matrix = np.eye(4)
    matrix[:3, :3] = directions[spatial].T
    matrix[:3, 3] = header["space origin"]
    return to_ras @ matrix, None if spatial.all() else int(np.flatnonzero(~spatial)[0])


def _color(text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(part) for part in text.split())
    except ValueError:
        return BONE_COLOR
    return red, green, blue


def write_seg_nrrd(path: Path, volume: Volume, segments: Iterable[Segment], provenance: dict) -> None:
    """Write segments on the grid of ``volume``: in one shared layer unless they overlap, else in several."""
    import nrrd

    segments = list(segments)
    layers: list[np.ndarray] = []
    placed: list[tuple[int, int]] = []
    for segment in segments:
        layer = next((n for n, labels in enumerate(layers) if not labels[segment.mask].any()), len(layers))
        if layer == len(layers):
            layers.append(np.zeros(volume.voxels.shape, dtype=np.uint8 if len(segments) < 256 else np.uint16))
        value = 1 + sum(other == layer for other, _ in placed)
        layers[layer][segment.mask] = value
        placed.append((layer, value))
    ijk_to_lps = _LPS_TO_RAS @ volume.ijk_to_ras
    directions = ijk_to_lps[:3, :3].T
    overlap = len(layers) > 1
    buffer = io.BytesIO()
    nrrd.write(
        buffer,
        np.stack(layers, axis=-1) if overlap else layers[0],
        {
            "space": "left-posterior-superior",
            "space directions": np.vstack([[np.nan] * 3, directions]) if overlap else directions,
            "space origin": ijk_to_lps[:3, 3],
            "kinds": ["list"] * overlap + ["domain"] * 3,
            "encoding": "gzip",
        },
        compression_level=1,
        index_order="C",
    )
    fields = {**_segmentation_fields(volume), PROVENANCE_KEY: json.dumps(provenance, ensure_ascii=False, default=str)}
    ids = _unique_ids(segments)
    for number, (segment, segment_id, (layer, value)) in enumerate(zip(segments, ids, placed, strict=True)):
        field = f"Segment{number}_"
        fields |= {
            f"{field}ID": segment_id,
            f"{field}Name": segment.name,
            f"{field}NameAutoGenerated": "0",
            f"{field}Color": " ".join(f"{part:.6g}" for part in segment.color),
            f"{field}ColorAutoGenerated": "0",
            f"{field}Extent": _extent(segment.mask),
            f"{field}Tags": segment.tags or _GENERIC_TERMINOLOGY,
            f"{field}Layer": str(layer),
            f"{field}LabelValue": str(value),
        }
    text = "".join(f"{key}:={_escape(value)}\n" for key, value in fields.items())
    contents = buffer.getbuffer()
    end = bytes(contents[:4096]).index(b"\n\n") + 1
    with open(path, "wb") as file:
        file.write(contents[:end])
        file.write(text.encode())
        file.write(contents[end:])


def read_provenance(path: Path) -> dict:
    """Return the provenance stored in a ``.seg.nrrd``; empty when there is none."""
    return json.loads((seg_nrrd_header(path) or {}).get(PROVENANCE_KEY, "{}"))


def _segmentation_fields(volume: Volume) -> dict[str, str]:
    last_i, last_j, last_k = (n - 1 for n in volume.voxels.shape[::-1])
    matrix = ";".join(repr(float(number)) for number in volume.ijk_to_ras.ravel())
    # The reference geometry lets Slicer's editor offer the whole CT grid, although it crops the labelmap when it reads
    # it.
    geometry = f"{matrix};0;{last_i};0;{last_j};0;{last_k};"
    return {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segmentation_ConversionParameters": f"Reference image geometry|{geometry}|Image geometry description string.&",
    }


def _unique_ids(segments: list[Segment]) -> list[str]:
    ids: list[str] = []
    taken = {segment.id for segment in segments}
    for segment in segments:
        segment_id, number = segment.id, 1
        while not segment_id or segment_id in ids:
            candidate = f"Segment_{number}"
            segment_id = "" if candidate in taken else candidate
            number += 1
        ids.append(segment_id)
    return ids


def _extent(mask: np.ndarray) -> str:
    """Return "i0 i1 j0 j1 k0 k1" of the painted voxels, inclusive."""
    bounds = []
    for axis in (2, 1, 0):
        used = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        bounds += [used[0], used[-1]] if len(used) else [0, -1]
    return " ".join(str(int(n)) for n in bounds)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\r", " ").replace("\n", "\\n")


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else "\\", text)
