"""Makes docs/live.html: a model trained on digits, running in the browser.

    python docs/live.py

Needs clang and wasm-ld; one file comes out, which asks no server for anything.
"""

import base64
import re
import tempfile
from pathlib import Path

import keras
import numpy as np

from slimrnn import SlimLSTM, data, deploy
from slimrnn.ir import read

HERE = Path(__file__).parent
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
        made = deploy.to_wasm(model, Path(folder, "digits"), "digits")
        wasm = (made / "digits.wasm").read_bytes()
        script = (made / "digits.mjs").read_text()
    recurrent = next(read(model).recurrent())
    words = {
        "variant": VARIANT,
        "units": UNITS,
        "parameters": f"{model.count_params():,}",
        "full": f"{model.count_params() - _weights(VARIANT) + _weights('LSTM'):,}",
        "right": f"{100 * right:.1f}",
        "bytes": f"{len(wasm):,}",
        "equations": "\n".join(recurrent.cell.variant.equations()),
        "wasm": base64.b64encode(wasm).decode(),
        "script": script.replace("export ", ""),
        "scale": repr(float(scale)),
        "examples": _examples(x_test, digits.test.y),
    }
    page = (HERE / "live.template.html").read_text(encoding="utf-8")
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: str(words[found[1]]), page)
    (HERE / "live.html").write_text(page, encoding="utf-8")
    print(f"{HERE / 'live.html'}: {len(page):,} bytes, {100 * right:.1f} % of the test")


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
