"""An exported folder: what it proves of itself, and how each kind of damage is named."""

import json

import msgspec
import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.models import exported, self_test
from pipelines.models.ports import Transcript
from pipelines.models.self_test import SelfTest, VectorTest, differs, record, save
from tests.helpers.exported import toy, where_from

AUDIO = np.linspace(-1, 1, 1_600, dtype=np.float32)


@pytest.fixture
def folder(tmp_path):
    return toy(tmp_path / "mine")


def test_what_is_written_is_read_back(folder):
    card = exported.check(folder)
    assert (card.name, card.port, card.kind, card.licence) == ("mine", "stt", "ctc", "CC-BY-4.0")
    assert card.note == 'digits, "noisy"'
    assert {file.name for file in card.files} == {"weights.bin", "card.json", "self_test.npz"}
    told = exported.read_card(folder).provenance
    assert (told.data, told.seed, told.figures) == (where_from().data, 7, {"test": {"wer": 4.25}})
    assert exported.languages_of(folder) == ("en",)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("weights.bin", r"mine in .*: weights\.bin has sha256"),
        ("card.json", r"mine in .*: card\.json has sha256"),
        ("self_test.npz", r"mine in .*: self_test\.npz has sha256"),
    ],
)
def test_a_changed_byte_is_found_and_named(folder, file, words):
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        exported.check(folder)


def test_every_fault_is_said_at_once(folder):
    (folder / "weights.bin").write_bytes(b"longer than it was")
    (folder / "card.json").unlink()
    with pytest.raises(ModelError, match=r"weights\.bin has 18 bytes instead of 7; card\.json is missing.*again"):
        exported.check(folder)


@pytest.mark.parametrize(
    ("key", "other"), [("kind", "wav2vec2"), ("licence", "CC0-1.0"), ("name", "other"), ("note", "x")]
)
def test_a_manifest_that_was_changed_alone_contradicts_the_card(folder, key, other):
    manifest = folder / "model.toml"
    lines = manifest.read_text().splitlines()
    changed = [f'{key} = "{other}"' if line.startswith(f"{key} = ") else line for line in lines]
    assert changed != lines
    manifest.write_text("\n".join(changed))
    with pytest.raises(ModelError, match=rf"card\.json says {key} .*model\.toml '{other}'"):
        exported.check(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[[models]]", "[[models", r"model\.toml"),
        ('port = "stt"', 'port = "ears"', "ears"),
        ('name = "weights.bin"', 'name = "../weights.bin"', "plain file name"),
        ('name = "card.json"', 'name = "carte.json"', r"does not name card\.json"),
        ('name = "weights.bin"', 'name = "card.json"', "twice"),
        ("[[models]]", 'colour = "red"\n[[models]]', "more than"),
    ],
)
def test_a_manifest_out_of_form_is_refused_with_the_mend(folder, old, new, words):
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    with pytest.raises(ModelError, match=words) as refused:
        exported.check(folder)
    assert "Export it again" in str(refused.value)


def test_a_folder_that_is_none(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelError, match=r"no exported model: it has no model\.toml"):
            exported.check(path)


def test_a_card_with_an_unknown_key_is_refused(folder):
    card = json.loads((folder / "card.json").read_text()) | {"colour": "red"}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"card\.json: .*colour"):
        exported.read_card(folder)


# ---- the self-test


class Recogniser:
    """Says and scores what it is told to."""

    def __init__(self, text, scores):
        self.text, self.scores = text, np.array(scores, np.float32)

    def transcribe(self, audio, *, languages, final, hot_words=""):
        assert not final  # greedy, whatever beam is configured
        return Transcript(self.text, languages[0])

    def log_probs(self, audio):
        return self.scores


SCORES = [[-0.1, -2.5], [-np.inf, 0.0]]


@pytest.mark.parametrize(
    ("text", "scores", "wrong"),
    [
        ("four two five", SCORES, ""),
        ("Four two  five", [[-0.105, -2.495], [-np.inf, 0.0]], ""),
        ("four two five", [[-0.1, -2.4], [-np.inf, 0.0]], "differ by up to 0.1"),
        ("four two five", [[-0.1, np.nan], [-np.inf, 0.0]], "differ by up to nan"),
        ("four two five", [[-0.1, -2.5], [-1.0, 0.0]], "differ by up to inf"),
        ("four two five", [[-0.1, -2.5]], "shape"),
        ("seven", SCORES, "says 'seven' instead of 'four two five'"),
        ("", SCORES, "says ''"),
    ],
)
def test_another_model_fails_the_self_test(tmp_path, text, scores, wrong):
    self_test.save(record(Recogniser("four two five", SCORES), AUDIO, "en"), tmp_path / "self_test.npz")
    found = differs("stt", Recogniser(text, scores), self_test.load(tmp_path / "self_test.npz"))
    assert wrong in found
    assert bool(found) == bool(wrong)


