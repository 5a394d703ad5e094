"""``python -m SAM2VolumeSegLib`` is the command line."""

from SAM2VolumeSegLib.cli import main

raise SystemExit(main())
