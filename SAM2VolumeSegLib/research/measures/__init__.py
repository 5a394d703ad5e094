"""What is measured, and what results are compared with: overlap and distance, time, memory, methods without a model."""
