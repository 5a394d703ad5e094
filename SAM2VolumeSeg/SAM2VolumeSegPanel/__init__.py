"""The parts of the module SAM2VolumeSeg that need Slicer: parameters, logic, state and sections of the panel.

The widget in SAM2VolumeSeg.py makes one `PanelState`, which tells when something has changed, and gives it to the
sections with the logic and their own widgets. A section knows no other one but those that it was given.
"""