def test_a_self_test_that_proves_nothing_is_refused():
    with pytest.raises(ModelError, match="proves nothing"):
        SelfTest(audio=AUDIO, language="en", text=" ")
    with pytest.raises(ModelError, match="float32, mono"):
        SelfTest(audio=AUDIO.astype(np.float64), language="en", text="four")
    with pytest.raises(ModelError, match="15 s"):
        SelfTest(audio=np.zeros(16_000 * 15 + 1, np.float32), language="en", text="four")


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_self_test_is_named(tmp_path, content):
    path = tmp_path / "self_test.npz"
    if content is None:
        np.savez(path, audio=AUDIO)
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"self_test\.npz is no self-test"):
        self_test.load(path)


def test_a_self_test_cannot_hold_objects(tmp_path):
    path = tmp_path / "self_test.npz"
    np.savez(path, audio=np.array([print], object), text="a", language="en", tolerance=1.0)
    with pytest.raises(ModelError, match="no self-test"):
        self_test.load(path)


CLIP = np.linspace(-0.5, 0.5, 16_000, dtype=np.float32)


class Halver:
    """A denoiser that halves."""

    def initial_state(self):
        return None

    def denoise(self, audio, state):
        return audio / 2, state


class Encoder:
    size = 2

    def embed(self, audio):
        return np.array([0.6, 0.8], np.float32)


class Judge:
    def p_end(self, audio):
        return 0.25


class Feeler:
    labels = ("angry", "calm")

    def recognize(self, audio):
        return {"calm": 0.9, "angry": 0.1}


class Reader:
    def analyze(self, text, language):
        return {"positive": 0.7, "neutral": 0.2, "negative": 0.1} if language == "en" else {}


class Meter:
    """The loudest sample of a window; its state counts windows."""

    window = 512

    def initial_state(self):
        return np.zeros(1, np.float32)

    def analyze(self, windows, states):
        return [float(np.abs(w).max() + s[0]) for w, s in zip(windows, states, strict=True)], [s + 1 for s in states]


@pytest.mark.parametrize(
    ("port", "model", "test"),
    [
        ("denoise", Halver(), {"audio": CLIP, "output": CLIP / 2}),
        ("speaker", Encoder(), {"audio": CLIP, "output": np.array([0.6, 0.8], np.float32)}),
        ("turn", Judge(), {"audio": CLIP, "output": np.array([0.25], np.float32)}),
        ("emotion", Feeler(), {"audio": CLIP, "output": np.array([0.1, 0.9], np.float32)}),
        ("sentiment", Reader(), {"text": "Fine.", "output": np.array([0.1, 0.2, 0.7], np.float32)}),
        ("vad", Meter(), {"audio": CLIP[:1_100], "output": np.array([0.5, 1 + np.abs(CLIP[512])], np.float32)}),
    ],
)
def test_models_of_every_port_are_recognised_by_their_numbers(tmp_path, port, model, test):
    save(VectorTest(**test), tmp_path / "self_test.npz")
    kept = self_test.load(tmp_path / "self_test.npz")
    assert differs(port, model, kept) == ""
    np.testing.assert_array_equal(kept.output, test["output"])
    other = msgspec.structs.replace(kept, output=kept.output + np.float32(0.02))
    assert "differs by 0.02" in differs(port, model, other)
    shorter = msgspec.structs.replace(kept, output=np.append(kept.output, np.float32(0)))
    assert "shape" in differs(port, model, shorter)
    assert "not one of a model for stt" in differs("stt", model, kept)


@pytest.mark.parametrize(
    "wrong",
    [
        {"output": np.zeros(1, np.float32)},  # neither a clip nor a text
        {"output": np.zeros(1, np.float32), "audio": CLIP, "text": "both"},
        {"output": np.zeros(0, np.float32), "audio": CLIP},
        {"output": np.array([np.nan], np.float32), "audio": CLIP},
        {"output": np.zeros(1, np.float32), "audio": CLIP.astype(np.float64)},
        {"output": np.zeros(1, np.float32), "audio": CLIP, "tolerance": 0.0},
    ],
)
def test_numbers_that_prove_nothing_are_refused(wrong):
    with pytest.raises(ModelError):
        VectorTest(**wrong)
