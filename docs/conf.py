"""The site: ``python -m sphinx -W docs build/site``.

Sphinx, because it is maintained (MkDocs 1 and its Material theme no longer are) and
does all of it: pages, docstrings, notebooks that run, links that lead somewhere.
Pages of the reference are made here of what the code says, when the site is built.
"""

import argparse
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from sphinx.util import inspect as sphinx_inspect

os.environ.setdefault("KERAS_BACKEND", "jax")

import slimrnn
from slimrnn.cli import run_flags
from slimrnn.cli.main import parser
from slimrnn.experiments.run.settings import SETTINGS, Settings
from slimrnn.variants import TABLE
from slimrnn.variants.drawing import svg

ROOT = Path(__file__).parents[1]

project = "slimrnn"
author = "The slimrnn developers"
release = version = slimrnn.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["*.py", "live.template.html"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_show_tb = True
nb_execution_timeout = 600
nb_merge_streams = True

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring, napoleon_numpy_docstring = True, False

html_theme = "furo"
html_title = f"slimrnn {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["live.html"]
html_copy_source = html_show_sourcelink = html_show_copyright = False


def options(command: argparse.ArgumentParser) -> Iterator[str]:
    """A command's arguments, as a list of definitions."""
    formatter = command._get_formatter()
    for group in command._action_groups:
        shown = [
            action
            for action in group._group_actions
            if not isinstance(
                action, (argparse._HelpAction, argparse._SubParsersAction)
            )
        ]
        if shown:
            yield f"**{group.title}**\n"
        for action in shown:
            text = re.sub(r"([*_<\[\\])", r"\\\1", formatter._expand_help(action))
            yield f"`{formatter._format_action_invocation(action)}`\n: {text}\n"


def command_sections(command: argparse.ArgumentParser) -> Iterator[str]:
    """A section for a command, and for each command within it."""
    yield f"## {command.prog}\n\n{command.description}\n"
    yield f"```text\n{command.format_usage()}```\n"
    yield from options(command)
    if command.epilog:
        yield f"```text\n{textwrap.dedent(command.epilog)}\n```\n"
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from command_sections(inner)


def settings_table() -> str:
    """All settings of a run."""
    lines = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for entry in fields(Settings):
        about = SETTINGS[entry.name]
        default = (
            run_flags.usual(entry.name) if about.group else "none: it must be given"
        )
        words = "; ".join(f"`{k}`: {v}" for k, v in about.words.items())
        text = f"{about.help}. {words}" if words else about.help
        lines.append(f"| `{entry.name}` | {default} | {text} |")
    return "\n".join(lines)


def variant_sections() -> str:
    """Each variant's drawing and equations."""
    return "\n".join(
        f'## {variant.name}\n\n<div class="drawing">{svg(variant)}</div>\n\n'
        "```text\n" + "\n".join(variant.equations()) + "\n```\n\n"
        f"{variant.formula()} parameters.\n"
        for variant in TABLE
    )


#: the pages that are made here, after what stands in their files
MADE: dict[str, Callable[[], str]] = {
    "reference/commands": lambda: "\n".join(command_sections(parser())),
    "reference/settings": settings_table,
    "reference/variants": variant_sections,
}
#: the pages that are files of the repository's root, before what stands in theirs
ROOTS = {"index": "README", "contributing": "CONTRIBUTING", "changes": "CHANGELOG"}


def read(app, page: str, source: list[str]) -> None:
    """Gives a page what is made of the code, or what stands in the root."""
    if page in ROOTS:
        text = (ROOT / f"{ROOTS[page]}.md").read_text(encoding="utf-8")
        text = re.sub(r"\]\((?!http|#)", "](../", text).replace("](../docs/", "](")
        source[0] = f"{text}\n{source[0]}"
    if page in MADE:
        source[0] = f"{source[0]}\n{MADE[page]()}"
    for name, root in ROOTS.items():
        source[0] = source[0].replace(f"](../{root}.md", f"]({name}.md")


def property_docstring(app, what, name, thing, options, lines: list[str]) -> None:
    """What napoleon, which takes the text before a colon for a type, was given."""
    if what == "property":
        lines[:] = [*inspect.getdoc(thing).splitlines(), ""]


def keras_signature(app, what, name, thing, options, signature, returns):
    """That of __init__, which Keras hides behind a __new__."""
    if what == "class" and signature == "(*args, **kwargs)":
        found = sphinx_inspect.signature(thing.__init__, bound_method=True)
        return sphinx_inspect.stringify_signature(found), returns
    return None


def setup(app) -> None:
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", property_docstring, priority=600)
    app.connect("autodoc-process-signature", keras_signature)
