"""Studies around the engine: demo, measures, bench, the paper's study, training of the demo model.

The wheel has this room, the Slicer extension does not.
"""
