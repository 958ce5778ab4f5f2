"""The one exception for a user's mistake."""


class InputError(ValueError):
    """A mistake in what the user gave, told in a sentence.

    The message says what was wrong, what was received, what is allowed and
    what to do. The command line prints it without a traceback and exits with
    code 2.
    """

    # TensorFlow's autograph raises an error again as what it was only if it begins so.
    __init__ = Exception.__init__
