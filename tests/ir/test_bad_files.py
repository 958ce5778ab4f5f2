"""200 damaged files of all formats: each is read or told in a sentence, no more."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from deploy_problems import layers, model_of
from h5_files import LSTM, WEIGHTS, saved
from json_models import guitarml, nam, rtneural, state_dict
from slimrnn import ir
from slimrnn.errors import InputError

EACH = 25  # files of a format
# The peak of this process alone: what getrusage tells counts its parent's as well.
READ = """
import json, re, sys
from pathlib import Path
from slimrnn import ir
from slimrnn.errors import InputError
found = {}
for file in sorted(Path(sys.argv[1]).iterdir()):
    try:
        ir.read(file)
        found[file.name] = "read"
    except InputError as error:
        found[file.name] = str(error)
peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([found, int(peak[1]) if peak else 0]))
"""


def h5(path):
    return saved(path, "2.2.4", [LSTM], {"a": WEIGHTS})


def keras(path):
    model_of(layers.LSTM(4), features=3).save(path)


def torch(old):
    def write(path):
        torch = pytest.importorskip("torch")
        tensors = {k: torch.tensor(v) for k, v in state_dict().items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=not old)

    return write


def as_json(make):
    return lambda path: path.write_text(json.dumps(make()))


FORMATS = {
    "a.h5": h5,
    "b.keras": keras,
    "c.pth": torch(old=False),
    "d.pth": torch(old=True),
    "e.json": as_json(rtneural),
    "f.json": as_json(guitarml),
    "g.nam": as_json(nam),
    "h.json": as_json(lambda: {k: v.tolist() for k, v in state_dict().items()}),
}


def cut(content, rng):
    return content[: rng.integers(len(content))]


def flipped(content, rng):
    changed = bytearray(content)
    for place in rng.integers(len(content), size=rng.integers(1, 9)):
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def scribbled(content, rng):
    """Over the beginning, where sizes are told."""
    changed = bytearray(content)
    for place in rng.integers(min(2000, len(content)), size=20):
        changed[place] = rng.integers(256)
    return bytes(changed)


def renumbered(content, rng):
    """Negative and huge where a digit stood, and what is no number."""
    digits = [k for k, byte in enumerate(content) if byte in b"0123456789"]
    place = rng.choice(digits) if digits else 0
    said = rng.choice([b"-3", b"99999999999", b"1e400", b"NaN", b"[]", b"null"])
    return content[:place] + bytes(said) + content[place + 1 :]


def nested(content, rng):
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", content)
        archive.writestr("x/data/0", bytes(10**7))
        archive.writestr("config.json", content)
    return inside.getvalue()


MUTATIONS = (cut, flipped, scribbled, renumbered, nested)


@pytest.mark.filterwarnings("ignore")
def test_damaged_files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number, (name, write) in enumerate(FORMATS.items()):
        write(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        assert any(ir.read(tmp_path / name).recurrent())
        for k in range(EACH):
            rng = np.random.default_rng([number, k])
            changed = MUTATIONS[k % len(MUTATIONS)](whole, rng)
            (folder / f"{k:02}{name}").write_bytes(changed)
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert len(files) == 200
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, folder],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, kibibytes = json.loads(done.stdout.splitlines()[-1])
    assert kibibytes < 1e6
    told = [sentence for sentence in found.values() if sentence != "read"]
    assert len(told) > 100
    assert all(line.endswith(".") and "\n" not in line for line in told)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == files


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
