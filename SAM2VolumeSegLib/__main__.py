from SAM2VolumeSegLib.cli import main

raise SystemExit(main())
