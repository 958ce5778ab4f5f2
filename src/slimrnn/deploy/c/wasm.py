"""A trained model as WebAssembly, for browsers and Node."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from slimrnn.deploy.c.export import Array, written
from slimrnn.deploy.c.project import project, source_of
from slimrnn.deploy.c.sequence_source import SequenceSource
from slimrnn.deploy.c.source import Source
from slimrnn.deploy.exporters import EXPORTERS
from slimrnn.deploy.program.program import Program
from slimrnn.errors import InputError
from slimrnn.ir.layers import Repeat
from slimrnn.ir.model import Model
from slimrnn.ir.over_time import OfWindow

#: no library, no start; sums are rounded after each operation, as everywhere
_FLAGS = (
    *("--target=wasm32", "-O3", "-std=c99", "-ffreestanding", "-nostdlib"),
    *("-ffp-contract=off", "-mbulk-memory", "-Wl,--no-entry", "-Wl,--strip-all"),
    "-Wl,--export=__heap_base",
)
_SECONDS = 300
#: C's types as JavaScript's arrays
_ARRAYS = {
    "float": "Float32Array",
    "int8_t": "Int8Array",
    "int16_t": "Int16Array",
    "int32_t": "Int32Array",
}


def to_wasm(
    model: Any,
    out: str | os.PathLike[str],
    name: str = "model",
    dtype: str = "float32",
    calibration: Any = None,
) -> Path:
    """Write a trained model as WebAssembly.

    The folder has ``NAME.wasm``, the C of :func:`slimrnn.deploy.to_c` compiled by
    clang, and ``NAME.mjs``, which loads it in a browser and in Node::

        import { load } from "./NAME.mjs";
        const model = await load();
        const y = model.step([0.1, 0.2, 0.3]);

    It gives the C's bits. Arguments, result and errors are those of
    :func:`slimrnn.deploy.to_c`, and an InputError where there is no clang with wasm-ld.

    Example:
        >>> import tempfile, keras, slimrnn
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> if not EXPORTERS["wasm"].obstacle:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         path = to_wasm(model, Path(folder, "new"), name="tiny")
        ...         files = sorted(file.name for file in path.iterdir())
        ...     assert files == ["tiny.mjs", "tiny.wasm"]
    """
    obstacle = EXPORTERS["wasm"].obstacle
    if obstacle:
        raise InputError(f"WebAssembly cannot be written: {obstacle}.")
    return written(_module, model, out, name, dtype, calibration)


def _module(
    program: Program, name: str, vectors: tuple[Array, Array]
) -> dict[str, str | bytes]:
    source = source_of(program, name)
    made = project(program, name, vectors)
    files = {key: made[key] for key in (f"{name}.c", f"{name}.h")}
    return {
        f"{name}.wasm": _compiled(files, name, _functions(source)),
        f"{name}.mjs": _script(source),
    }


def _functions(source: Source) -> list[str]:
    """Those that JavaScript calls."""
    whole = isinstance(source, SequenceSource)
    used = ["run"] if whole else ["reset", "step", "output"]
    return [*used, *["quantize"] * source.quantizes]


def _compiled(sources: dict[str, str], name: str, functions: list[str]) -> bytes:
    exports = [f"-Wl,--export={name}_{function}" for function in functions]
    with tempfile.TemporaryDirectory() as folder:
        for file, text in sources.items():
            Path(folder, file).write_text(text, encoding="utf-8")
        made = f"{name}.wasm"
        done = subprocess.run(
            ["clang", *_FLAGS, *exports, "-o", made, f"{name}.c"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise InputError(
                f"clang cannot make WebAssembly here ({last}); it takes clang and "
                f"wasm-ld, Debian's packages clang and lld."
            )
        return Path(folder, made).read_bytes()


def _script(source: Source) -> str:
    """NAME.mjs."""
    name, arithmetic = source.name, source.arithmetic
    whole = isinstance(source, SequenceSource)
    scale = 2.0**-source.program.output_bits if arithmetic.scaled else 1
    x = "float" if source.quantizes else source.input
    what = "a sequence, all steps one after the other" if whole else "a step"
    return f"""\
