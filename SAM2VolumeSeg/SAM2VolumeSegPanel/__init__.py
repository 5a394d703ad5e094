"""The parts of the module SAM2VolumeSeg that need Slicer: choices, logic, and the sections of the panel."""
