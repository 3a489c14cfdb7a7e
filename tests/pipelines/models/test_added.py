"""Models of one's own in the store: brought in whole, refused by name, known to the registry, gone when removed."""

import subprocess
import sys

import pytest

from pipelines.errors import ModelError
from pipelines.models.added import add, remove
from pipelines.models.registry import Registry
from pipelines.models.store import Store
from tests.helpers.exported import toy


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def names(root) -> set[str]:
    """What lies in the store, but for the lock."""
    return {path.name for path in root.iterdir()} - {".added-lock"}


def test_an_added_model_is_named_like_any_other(tmp_path, root):
    folder = toy(tmp_path / "out" / "mine")
    assert add(Store(root), folder).name == "mine"
    store = Store(root)
    assert store.registry.added == {"mine"}
    assert store.path("mine") == root / "mine"
    assert store.status("mine").state == "ready"
    assert "whisper-base" in store.registry
    assert (root / "mine" / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()


def test_a_shipped_name_is_refused(tmp_path, root):
    with pytest.raises(ModelError, match="whisper-base is a name that a known model has"):
        add(Store(root), toy(tmp_path / "mine", name="whisper-base"))
    assert not (root / "whisper-base").exists()


def test_a_name_is_taken_once_unless_replaced(tmp_path, root):
    add(Store(root), toy(tmp_path / "a" / "mine", content=b"first"))
    second = toy(tmp_path / "b" / "mine", content=b"second")
    with pytest.raises(ModelError, match="--replace"):
        add(Store(root), second)
    assert (root / "mine" / "weights.bin").read_bytes() == b"first"
    add(Store(root), second, replace=True)
    assert Store(root).verify("mine") == root / "mine"
    assert (root / "mine" / "weights.bin").read_bytes() == b"second"
    assert names(root) == {"mine"}


def test_what_is_broken_leaves_the_store_as_it_was(tmp_path, root):
    add(Store(root), toy(tmp_path / "a" / "mine", content=b"first"))
    second = toy(tmp_path / "b" / "mine", content=b"second")
    (second / "weights.bin").write_bytes(b"s3cond")
    with pytest.raises(ModelError, match=rf"mine in {second} .*weights\.bin has sha256"):
        add(Store(root), second, replace=True)
    assert Store(root).verify("mine")
    assert (root / "mine" / "weights.bin").read_bytes() == b"first"
    assert names(root) == {"mine"}


def test_a_folder_that_was_not_added_is_not_replaced(tmp_path, root):
    (root / "mine").mkdir(parents=True)
    (root / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(ModelError, match="was not added"):
        add(Store(root), toy(tmp_path / "mine"), replace=True)
    assert (root / "mine" / "diary.txt").exists()


def test_a_model_tampered_with_in_the_store_is_refused_by_name(tmp_path, root):
    add(Store(root), toy(tmp_path / "mine"))
    Store(root).path("mine")
    (root / "mine" / "weights.bin").write_bytes(b"w3ights")
    with pytest.raises(ModelError, match=r"mine: .*weights\.bin has sha256.*allo models add FOLDER --replace"):
        Store(root).path("mine")


def test_a_manifest_tampered_with_in_the_store_is_refused_by_name(tmp_path, root):
    add(Store(root), toy(tmp_path / "mine"))
    manifest = root / "mine" / "model.toml"
    manifest.write_text(manifest.read_text().replace('licence = "CC-BY-4.0"', 'licence = "CC0-1.0"'))
    with pytest.raises(ModelError, match=r"mine: card\.json says licence 'CC-BY-4\.0', model\.toml 'CC0-1\.0'"):
        Store(root).path("mine")


@pytest.mark.parametrize("content", ["[[models", '[[models]]\nname = "mine"\n'])
def test_a_broken_one_harms_no_other(tmp_path, root, content):
    add(Store(root), toy(tmp_path / "a" / "mine"))
    add(Store(root), toy(tmp_path / "b" / "yours", name="yours"))
    (root / "mine" / "model.toml").write_text(content)
    store = Store(root)
    assert store.path("yours")
    assert list(store.registry.broken) == ["mine"]
    assert "mine" not in {status.card.name for status in store.list()}
    with pytest.raises(ModelError, match=r"mine/model\.toml.*Export it again"):
        store.path("mine")
    remove(store, "mine")
    assert names(root) == {"yours"}


def test_a_folder_that_was_renamed_by_hand_is_refused(tmp_path, root):
    add(Store(root), toy(tmp_path / "mine"))
    (root / "mine").rename(root / "theirs")
    with pytest.raises(ModelError, match=r"theirs/model\.toml is of a model called mine.*allo models remove theirs"):
        Store(root).path("theirs")


def test_only_what_was_added_is_removed(tmp_path, root):
    add(Store(root), toy(tmp_path / "mine"))
    with pytest.raises(ModelError, match=r"whisper-base was not added.*Added: mine"):
        remove(Store(root), "whisper-base")
    for name in ("nothing", "../store", ".", ""):
        with pytest.raises(ModelError, match="no model is called"):
            remove(Store(root), name)
    remove(Store(root), "mine")
    assert names(root) == set()
    with pytest.raises(ModelError, match="no model is called 'mine'"):
        Store(root).path("mine")


def test_a_manifest_of_the_users_may_not_take_the_name(tmp_path, root):
    add(Store(root), toy(tmp_path / "mine"))
    manifest = tmp_path / "own.toml"
    manifest.write_text((root / "mine" / "model.toml").read_text())
    registry = Registry.load([manifest], root)
    assert registry.added == frozenset()
    with pytest.raises(ModelError, match="a manifest has that name too"):
        registry["mine"]


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path, root):
    folder = toy(tmp_path / "mine", content=bytes(1 << 20))
    killed = (
        "import os, shutil, sys; from pathlib import Path; from pipelines.models import added; "
        "from pipelines.models.store import Store; "
        "added.shutil.copyfile = lambda a, b: os._exit(9); "
        f"added.add(Store(Path({str(root)!r})), Path({str(folder)!r}))"
    )
    assert subprocess.run([sys.executable, "-c", killed]).returncode == 9
    assert len(names(root)) == 1
    assert Store(root).registry.added == frozenset()
    add(Store(root), folder)
    assert names(root) == {"mine"}