// {name}: {", ".join(str(layer) for layer in source.model.layers)}; {arithmetic.name}.
// Made by slimrnn. Each model that load() gives is a stream of its own.
export const INPUTS = {source.model.inputs}, OUTPUTS = {source.outputs};
const STATE = {source.layout.state_bytes}, SCALE = {scale!r};
const X = {_ARRAYS[x]}, Q = {_ARRAYS[source.input]}, Y = {_ARRAYS[arithmetic.vector]};

// source: a URL, or the bytes of {name}.wasm
export async function load(source = new URL("./{name}.wasm", import.meta.url)) {{
  if (source instanceof URL && source.protocol === "file:")
    source = await (await import("node:fs/promises")).readFile(source);
  else if (source instanceof URL || typeof source === "string")
    source = await (await fetch(source)).arrayBuffer();
  return new Model((await WebAssembly.instantiate(source)).instance.exports);
}}

class Model {{
  constructor(c) {{
    this.c = c;
    this.state = (c.__heap_base.value + 15) & ~15;
    this.x = (this.state + STATE + 15) & ~15;
{_CONSTRUCTED[whole]}  }}

  // bytes behind the states
  room(bytes) {{
    const pages = Math.ceil((this.x + bytes - this.c.memory.buffer.byteLength) / 65536);
    if (pages > 0) this.c.memory.grow(pages);
    return this.c.memory.buffer;
  }}

{_METHODS[whole].format(**_words(source, what))}}}
"""


def _words(source: Source, what: str) -> dict[str, str]:
    name, quantizes = source.name, source.quantizes
    each = f" * {_steps(source.model)}" if source.each else ""
    lines = {
        False: f"this.c.{name}_quantize(this.x, q);",
        True: f"for (let t = 0; t < steps; t++) "
        f"this.c.{name}_quantize(this.x + 4 * t * INPUTS, q + t * INPUTS);",
    }
    whole = isinstance(source, SequenceSource)
    work = source.work("steps") if isinstance(source, SequenceSource) else ""
    return {
        "name": name,
        "what": what,
        "count": f"OUTPUTS{each}",
        "quantize": f"    {lines[whole]}\n" if quantizes else "",
        "given": "q" if quantizes else "this.x",
        "work": work,
    }


def _steps(model: Model) -> str:
    """How many steps come out of ``steps``, as JavaScript."""
    found = "steps"
    for layer in model.layers:
        if isinstance(layer, Repeat):
            found = str(layer.times)
        elif isinstance(layer, OfWindow):
            more = layer.before + layer.after - layer.span
            windows = f"Math.floor(({found} + {more}) / {layer.strides}) + 1"
            found = f"Math.max(0, {windows})"
    return found


_CONSTRUCTED = {False: "    this.reset();\n", True: ""}
_METHODS = {
    False: """\
  reset() {{ this.c.{name}_reset(this.state); }}

  // {what}: INPUTS numbers in, OUTPUTS out; null where a stride gives none
  step(x) {{
    if (x.length !== INPUTS) throw new RangeError(`not ${{INPUTS}} numbers`);
    const q = this.x + 4 * INPUTS, y = (q + 4 * INPUTS + 7) & ~7;
    const buffer = this.room(16 + 8 * INPUTS + 4 * OUTPUTS);
    new X(buffer, this.x, INPUTS).set(x);
{quantize}    if (this.c.{name}_step(this.state, {given}) === 0) return null;
    this.c.{name}_output(this.state, y);
    return Float32Array.from(new Y(buffer, y, OUTPUTS), (v) => v * SCALE);
  }}
""",
    True: """\
  // {what}: INPUTS * steps numbers in
  run(x) {{
    const steps = x.length / INPUTS, count = {count}, work = {work};
    if (!(steps >= 1) || steps % 1) throw new RangeError(`${{x.length}} numbers`);
    const q = this.x + 4 * x.length, y = (q + 4 * x.length + 7) & ~7;
    const buffer = this.room(32 + 8 * x.length + 4 * count + 4 * work);
    const behind = (y + 4 * count + 7) & ~7;
    new X(buffer, this.x, x.length).set(x);
{quantize}    this.c.{name}_run(this.state, {given}, steps, y, behind);
    return Float32Array.from(new Y(buffer, y, count), (v) => v * SCALE);
  }}
""",
}
