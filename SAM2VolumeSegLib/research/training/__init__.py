"""How the demonstration model is trained, and how checkpoints of it are compared: see README.md."""
