"""Pictures of results: slices with outlines, and surfaces."""
