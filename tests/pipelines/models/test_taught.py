import struct

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.models import fetch, taught
from pipelines.models.card import Another, Carried
from pipelines.models.ctranslate2_file import tensors
from pipelines.models.registry import Registry
from pipelines.models.store import Store
from pipelines.models.taught import Change
from tests.helpers.models import card

_CODES = {"float32": 0, "int8": 1, "float16": 4}


def written(arrays: dict[str, np.ndarray], spec: str = "WhisperSpec", version: int = 6) -> bytes:
    """A CTranslate2 file, as its `model_spec.py` writes it."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    data = struct.pack("<I", version) + text(spec) + struct.pack("<II", 3, len(arrays))
    for name, values in arrays.items():
        data += text(name) + struct.pack("<B", values.ndim) + struct.pack(f"<{values.ndim}I", *values.shape)
        data += struct.pack("<BI", _CODES[values.dtype.name], values.nbytes) + values.tobytes()
    return data


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    wide = random.normal(0, 0.05, (6, 4)).astype(np.float16)
    return {"a/weight": wide, "a/bias": wide[0].astype(np.float32), "b/weight": -wide, "heads": np.int8(8)}


@pytest.fixture
def base(tmp_path, arrays):
    path = tmp_path / "model.bin"
    path.write_bytes(written({name: np.asarray(values) for name, values in arrays.items()}))
    return path


@pytest.fixture
def change():
    random = np.random.default_rng(1)
    up, down = random.integers(-127, 128, (3, 2)), random.integers(-127, 128, (2, 4))
    return Change(up.astype(np.int8), down.astype(np.int8), np.array([1e-6, 2e-6, 3e-6], np.float32))


def held(path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    return {tensor.name: tensor.read(data) for tensor in tensors(data, path)}


def test_what_is_read_is_what_was_written(base, arrays):
    found = held(base)
    assert list(found) == list(arrays)
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_the_rows_that_are_meant_are_changed_and_nothing_else(tmp_path, base, arrays, change):
    taught.apply({("a/weight", 3): change}, base, tmp_path / "after.bin")
    found = held(tmp_path / "after.bin")
    assert all(np.array_equal(found[name], arrays[name]) for name in ("a/bias", "b/weight", "heads"))
    assert np.array_equal(found["a/weight"][:3], arrays["a/weight"][:3])
    wanted = arrays["a/weight"][3:] + change.scale[:, None] * (change.up.astype(int) @ change.down.astype(int))
    assert np.abs(found["a/weight"][3:] - wanted).max() < 2e-5  # half a step of a float16 there
    assert not np.array_equal(found["a/weight"][3:], arrays["a/weight"][3:])


def test_every_machine_makes_the_same_numbers(change):
    """Each by exact arithmetic, rounded once to float32 after the multiplication, once after the addition, and once to float16."""
    weights = np.random.default_rng(2).normal(0, 0.05, (3, 4)).astype(np.float16)
    found = change.added_to(weights)
    for out, row in enumerate(found):
        for place, value in enumerate(row):
            product = sum(int(u) * int(d) for u, d in zip(change.up[out], change.down[:, place], strict=True))
            added = np.float32(float(change.scale[out]) * product)
            assert value == np.float16(np.float32(float(weights[out, place]) + float(added)))


def test_changes_are_read_as_they_were_written(tmp_path, change):
    taught.write({("a/weight", 0): change, ("a/weight", 3): change}, tmp_path / "changes.npz")
    found = taught.read(tmp_path / "changes.npz")
    assert list(found) == [("a/weight", 0), ("a/weight", 3)]
    for part in Change.__struct_fields__:
        assert np.array_equal(getattr(found["a/weight", 3], part), getattr(change, part))


@pytest.mark.parametrize("place", [("c/weight", 0), ("a/bias", 0), ("a/weight", 4)])
def test_changes_of_another_model_are_refused(tmp_path, base, change, place):
    with pytest.raises(ModelError, match="changes"):
        taught.apply({place: change}, base, tmp_path / "after.bin")
    assert not (tmp_path / "after.bin").exists()


def test_what_is_no_such_file_is_told(tmp_path, base, change):
    whole = base.read_bytes()
    for data, why in [
        (whole[:40], "no whole CTranslate2 model"),
        (written({}, spec="TransformerSpec"), "not a Whisper"),
        (written({}, version=5), "version 5"),
        (b"", "no whole"),
    ]:
        base.write_bytes(data)
        with pytest.raises(ModelError, match=why):
            taught.apply({("a/weight", 0): change}, base, tmp_path / "after.bin")
    base.write_bytes(b"PK")
    with pytest.raises(ModelError, match="no changes"):
        taught.read(base)


# ---- in the store


def test_a_taught_model_is_made_of_the_one_it_was_taught_from(tmp_path, monkeypatch, base, change):
    monkeypatch.setattr(fetch, "DATA", tmp_path)
    monkeypatch.setattr("pipelines.models.store.DATA", tmp_path)
    taught.write({("a/weight", 0): change}, tmp_path / "changes.npz")
    taught.apply({("a/weight", 0): change}, base, tmp_path / "after.bin")
    before, after = base.read_bytes(), (tmp_path / "after.bin").read_bytes()
    plain = card(
        {"model.bin": before, "words": b"a b"}, {"model.bin": [Carried("model.bin")], "words": [Carried("words")]}
    )
    (tmp_path / "words").write_bytes(b"a b")
    made = card(
        {"model.bin": after, "words": b"a b"},
        {"model.bin": [Another("toy", "changes.npz")], "words": [Another("toy")]},
        name="taught",
    )
    store = Store(tmp_path / "root", registry=Registry([plain, made]))
    folder = store.pull("taught")
    assert (folder / "model.bin").read_bytes() == after
    assert (folder / "words").read_bytes() == b"a b"
    assert (store.path("toy") / "model.bin").read_bytes() == before


def test_without_the_other_model_it_is_said_why(tmp_path, base):
    plain = card({"model.bin": base.read_bytes()}, {"model.bin": [Carried("not-there")]})
    made = card({"model.bin": b"x"}, {"model.bin": [Another("toy")]}, name="taught")
    store = Store(tmp_path / "root", registry=Registry([plain, made]))
    with pytest.raises(ModelError, match=r"taught/model\.bin .* could not be had .*not-there"):
        store.pull("taught")
