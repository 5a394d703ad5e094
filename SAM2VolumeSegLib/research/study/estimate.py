"""What a study of many structures would take, from what one of few structures took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import duration
from SAM2VolumeSegLib.research.study.record import Record, newest
from SAM2VolumeSegLib.research.study.store import FILE, read_results

EMBEDDING_BYTES = 16  # per pixel of the input: float32 features of SAM2's three levels; the demo model's are half of it


def estimate(
    results: Path,
    structures: int,
    workers: Sequence[int],
    encode_ms: float | None = None,
    track_ms: float | None = None,
    image_size: int | None = None,
) -> str:
    """Say in lines how many tasks, bytes and hours `structures` take on each number of workers, one GPU each.

    Every structure is taken to be as the measured ones are: as many tasks, and as many slices encoded and tracked. Only
    tasks with the model and the input size that most results have count.

    Args:
        results: folder of a study that ran.
        structures: how many.
        workers: numbers of workers.
        encode_ms: milliseconds to assume for encoding a slice, in place of those measured.
        track_ms: the same for tracking a slice.
        image_size: pixels to assume for the size of the embeddings.

    Raises:
        InputError: as `read_results`; no result was made with a model; a number that is not above zero.
    """
    numbers = [structures, *workers, *(given for given in (encode_ms, track_ms, image_size) if given is not None)]
    if min(numbers) <= 0:
        raise InputError(f"An estimate for {min(numbers)} cannot be made: every number must be above zero.")
    finished = read_results(results)[0]
    records = [record for record in newest(finished.values()) if record["model"]]
    if not records:
        raise InputError(f'"{results / FILE}" has no result of a model, so there is no time to go by.')
    model = Counter(map(_model, records)).most_common(1)[0][0]
    records = [record for record in records if _model(record) == model]
    name, size, device = model

    count = len({(record["case"], record["structure"]) for record in records})
    slices, encoded = (sum(record[part] for record in records) for part in ("slices", "encoded"))
    total, encoding = (sum(record["seconds"][part] for record in records) for part in ("total", "encode"))
    encode = 1000 * encoding / max(encoded, 1)
    track = 1000 * (total - encoding) / max(slices, 1)
    lines = [
        f"Measured: {len(records)} results of {count} structures, model {name} at {size} pixels on {device}.",
        f"  A structure: {len(records) / count:.1f} tasks, {encoded / count:.0f} slices encoded, {slices / count:.0f} "
        f"tracked, {total / count:.1f} s.",
        f"  A slice: {encode:.1f} ms to encode, {track:.1f} ms to track (resampling and fusion with it).",
    ]
    if encode_ms or track_ms:
        encode, track = encode_ms or encode, track_ms or track
        lines.append(f"Assumed in place of that: {encode:.1f} ms to encode, {track:.1f} ms to track.")
    size = image_size or size
    tasks = structures * len(records) / count
    written = tasks * (results / FILE).stat().st_size / len(finished)
    embeddings = encoded / count * EMBEDDING_BYTES * size**2
    seconds = structures / count * (encoded * encode + slices * track) / 1000
    lines += [
        f"For {structures:,} such structures: {tasks:,.0f} tasks, a results file of {_bytes(written)}, at most "
        f"{_bytes(embeddings)} of embeddings for a structure at {size} pixels.",
        *(
            f"  {number:3} {'worker ' if number == 1 else 'workers'}  {duration(seconds / number)}"
            for number in workers
        ),
        "Taken for granted: structures as tall as the measured ones, workers as fast as each other, none idle.",
    ]
    return "\n".join(lines)


def _model(record: Record) -> tuple[str, int, str]:
    model = record["model"]
    return model["name"], model["image_size"], model["device"].partition(":")[0]


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
