"""The commands that this room adds to the command line: demo, bench, study."""

from __future__ import annotations

import argparse
from pathlib import Path

from SAM2VolumeSegLib.research.bench import command as bench
from SAM2VolumeSegLib.research.study.command import add_study


def add_parsers(commands) -> None:
    """Add them to the program's commands (an argparse subparsers object)."""
    demo = commands.add_parser("demo", help="segment vertebrae in a real CT with the bundled demo model, and measure")
    demo.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the results (demo-output)")
    demo.add_argument(
        "--data", type=Path, help="a folder of labelled CTs as in `study run`, measured in the same way (tptbox)"
    )
    demo.add_argument("--classes", help="class table of its label volumes: a .json file, shared or tptbox (its own)")
    demo.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    demo.add_argument("--table", type=Path, help="write the means as CSV to this file, for `study readme`")
    demo.set_defaults(command=_demo)
    bench.add_parser(commands)
    add_study(commands)


def _demo(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.research.demo import run_demo

    run_demo(options.out, options.data, options.device, options.table, options.classes)
