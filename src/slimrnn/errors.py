"""The one exception for a user's mistake."""

#: characters of a sentence that are shown, however long what was received
MOST = 3000


class InputError(ValueError):
    """A mistake in what the user gave, said in a sentence.

    The message says what was wrong, what was received, what is allowed and
    what to do. The command line prints it without a traceback and exits with
    code 2. Whatever takes what a user gave may raise it; docstrings say when where
    a user reads them, and where more than that is to be said.
    """

    # TensorFlow's autograph raises an error again as what it was only if it begins so.
    __init__ = Exception.__init__

    def __str__(self) -> str:
        sentence = super().__str__()
        if len(sentence) <= MOST:
            return sentence
        return f"{sentence[: 2 * MOST // 3]} ... {sentence[-MOST // 3 :]}"
