"""The generated C of random models: as the simulator, and that as Keras."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_deploy_c import assert_is_the_twin

import slimrnn
from compiled_c import Compiled
from deploy_problems import given_to, model_of, normal, program_of
from products import some
from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.program import simulator
from slimrnn.variants import Variant
from slimrnn.variants.gates import FAMILIES, Gate

pytestmark = pytest.mark.backend_free

layers = keras.layers


TERMS = [
    Gate(x=x, h=h, bias=bias)
    for x, h, bias in itertools.product(
        ("full", "none"), ("full", "pointwise", "none"), (True, False)
    )
    if (x, h, bias) != ("none", "none", False)
]
gates = st.one_of(
    st.sampled_from(TERMS),
    st.floats(0, 0.875, width=32).map(lambda value: Gate(constant=value)),
)
of_x = [gate for gate in TERMS if gate.x == "full"]
candidates = st.sampled_from(of_x)
#: of families that reset the product n
without_h = st.sampled_from([gate for gate in of_x if gate.h == "none"])
products = st.sampled_from([g for g in TERMS if g.x == "none" and g.h != "none"])


@st.composite
def variants(draw):
    family = draw(st.sampled_from(list(FAMILIES)))
    own = {"c": candidates}
    if product := FAMILIES[family].product:
        own = {"c": without_h, product: products}
    drawn = {name: draw(own.get(name, gates)) for name in FAMILIES[family].gates}
    return Variant("Drawn", family, drawn)


@pytest.mark.parametrize("count", some(lambda count: count == 4, (4, 40)))
def test_random_models(count, tmp_path_factory):
    @settings(max_examples=count, deadline=None, derandomize=True)
    @given(
        first=variants(),
        second=variants(),
        sizes=st.tuples(*[st.integers(1, 9)] * 3),
        dtype=st.sampled_from(DTYPES),
        seed=st.integers(0, 9),
    )
    def check(first, second, sizes, dtype, seed):
        features, units, others = sizes
        model = model_of(
            slimrnn.layer(units, first, return_sequences=True),
            slimrnn.layer(others, second),
            layers.Dense(2),
            features=features,
            seed=seed,
        )
        x = normal(2, 6, features, seed=seed)
        program = program_of(model, dtype, x)
        compiled = Compiled(program, tmp_path_factory.mktemp("net"))
        assert_is_the_twin(compiled, given_to(program, x))
        expected = keras.ops.convert_to_numpy(model(x))
        found = simulator.run(program, given_to(program, x))
        if dtype == "int8":
            found = found / 2.0**program.output_bits
        # A state can grow the rounding of int8 from step to step; it has 6 steps here.
        tolerance = 5e-6 if dtype == "float32" else 0.15
        scale = max(1.0, abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)

    check()
