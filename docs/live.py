"""Puts a model trained on digits into docs/live.html, which runs it in the browser.

    python docs/live.py

Needs clang and wasm-ld; one file comes out, which asks no server for anything.
"""

import base64
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

from slimrnn import SlimLSTM, data, deploy
from slimrnn.ir import read

PAGE = Path(__file__).parent / "live.html"
MARK = '<script type="application/json" id="made">'  # behind which the model lies
UNITS, EPOCHS = 32, 60
SIDE, LEVELS = 8, 16  # of scikit-learn's digits: pixels, and what each may be
VARIANT = "LSTM6"


def main() -> None:
    keras.utils.set_random_seed(1)
    digits = data.load("digits")
    x, x_test = (part.x.padded(SIDE) for part in (digits.train, digits.test))
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            SlimLSTM(UNITS, VARIANT, seed=1),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(x, digits.train.y, epochs=EPOCHS, batch_size=32, verbose=0)
    answers = model.predict(x_test, verbose=0).argmax(-1)
    right = (answers == digits.test.y).mean()
    scale = x_test.max() / LEVELS
    with tempfile.TemporaryDirectory() as folder:
        exported = deploy.to_wasm(model, Path(folder, "digits"), "digits")
        wasm = (exported / "digits.wasm").read_bytes()
        script = (exported / "digits.mjs").read_text()
    recurrent = next(read(model).recurrent())
    full = model.count_params() - _weights(VARIANT) + _weights("LSTM")
    made = {
        "model": f"{VARIANT} with {UNITS} units, then a Dense layer",
        "parameters": f"{model.count_params():,}; with a full LSTM {full:,}",
        "right": f"{100 * right:.1f} % of scikit-learn's test digits",
        "bytes": f"{len(wasm):,} bytes, weights included",
        "equations": "\n".join(recurrent.cell.variant.equations()),
        "scale": float(scale),
        "examples": _examples(x_test, digits.test.y),
        "wasm": base64.b64encode(wasm).decode(),
        "script": script,
    }
    before, after = PAGE.read_text(encoding="utf-8").split(MARK)
    after = after[after.index("\n</script>") :]
    page = f"{before}{MARK}\n{json.dumps(made)}{after}"
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE}: {len(page):,} bytes, {100 * right:.1f} % of the test")


def _weights(variant: str) -> int:
    layer = SlimLSTM(UNITS, variant)
    layer.build((None, None, SIDE))
    return layer.count_params()


def _examples(x: np.ndarray, y: np.ndarray) -> list[list[int]]:
    """An image of each class, as levels."""
    rows = [x[y == k][0].ravel() * LEVELS / x.max() for k in range(10)]
    return [row.round().astype(int).tolist() for row in rows]


if __name__ == "__main__":
    main()
