"""One stream in several threads: a result, or a sentence, and never a crash."""

import threading

import numpy as np
import pytest

from layer_problems import FEATURES, built
from slimrnn import InputError, Stream, native

pytestmark = pytest.mark.skipif(bool(native.reason()), reason=native.reason())
ROUNDS, STEPS = 20, 200


@pytest.mark.parametrize("units", [5, 400], ids=["holds the lock", "lets it go"])
def test_closing_while_others_use_it(units):
    layer = built("LSTM6", units=units)
    x, others = np.ones(FEATURES, "float32"), []
    for _ in range(ROUNDS):
        stream, start = Stream(layer), threading.Barrier(5)
        uses = (
            lambda stream=stream: stream.step(x),
            lambda stream=stream: stream.measure(3),
            lambda stream=stream: setattr(stream, "state", stream.state),
            lambda stream=stream: stream.reset(),
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
