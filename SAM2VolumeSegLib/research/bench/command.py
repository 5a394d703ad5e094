"""The command `sam2-volume-seg bench`."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.bench.cases import BESIDE_BUSY, MANY, PROFILES, TIME_LEFT, case, tubes
from SAM2VolumeSegLib.research.measures.metrics import DICE
from SAM2VolumeSegLib.volume.target import check_own, make_folder, write_json

MODELS = ("demo", "tiny", "small")


def add_parser(commands) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure time and memory beside the sam2 package's own video predictor",
        description="Both engines take turns on the same slices, seeds, weights, input size, threads and device. tiny "
        "and small get random weights, so they say something about time only.",
    )
    parser.add_argument("--profiles", nargs="+", choices=(*PROFILES, *MANY, BESIDE_BUSY, TIME_LEFT), default=PROFILES,
                        metavar="PROFILE",
                        help=f"which cases: {', '.join(PROFILES)} (these), or with many segments, beside the way "
                        f"votes became masks before: {', '.join(MANY)}; or ours alone, with threads that wait asleep "
                        f"or as OpenMP has it, with and without a busy program beside it: {BESIDE_BUSY}; or how true "
                        f"the time left is that a run says, by a simulated clock: {TIME_LEFT}")  # fmt: skip
    parser.add_argument(
        "--model", choices=MODELS, default="demo", help="demo, or tiny or small at random weights (demo)"
    )
    parser.add_argument("--image-size", type=int, help="pixels the model sees, a multiple of 32")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (auto)")
    parser.add_argument("--threads", type=int, help="threads on a CPU (PyTorch's choice)")
    parser.add_argument("--every", type=int, default=1, metavar="N",
                        help="take one voxel of N in each direction of the CT, for slow models (1)")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, help="counted runs of each engine and case (3)")
    parser.add_argument(
        "--curves", action="store_true", help="also time and memory against slices, segments, sizes ..."
    )
    parser.add_argument("--peaks", type=int, nargs="+", metavar="SLICES",
                        help="in place of the profiles: peak memory for volumes of so many slices")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--pictures", type=Path, help="draw the figures into this folder")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write what is asked for.

    Raises:
        InputError: a value cannot be used, or a file cannot be written.
    """
    given = (options.threads, *(options.peaks or ()))
    if min(options.repeats, options.every, *(number for number in given if number is not None)) < 1:
        raise InputError("Repeats, threads, --every and --peaks must be 1 or more.")
    for path in (options.json and options.json.parent, options.pictures):
        if path is not None:
            make_folder(path)

    import torch

    from SAM2VolumeSegLib.research.bench.curves import curves
    from SAM2VolumeSegLib.research.bench.engines import Networks
    from SAM2VolumeSegLib.research.bench.measure import measure
    from SAM2VolumeSegLib.research.bench.pictures import COMPONENTS

    for path in (options.json, options.pictures and options.pictures / COMPONENTS):
        if path is not None:
            check_own(path)
    if options.threads:
        torch.set_num_threads(options.threads)
    networks = Networks.load(options.model, options.device, options.image_size)
    machine = _machine(networks)
    print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    rows, drawn, many, busy, time_left = {}, [], {}, {}, {}
    peaks = _peaks(networks, options.peaks or ())
    for profile in () if options.peaks else options.profiles:
        if profile in MANY:
            many[profile] = _many(networks, profile)
            continue
        if profile == BESIDE_BUSY:
            busy = _beside_busy(networks, options.every)
            continue
        if profile == TIME_LEFT:
            time_left = _time_left(networks, options.every)
            continue
        chosen, key = case(profile, options.every), ("profile", profile)
        rows[profile] = measure(networks, chosen, options.repeats, memory=profile == "long-volume", key=key)
        _print_figures(rows[profile])
        if profile == "ten-segments":
            rows["one-segment"] = measure(networks, tubes(1), options.repeats)
            _print_figures(rows["one-segment"])
            _print_growth(rows[profile], rows["one-segment"])
    if options.curves:
        for curve in curves(networks, options.repeats, memory=True):
            drawn.append(curve)
            _print_curve(curve)
    if options.json:
        found = {"machine": machine, "profiles": {name: row.to_dict() for name, row in rows.items()}}
        found["peak_mb"], found["many"], found["busy"], found["time_left"] = peaks, many, busy, time_left
        found["curves"] = [
            {"name": curve.name, "values": curve.values, "rows": [row.to_dict() for row in curve.rows]}
            for curve in drawn
        ]
        write_json(options.json, found)
        print(f"Written: {options.json}")
    if options.pictures:
        from SAM2VolumeSegLib.research.bench.pictures import draw

        for path in draw(options.pictures, machine, rows, drawn):
            print(f"Written: {path}")


def _many(networks, profile: str) -> dict[str, dict | None]:
    """Measure and print a profile with many segments."""
    from SAM2VolumeSegLib.research.bench.many import FIRST, SOON, measure_many, title

    runs = measure_many(networks, profile)
    print(f"\n{title(profile)}")
    print(f"  {'':28}" + "".join(f"{engine:>10}" for engine in runs))
    for label, value in (
        ("seconds", "seconds"),
        ("  after the last slice", "tail"),
        ("longest step but for network", "longest"),
        ("peak MB of the process", "peak_mb"),
    ):
        numbers = (f"{getattr(run, value):10.2f}" if run else f"{'-':>10}" for run in runs.values())
        print(f"  {label:28}" + "".join(numbers))
    now, before = runs["now"], runs["before"]
    if now.worst is not None:
        print(f"  time left, from slice {FIRST} until {SOON:g} s are left: at most {now.worst:.2f} times off")
    if before is None:
        print("  before: not run, this machine has too little memory for it")
    else:
        print(f"  equal masks: {'yes' if now.digest == before.digest else 'NO'}")
    return {engine: run and vars(run) for engine, run in runs.items()}


