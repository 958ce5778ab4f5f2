"""Files that claim what they do not have, or want to be run: told in a sentence."""

import zipfile

import pytest

from slimrnn import ir
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free


class Runs:
    """What a pickle runs when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_runs_nothing(old, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "m.pth"
    torch = pytest.importorskip("torch")
    torch.save({"a": Runs(marker)}, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match=r"io\.open, which is not read"):
        ir.read(path)
    assert not marker.exists()


def test_a_tensor_that_claims_more_than_its_file_holds(tmp_path):
    torch = pytest.importorskip("torch")
    wide = torch.zeros(1).expand(1 << 20, 1 << 12)
    torch.save({"a.weight": wide}, tmp_path / "m.pth")
    with pytest.raises(InputError, match="says that it has 17179869184 bytes"):
        ir.read(tmp_path / "m.pth")


def test_an_archive_that_unpacks_to_more_than_memory(tmp_path):
    path = tmp_path / "m.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("m/data.pkl", b"")
        file.writestr("m/data/0", bytes(3 * 10**8))
    with pytest.raises(InputError, match="says that it has 300000000 bytes"):
        ir.read(path)


@pytest.mark.parametrize("ending", [".h5", ".pth", ".json", ".keras", ".csv"])
def test_what_is_no_model(ending, tmp_path):
    sentence = "cannot be read as" if ending != ".csv" else "allowed: Keras"
    path = tmp_path / f"m{ending}"
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match=sentence):
        ir.read(path)
