"""Our engine and the sam2 package's own video predictor on the same slices, in turns: time, memory, agreement."""
