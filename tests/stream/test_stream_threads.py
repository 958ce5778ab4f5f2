"""One stream in several threads: a result, or a sentence, and never a crash."""

import copy
import threading

import numpy as np
import pytest

from layer_problems import FEATURES, built
from slimrnn import InputError, Stream, native

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.usefixtures("caller"),
    pytest.mark.skipif(bool(native.reason()), reason=native.reason()),
]
STEPS = 200


@pytest.mark.parametrize("units", [5, 400], ids=["holds the lock", "lets it go"])
@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.attack)])
def test_closing_while_others_use_it(units, rounds):
    layer = built("LSTM6", units=units)
    x, others = np.ones(FEATURES, "float32"), []
    for _ in range(rounds):
        stream, start = Stream(layer), threading.Barrier(6)
        uses = (
            lambda stream=stream: stream.step(x),
            lambda stream=stream: stream.measure(3),
            lambda stream=stream: setattr(stream, "state", stream.state),
            lambda stream=stream: stream.reset(),
            lambda stream=stream: copy.copy(stream).step(x),
        )

        def repeat(use, start=start):
            start.wait()
            for _ in range(STEPS):
                try:
                    use()
                except InputError as error:
                    if "is closed" not in str(error) and "thread" not in str(error):
                        others.append(error)
                except Exception as error:
                    others.append(error)

        threads = [threading.Thread(target=repeat, args=(use,)) for use in uses]
        for thread in threads:
            thread.start()
        start.wait()
        stream.close()
        for thread in threads:
            thread.join()
        with pytest.raises(InputError, match="is closed"):
            stream.step(x)
    assert not others
