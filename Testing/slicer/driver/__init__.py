"""A walk through the module in a real Slicer (see ../drive.py): hands and eyes, what is checked, and the ways."""
