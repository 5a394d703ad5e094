"""What the Slicer module decides without Qt and without MRML: readiness, seed table, advice, estimate, choices."""
