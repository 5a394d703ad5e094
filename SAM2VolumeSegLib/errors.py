"""The one error, and the one warning, that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one or two plain sentences: it names the thing (a file, a segment, a setting) and says what to do.
    The command line prints it without a traceback; the Slicer module shows it in a box, or in its panel.

    Attributes:
        remedy: what can put it right where a button can, the value of a `panel.hint.Way`; "" where none can.
    """

    def __init__(self, *message: object, remedy: str = ""):
        super().__init__(*message)
        self.remedy = remedy


class InputWarning(UserWarning):
    """Something the user gave is used, but not all of it or not as it is: a segment left out, a colour replaced.

    The message is one plain sentence, as that of `InputError`. Given with `warnings.warn(message, InputWarning)`.
    """
