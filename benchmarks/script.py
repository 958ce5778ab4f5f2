"""What the scripts of this folder share: how they say, and how they end."""

import os
import sys
from collections.abc import Callable

from slimrnn.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Runs a script quietly; a mistake of the user's is a sentence."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        main()
    except InputError as error:
        found = sys.modules["__main__"].__spec__
        sys.exit(f"{found.name if found else sys.argv[0]}: {error}")


def say(text: str) -> None:
    """How the work goes, beside the results."""
    print(text, file=sys.stderr, flush=True)


def versions(**others: str) -> str:
    """Those of Keras and its backend, once it runs, and others'."""
    from slimrnn.experiments.run import environment

    about = environment.describe()
    parts = {"Keras": about["keras"], about["backend"]: about["backend_version"]}
    return ", ".join(f"{name} {found}" for name, found in (parts | others).items())
