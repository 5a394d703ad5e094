"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one or two plain sentences: it names the thing (a file, a segment, a setting) and says what to do.
    The command line prints it without a traceback; the Slicer module shows it in a box.
    """
