"""Settings that say themselves: a dataclass whose fields know their help and checks.

What a setting is called, what it is where it is not given, what it is for and what it
may be stands in its field; flags, study files, ``--help`` and the documentation follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from slimrnn.utils.checks import check, known, number, numbers, whole

MAX_SEED = 2**31 - 1  # that every backend's generators take

#: Refuses a value that is not allowed, of a name and the value.
Check = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Setting:
    """What is to be known of a setting, beside its name and its default.

    Args:
        help: what it is.
        check: refuses what it may not be.
        metavar: what a value is called.
        group: where a reader finds it.
        usual: the default in words, where its value says too little.
        words: of one that is one of a few words: what each of them means.
        names: gives the names that are allowed; asked for after all checks, because
            it imports Keras.
        rival: settings with the same one are not given together.
    """

    help: str
    check: Check
    metavar: str = ""
    group: str = ""
    usual: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    names: Callable[[], Iterable[str]] | None = None
    rival: str = ""

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.check is text

    @property
    def is_table(self) -> bool:
        """Whether its values are numbers by name."""
        return self.check is numbers


def setting(default: Any, help: str, check: Check, *about: Any, **more: Any) -> Any:
    """A field of a dataclass with what is to be known of it, see :class:`Setting`."""
    known = Setting(help, check, *about, **more)
    return field(default=default, metadata={"setting": known})


def choice(default: str, help: str, words: Mapping[str, str], group: str) -> Any:
    """A field that is one of a few words."""
    return setting(default, help, one_of(words), "|".join(words), group, words=words)


def settings_of(kind: Any) -> dict[str, Setting]:
    """The settings of a dataclass by name, in their order."""
    return {entry.name: entry.metadata["setting"] for entry in fields(kind)}


def check_all(instance: Any) -> None:
    """Refuses a dataclass of settings in which one is not allowed."""
    known_settings = settings_of(instance)
    for name, about in known_settings.items():
        about.check(name, getattr(instance, name))
    for name, about in known_settings.items():
        if about.names is not None:
            known(name.replace("_", " "), getattr(instance, name), about.names())


def text(name: str, value: Any) -> None:
    """Refuses what is neither a text nor None."""
    check(name, value, value is None or isinstance(value, str), "a text")


def truth(name: str, value: Any) -> None:
    """Refuses what is neither True nor False."""
    check(name, value, isinstance(value, bool), "true or false")


def integer(least: int, most: int | None = None, optional: bool = False) -> Check:
    """Refuses what is no whole number in a range; None where that is allowed."""

    def refuse(name: str, value: Any) -> None:
        if not (optional and value is None):
            whole(name, value, least, most)

    return refuse


def real(fits: Callable[[float], bool], allowed: str) -> Check:
    """Refuses what is no number, or one that does not fit."""
    return lambda name, value: check(
        name, value, number(value) and fits(value), allowed
    )


def one_of(words: Iterable[str]) -> Check:
    """Refuses what is none of these words."""
    return lambda name, value: known(name.replace("_", " "), value, words)


ABOVE_0 = real(lambda x: x > 0, "a number above 0")
BELOW_1 = real(lambda x: 0 <= x < 1, "a number from 0 to below 1")
UP_TO_HALF = real(lambda x: 0 < x <= 0.5, "a fraction above 0 and at most 0.5")
COUNT = integer(1)
COUNT_OR_NONE = integer(1, optional=True)
SEED = integer(0, MAX_SEED)
