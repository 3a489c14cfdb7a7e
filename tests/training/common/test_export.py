"""Exporting: the folder is whole, proven through the adapter that serves it, and never half there."""

import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.models import exported, self_test
from tests.helpers.exported import tiny, toy, where_from
from tests.helpers.hearing import CLIPS, utterance, weights
from training.common.export import export, git_state, provenance


def left(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_store_s_whisper_becomes_a_model_of_ones_own(tmp_path):
    from pipelines.adapters import kinds

    files = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    whisper = weights("whisper-base", *files)
    made = {
        "port": "stt",
        "kind": "faster-whisper",
        "licence": "MIT",
        "note": "Whisper base as it is",
        "weights": {name: whisper / name for name in files},
        "provenance": where_from(("en", "fr")),
    }
    heard = self_test.record(
        kinds.load("stt", "faster-whisper", whisper, threads=2), utterance(CLIPS / "en_prompt.flac"), "en"
    )
    assert "logged" in heard.text
    folder = export(tmp_path / "out", name="mine", self_test=heard, **made)
    assert exported.check(folder).name == "mine"
    assert left(folder) == {*files, "model.toml", "card.json", "self_test.npz"}
    # What the trained model said is what counts, not what the exported one says.
    other = msgspec.structs.replace(heard, text="The doctor is away until Monday.")
    with pytest.raises(ModelError, match=r"theirs as the server loads it is not the model that was trained: it says"):
        export(tmp_path / "theirs", name="theirs", self_test=other, **made)
    assert left(tmp_path) == {"out"}


@pytest.mark.parametrize("kind", ["ctc", "wav2vec2"])
def test_log_probabilities_are_compared_as_well(tmp_path, kind):
    pytest.importorskip("torch")
    test = self_test.load(tiny(tmp_path, kind) / self_test.FILE)
    assert test.log_probs is not None
    louder = msgspec.structs.replace(test, log_probs=test.log_probs * np.float32(1.02))
    with pytest.raises(ModelError, match="log-probabilities differ by up to"):
        tiny(tmp_path, kind, "other", self_test=louder)
    assert left(tmp_path) == {"net", "tiny"}


def test_what_lies_there_is_not_overwritten_unless_told(tmp_path):
    folder = toy(tmp_path / "mine", content=b"first")
    with pytest.raises(ModelError, match="there already"):
        toy(tmp_path / "mine", content=b"second")
    assert (folder / "weights.bin").read_bytes() == b"first"
    toy(tmp_path / "mine", content=b"second", replace=True)
    assert (folder / "weights.bin").read_bytes() == b"second"
    assert left(tmp_path) == {"mine", "weights.bin"}


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("It was")
    with pytest.raises(ModelError, match="no exported model, so it is not replaced"):
        toy(tmp_path / "thesis", replace=True)
    assert left(tmp_path / "thesis") == {"chapter1.txt"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"kind": "gguf", "prove": True},
            r"nothing here runs models for stt of kind 'gguf'\. Known: faster-whisper, ctc",
        ),
        ({"name": "../mine"}, "plain folder name"),
        ({"weights": {"card.json": None}}, r"card\.json is the export's own file"),
        ({"weights": {"model.safetensors": Path("nowhere.safetensors")}}, "No such file"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(tmp_path, changed, words):
    with pytest.raises(ModelError, match=words):
        toy(tmp_path / "mine", **changed)
    assert left(tmp_path) <= {"weights.bin"}


def test_the_card_says_where_a_model_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/bin/allo", "train", "ctc", "my recipe.toml"])
    folder, figure = tmp_path / "data", np.float32(4.5)
    told = provenance(
        data=[], seed=3, recipe={"folder": folder}, figures={"wer": figure, "of": np.arange(2)}, languages=["fr"]
    )
    assert told.command == shlex.join(["allo", "train", "ctc", "my recipe.toml"])
    assert told.made.endswith("+00:00")
    assert told.packages["numpy"] == np.__version__
    read = exported.read_card(toy(tmp_path / "mine", provenance=told)).provenance
    assert (read.recipe, read.figures) == ({"folder": str(folder)}, {"wer": 4.5, "of": [0, 1]})


def test_the_commit_and_whether_the_code_was_changed(tmp_path):
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_state(tmp_path) == ("", False)
    git("init", "-q")
    (tmp_path / "net.py").write_text("layers = 2")
    git("add", ".")
    git("commit", "-qm", "A net")
    assert git_state(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "net.py").write_text("layers = 3")
    assert git_state(tmp_path) == (git("rev-parse", "HEAD"), True)
