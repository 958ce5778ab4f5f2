"""The house's rules, read off the imports: one way, no circle, who knows what."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1] / "src" / "slimrnn"
#: A room imports those before a < alone; those beside it do not know each other.
HOUSE = (
    "errors < utils < backends < data variants < "
    "activations native loggers reference < "
    "torch engines < layers < ir < stream deploy.program < deploy.exporters < "
    "deploy.c deploy.graph < deploy < timing < slimming < experiments.run < "
    "experiments.analysis < experiments.report experiments.sweep < cli < __main__"
)
LEVELS = {room: n for n, line in enumerate(HOUSE.split("<")) for room in line.split()}
#: Who may import it; the oracle is for tests and documentation alone.
KNOWN_TO = {
    **dict.fromkeys(("argparse", "rich"), "cli"),
    "keras": "activations backends loggers layers engines timing slimming "
    "experiments.run ir.from_keras ir.keras_layers ir.to_keras "
    "data.batches data.sources cli.inputs",
    "slimrnn.reference": "",
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def innermost(name, places):
    found = (place for place in places if f"{name}.".startswith(f"{place}."))
    return max(found, key=len, default=None)


def test_imports_run_one_way_and_all_know_what_they_may():
    wrong = set()
    for path in set(ROOT.rglob("*.py")) - {ROOT / "__init__.py"}:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        own = innermost(module, LEVELS)
        for name in imports(path):
            inner = name.removeprefix("slimrnn.")
            room = innermost(inner, LEVELS) if inner != name else None
            library = innermost(name, KNOWN_TO)
            if room not in (None, own) and LEVELS[room] >= LEVELS[own]:
                wrong.add((module, inner))
            if library and not innermost(module, KNOWN_TO[library].split()):
                wrong.add((module, name))
    assert not wrong


def test_no_circle_of_c_includes():
    found = {x: x.read_text(encoding="utf-8") for x in ROOT.rglob("csrc/*.[ch]")}
    graph = {x.name: re.findall('#include "(.*)"', text) for x, text in found.items()}
    assert list(TopologicalSorter(graph).static_order())