def _beside_busy(networks, every: int) -> dict[str, dict[int, float | None]]:
    """Measure and print how much a busy program beside a run matters."""
    from SAM2VolumeSegLib.research.bench.beside_busy import LIMIT, measure_busy

    seconds = measure_busy(networks, every)
    print("\nOne axis, both directions, 3 seeds; a process for each run")
    print(f"  {'seconds, threads that wait':28}{'asleep':>10}{'openmp':>10}")
    for count, label in enumerate(("nothing else", "beside a busy program")):
        asleep, openmp = (seconds[waiting][count] for waiting in ("asleep", "openmp"))
        shown = "".join(f"{f'> {LIMIT}':>10}" if value is None else f"{value:10.2f}" for value in (asleep, openmp))
        if asleep is not None:
            more = "more than " * (openmp is None)
            shown += f"   openmp takes {more}{(LIMIT if openmp is None else openmp) / asleep:.2f} times as long"
        print(f"  {label:28}{shown}")
    return seconds


def _time_left(networks, every: int) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Measure and print how true the time is that a run says."""
    from SAM2VolumeSegLib.research.bench.time_left import FIRST, PRICES, SLIGHT, WANTED, promises, ten_corrected

    seconds, share = SLIGHT
    print(f"\nTime left, by a simulated clock: the largest factor between said and true, from slice {FIRST} on,")
    print(f"where it is wrong by more than {seconds:g} s and {share:.0%} of the run; wanted is {WANTED:g}")
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for segments, chosen in (("one segment", case("correction", every)), ("ten segments", ten_corrected())):
        for machine, price in PRICES.items():
            print(f"  {f'{segments}, {machine}':30}{'before':>10}{'on the way':>12}{'seconds':>10}")
            rows = found.setdefault(segments, {}).setdefault(machine, {})
            for label, promise in promises(networks.tracker, chosen, price).items():
                rows[label] = vars(promise)
                before = "-" if promise.before is None else f"{promise.before:.2f}"
                print(f"    {label:28}{before:>10}{promise.worst:12.2f}{promise.seconds:10.1f}")
    return found


def _peaks(networks, counts) -> dict[int, dict[str, float]]:
    """Peak MB of each engine by number of slices: one segment, three painted axial slices."""
    from SAM2VolumeSegLib.research.bench.measure import ENGINES, peak_memory

    plan, peaks = networks.tracker.plan, {}
    for slices in counts:
        key = ("tubes", 1, slices)
        peaks[slices] = {
            engine: peak_memory(engine, networks.name, str(plan.device), plan.image_size, key) for engine in ENGINES
        }
        print(f"{slices:6} slices: peak MB of ours {peaks[slices]['ours']:.0f}, stock {peaks[slices]['stock']:.0f}")
    return peaks


def _machine(networks) -> dict[str, str]:
    import torch

    plan = networks.tracker.plan
    device = torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else platform.machine()
    weights = "its own weights" if networks.real else "RANDOM WEIGHTS: time only, no quality"
    return {
        "model": f"{networks.name} at {plan.image_size} pixels, {weights}",
        "device": f"{plan.device} ({device}, {os.cpu_count()} cores), {torch.get_num_threads()} threads, {plan.dtype}",
        "versions": f"SAM2VolumeSeg {__version__}, torch {version('torch')}, sam2 {version('sam2')}",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _print_figures(row) -> None:
    print(f"\n{row.title}")
    print(f"  {'':18}{'ours':>10}{'stock':>10}")
    for name, values in (("median seconds", {e: median(s) for e, s in row.seconds.items()}), *_by_part(row)):
        print(f"  {name:18}{values.get('ours', 0):10.2f}{values.get('stock', 0):10.2f}")
    if row.memory_mb["ours"] is not None:
        print(f"  {'peak MB':18}{row.memory_mb['ours']:10.0f}{row.memory_mb['stock']:10.0f}")
    if row.agreement is not None:
        print(
            f"  {DICE.title:18}{DICE.text(row.dice['ours']):>10}{DICE.text(row.dice['stock']):>10}"
            f"   of the two results {DICE.text(row.agreement)}"
        )
    print(f"  ours is {row.ratio:.2f} times as fast")
    if row.equal is not None:
        print(f"  equal to our run from nothing: {'yes' if row.equal else 'NO'}")


def _by_part(row):
    parts = dict.fromkeys([*row.parts["ours"], *row.parts["stock"]])
    return [(f"  {part}", {engine: own.get(part, 0.0) for engine, own in row.parts.items()}) for part in parts]


def _print_growth(ten, one) -> None:
    growth = {engine: median(ten.seconds[engine]) / median(one.seconds[engine]) for engine in ten.seconds}
    print(f"  ten segments take {growth['ours']:.2f} times as long as one; stock {growth['stock']:.2f} times")


def _print_curve(curve) -> None:
    print(f"\n{curve.name}: seconds of ours and stock (peak MB)")
    for value, row in zip(curve.values, curve.rows, strict=True):
        seconds = " ".join(f"{median(row.seconds[engine]):9.2f}" for engine in ("ours", "stock"))
        memory = (
            "" if row.memory_mb["ours"] is None else f"  ({row.memory_mb['ours']:.0f}, {row.memory_mb['stock']:.0f})"
        )
        print(f"  {value:7}{seconds}{memory}")
