"""What is imported only when it is asked for: extras, and modules that take seconds."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from slimrnn.errors import InputError


def require(module: str, package: str, install: str) -> Any:
    """A module of a package that slimrnn does not bring along.

    Args:
        module: its name.
        package: what people call the package.
        install: what pip installs it by, such as ``slimrnn[onnx]``.

    Raises:
        InputError: it is not installed; the sentence says how to install it.

    Example:
        >>> require("no.such", "Nothing", "nothing")
        Traceback (most recent call last):
        slimrnn.errors.InputError: This needs Nothing, which cannot be imported \
(No module named 'no'); install it with: pip install nothing
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"This needs {package}, which cannot be imported ({error}); install it "
            f"with: pip install {shlex.quote(install)}"
        ) from error


def lazy(
    package: str, modules: Mapping[str, Sequence[str]], packages: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__``, which imports when a name is used, and ``__dir__``.

    Args:
        package: its ``__name__``.
        modules: the names that each module has, by its name within the package.
        packages: modules of the package that are names themselves.

    Example:
        >>> find, _ = lazy("slimrnn", {"errors": ["InputError"]}, ["data"])
        >>> find("InputError").__name__, find("data").__name__
        ('InputError', 'slimrnn.data')
    """
    places = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name in packages:
            return import_module(f"{package}.{name}")
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    def names() -> list[str]:
        return sorted({*sys.modules[package].__all__, *packages})

    return find, names
