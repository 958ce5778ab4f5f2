"""Fixtures of the tests of streams."""

import pytest

from slimrnn.native import library


@pytest.fixture(params=["by the module", "by ctypes"])
def caller(request, monkeypatch):
    """How Python calls a step: as this machine can, or as every machine can."""
    if request.param == "by ctypes":
        monkeypatch.setattr(library, "Step", None)
    elif library.Step is None:
        pytest.skip("slimrnn was built without Python's headers")
    return request.param
