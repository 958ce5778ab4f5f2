"""Ways to damage a file: at random from a seed, or in a way that is known to hurt."""

import functools
import io
import json
import zipfile

import numpy as np


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


SAID = (
    *(b"-3", b"0", b"99999999999", b"1e400", b"NaN", b"[]", b"{}", b"null", b'"x"'),
    *(b"1000000000", b"0.5", b"true", b'"\\u0000"', b"9" * 400),
)


def renumbered(content, rng):
    """Negative and huge where a number stood, and what is no number."""
    digits = [k for k, byte in enumerate(content) if byte in b"0123456789"]
    place = rng.choice(digits) if digits else 0
    said = SAID[rng.integers(len(SAID))]
    return content[:place] + said + content[place + 1 :]


def swapped(content, rng):
    """Two pieces change places."""
    a, b, c = sorted(rng.integers(len(content), size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def buried(content, rng):
    """Deeper in brackets than a parser goes."""
    place, depth = rng.integers(len(content)), 10**4
    inside = rng.choice([b"[", b'{"a":'])
    return content[:place] + bytes(inside) * depth + content[place:]


def nested(content, rng):
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", content)
        archive.writestr("x/data/0", bytes(10**7))
        archive.writestr("config.json", content)
    return inside.getvalue()


def of_zip(elsewhere):
    """A way to damage the members of a zip; of other files there is another way."""

    def decorated(damage):
        @functools.wraps(damage)
        def damaged(content, rng):
            if not zipfile.is_zipfile(io.BytesIO(content)):
                return elsewhere(content, rng)
            members = unzipped(content)
            return damage(members, str(rng.choice(list(members))), rng)

        return damaged

    return decorated


@of_zip(elsewhere=swapped)
def repacked(members, name, rng):
    """One member of a zip is damaged, and the zip is whole: no check sum tells."""
    ways = (cut, flipped, scribbled, renumbered, swapped, buried)
    if members[name]:
        members[name] = ways[rng.integers(len(ways))](members[name], rng)
    return zipped(members)


@of_zip(elsewhere=buried)
def bomb(members, name, rng):
    """A zip of which a member says that it has 4 GB."""
    whole = bytearray(zipped(members))
    entry = whole.rfind(b"PK\x01\x02", 0, whole.rfind(name.encode()))
    whole[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    return bytes(whole)


@of_zip(elsewhere=renumbered)
def declared(members, name, rng):
    """An array of NumPy, in a zip, whose header says that it has 10 GB and more."""
    head = io.BytesIO()
    shape = tuple(map(int, rng.choice([1, 8, 10**5, 10**9, 2**62], size=3)))
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, about)
    return zipped({**members, name: head.getvalue() + bytes(1000)})


def unzipped(content):
    """The members of a zip by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return whole.getvalue()


MUTATIONS = (
    *(cut, flipped, scribbled, renumbered, swapped, buried),
    *(nested, repacked, bomb, declared),
)


def reconfigured(content, old, new):
    """A ``.keras`` file that says something else in its configuration."""
    members = unzipped(content)
    changed = members["config.json"].decode().replace(old, new)
    return zipped({**members, "config.json": changed.encode()})


def as_json(make):
    return lambda path: path.write_text(json.dumps(make()))
