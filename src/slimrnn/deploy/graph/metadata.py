"""What the writers of a single model file share: ONNX's and LiteRT's."""

from __future__ import annotations

import json
from pathlib import Path

import slimrnn
from slimrnn.ir.model import Model
from slimrnn.utils import files


def save(path: Path, content: bytes) -> Path:
    """Write the file at once: it is whole, or it is not there."""
    with files.reported(path):
        files.write(path, content)
    return path


def metadata(model: Model, mode: str) -> dict[str, str]:
    """What a file says about its origin."""
    initial = {
        f"{layer.name}_{name}": values.tolist()
        for layer in model.recurrent()
        for name, values in (layer.initial or {}).items()
    }
    return {
        **({"initial": json.dumps(initial)} if initial else {}),
        "slimrnn": slimrnn.__version__,
        "model": model.name,
        "mode": mode,
        "variants": ", ".join(
            f"{layer.name}: {layer.cell.variant.name}" for layer in model.recurrent()
        ),
        "weights_sha256": model.digest(),
    }


def summary(model: Model, what: str) -> str:
    """A short text for a file: what it computes, with the equations of its cells."""
    lines = [f"{what} of the model {model.name}, written by slimrnn."]
    for layer in model.recurrent():
        cell, spec = layer.cell, layer.cell.spec
        functions = f"g = {spec.activation}, σ = {spec.recurrent_activation}"
        lines.append(f"{layer.name} ({cell.variant.name}): {functions}")
        lines += cell.variant.equations()
    return "\n".join(lines)
