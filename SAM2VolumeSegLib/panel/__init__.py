"""What the Slicer module decides without Qt and without MRML: readiness, seed table, advice, estimate, choices.

Its sentences, like those of `scene` and of the engine, are English and go to the user as they are. Only literals inside
of the module's own `_()` reach Slicer's translators, and these sentences are put together here, with numbers and names,
where there may be no Slicer: at the command line they are the same.
"""
