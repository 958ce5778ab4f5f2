"""The native engine as an operation of JAX and of torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from layer_problems import KINDS, UNITS, X, arrays, built, train
from problems import ROWS, problem
from processes import two_devices
from products import some
from slimrnn import InputError, native
from slimrnn.native import BACKENDS, library
from slimrnn.variants import CellSpec

BACKEND = keras.backend.backend()
HELPERS = Path(__file__).parents[1] / "helpers"
if BACKEND in BACKENDS:
    from slimrnn.engines import native as engine

pytestmark = [
    pytest.mark.skipif(bool(native.reason()), reason=native.reason()),
    pytest.mark.skipif(
        BACKEND not in BACKENDS, reason=f"no native engine on {BACKEND}"
    ),
]
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="of JAX alone")
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="of torch alone")


def cell_of(p):
    return CellSpec(p.variant)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_trains_as_on_ops(kind):
    targets = np.ones((len(X), UNITS), "float32")
    losses = []
    for name in ("ops", "native"):
        layer = built(KINDS[kind], engine=name)
        losses.append(train(keras.Sequential([layer]), X, targets))
    a, b = ([float(step["loss"]) for step in run] for run in losses)
    np.testing.assert_allclose(a, b, rtol=1e-5)
    assert a[-1] != a[0]


@pytest.mark.parametrize("kind", KINDS)
def test_from_numpy_and_from_the_framework_are_the_same_bits(kind):
    layer = built(KINDS[kind], engine="native", return_sequences=True)
    weights = dict(zip(layer.cell.packed_weights(), layer.get_weights(), strict=True))
    expected = native.run(ROWS[KINDS[kind]], X, weights).outputs
    np.testing.assert_array_equal(arrays(layer(X))[0], expected)


@pytest.mark.parametrize("name", ["native", "auto"])
def test_what_the_engine_was_built_for_is_saved(name, tmp_path):
    layer = built("LSTM5", engine=name)
    model = keras.Sequential([keras.Input(X.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].engine == name
    np.testing.assert_array_equal(arrays(model(X))[0], arrays(again(X))[0])


@on_jax
@pytest.mark.parametrize(
    "rows", some(lambda rows: "LSTM6" in rows, (("LSTM6",), ("GRU1", "LSTM", "LSTM11")))
)
def test_sharded_mapped_and_refused_on_two_devices(rows):
    ran = subprocess.run(
        [sys.executable, Path(__file__).with_name("two_devices.py"), *rows],
        env={**two_devices(), "PYTHONPATH": str(HELPERS), "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    held = ran.stdout.split()
    assert held == ["sharded", "mapped", "shard_mapped", "refused"], ran.stderr[-3000:]


@on_jax
@pytest.mark.parametrize("engine_name", ["auto", "native"])
def test_a_second_derivative_says_what_to_do(engine_name):
    import jax

    layer = built("LSTM6", engine=engine_name)
    with pytest.raises(InputError, match="build the layer with engine='ops'"):
        jax.hessian(lambda x: layer(x).sum())(X)


@on_jax
def test_vmap():
    import jax

    layer = built("LSTM4", engine="native")
    one_by_one = jax.vmap(lambda x: layer(x[None])[0])(X)
    np.testing.assert_allclose(one_by_one, layer(X), rtol=1e-6)


@on_jax
def test_x_has_no_gradient_computed_where_nobody_asks():
    import jax

    p = problem("LSTM6")
    cell, states = cell_of(p), tuple(map(np.float32, p.initial.values()))
    weights = {k: np.float32(w) for k, w in p.weights.items()}

    def loss(weights, x):
        return engine.run(cell, x, states, weights)[1][0].sum()

    def sizes(of):
        text = jax.jit(jax.grad(loss, argnums=of)).lower(weights, np.float32(p.x))
        calls = [k for k in text.as_text().splitlines() if "@slimrnn_backward" in k]
        return "x".join(map(str, p.x.shape)) in calls[0].split("->")[1]

    assert sizes(1)
    assert not sizes(0)


#: the structures of native/xla_abi.h, and what they are called in XLA's header
ABI = {
    "xla_extension": ("XLA_FFI_Extension_Base", "type next"),
    "xla_metadata_extension": ("XLA_FFI_Metadata_Extension", "metadata"),
    "xla_buffer": ("XLA_FFI_Buffer", "dtype data rank dims"),
    "xla_text": ("XLA_FFI_ByteSpan", "at=ptr length=len"),
    "xla_array": ("XLA_FFI_Array", "dtype size data"),
    "xla_attributes": ("XLA_FFI_Attrs", "size types names values=attrs"),
    "xla_error_args": ("XLA_FFI_Error_Create_Args", "message code=errc"),
    "xla_version": ("XLA_FFI_Api_Version", "major=major_version minor=minor_version"),
    "xla_metadata": ("XLA_FFI_Metadata", "version=api_version traits"),
    "xla_api": ("XLA_FFI_Api", "version=api_version error_create=XLA_FFI_Error_Create"),
    "xla_call": (
        "XLA_FFI_CallFrame",
        "extension=extension_start api stage arguments=args results=rets "
        "attributes=attrs",
    ),
}


@on_jax
@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")
def test_the_layouts_are_those_of_the_installed_xla(tmp_path):
    import jax

    lines = ['#include "xla/ffi/api/c_api.h"', '#include "xla_abi.h"']
    for ours, (theirs, fields) in ABI.items():
        for field in fields.split():
            a, _, b = field.partition("=")
            equal = f"offsetof({ours}, {a}) == offsetof({theirs}, {b or a})"
            lines.append(f'_Static_assert({equal}, "{ours}.{a}");')
    for values in ("Args", "Rets"):
        of = f"XLA_FFI_{values}, {values.lower()}"
        lines.append(
            f'_Static_assert(offsetof(xla_values, values) == offsetof({of}),"");'
        )
    lines.append('_Static_assert(XLA_MAJOR == XLA_FFI_API_MAJOR, "");')
    (tmp_path / "abi.c").write_text("\n".join(lines))
    sources = Path(library.__file__).parent / "csrc"
    includes = [f"-I{path}" for path in (jax.ffi.include_dir(), sources)]
    subprocess.run(
        ["gcc", "-std=c11", "-fsyntax-only", *includes, tmp_path / "abi.c"], check=True
    )


@on_torch
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", ["LSTM", "LSTM6", "LSTM11", "GRU1"])
def test_torch_compiles_it_without_a_graph_break(name, sequences):
    import torch

    p = problem(name, "one feature", mask=True, dropout=True)
    cell = cell_of(p)
    mask = torch.tensor(p.mask)
    recurrent_mask = torch.tensor(p.recurrent_mask, dtype=torch.float32)

    def run(x, states, weights):
        return engine.run(
            cell,
            x,
            states,
            weights,
            mask=mask,
            recurrent_mask=recurrent_mask,
            return_sequences=sequences,
        )

    def differentiated(function):
        given = [p.x, *p.initial.values(), *p.weights.values()]
        x, *rest = [torch.tensor(np.float32(a), requires_grad=True) for a in given]
        states, weights = rest[: len(p.initial)], rest[len(p.initial) :]
        outputs, last = function(x, states, dict(zip(p.weights, weights, strict=True)))
        loss = sum((a**2).sum() for a in last)
        if sequences:
            loss = loss + (outputs**3).sum()
        loss.backward()
        return [loss.detach(), *(t.grad for t in (x, *rest))]

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    pairs = zip(differentiated(run), differentiated(compiled), strict=True)
    for plain, found in pairs:
        np.testing.assert_array_equal(plain, found)


@on_torch
@pytest.mark.parametrize("kind", ["full", "constant gates", "gru"])
def test_torch_compiles_a_whole_layer_without_a_graph_break(kind):
    import torch

    torch.compiler.reset()  # what other tests compiled counts against a limit
    layer = built(KINDS[kind], engine="native", return_sequences=True)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.tensor(X)
    np.testing.assert_array_equal(*(arrays(f(x))[0] for f in (layer, compiled)))


@on_torch
@pytest.mark.parametrize("keep", [False, True])
def test_torch_finds_the_operation_well_formed(keep):
    import torch

    from slimrnn.native.torch import _forward

    p = problem("LSTM5", "one feature")

    def tensor(a):
        return torch.tensor(np.float32(a), requires_grad=keep)

    states, weights = ([*map(tensor, d.values())] for d in (p.initial, p.weights))
    numbers = library.describe(cell_of(p), *np.shape(p.weights["kernel"]))
    arguments = (tensor(p.x), weights, states, None, None, list(numbers), True, keep)
    torch.library.opcheck(_forward, arguments)


@on_torch
def test_torch_refuses_a_gradient_of_a_gradient_instead_of_leaving_it_out():
    import torch

    layer, x = built("LSTM6", engine="native"), torch.tensor(X, requires_grad=True)
    loss = layer(x).sum()
    (grad,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="slimrnn"):
        (loss + (grad**2).sum()).backward()


def test_the_engines_agree_on_a_chain_of_layers():
    outputs = []
    for name in ("ops", "native"):
        first = built("LSTM6", engine=name, return_sequences=True)
        second = built("GRU3", (*X.shape[:2], UNITS), engine=name, go_backwards=True)
        outputs.append(arrays(keras.Sequential([first, second])(X))[0])
    np.testing.assert_allclose(*outputs, rtol=1e-5)
