"""The room from its data to a model that is served, at the smallest size."""

import json

import numpy as np
import pytest
import soundfile

from pipelines.adapters import kinds
from pipelines.adapters.turn.tune import TuneTurn
from pipelines.errors import ModelError
from training.common.recipe import load
from training.common.telephony import Telephone
from training.turn.data import Batches, Examples, divided
from training.turn.pauses import followed, silences
from training.turn.recipe import TurnRecipe
from training.turn.table import compare, of_call
from training.turn.train import run

RATE = 16_000


def spoken(*spans_s, seconds, hertz=140.0, seed=0):
    """Buzzes where somebody speaks, over a quiet room."""
    audio = np.random.default_rng(seed).normal(0, 1e-3, int(seconds * RATE)).astype(np.float32)
    for first, last in spans_s:
        time = np.arange(int((last - first) * RATE)) / RATE
        audio[int(first * RATE) : int(first * RATE) + time.size] += 0.1 * sum(
            np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 9)
        )
    return audio.astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "read").mkdir()
    rows = []
    for number in range(8):
        audio = spoken((0.1, 0.9), (1.2, 2.0), (2.08, 2.6), seconds=2.8, hertz=100 + 20 * number, seed=number)
        soundfile.write(folder / "read" / f"{number}.flac", audio, RATE)
        rows.append(json.dumps({"audio": f"{number}.flac", "speaker": f"s{number}", "language": "en", "duration": 2.8}))
    (folder / "read" / "manifest.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    file.write_text("""
name = "tiny"
[data]
speech = ["read/manifest.jsonl"]
test = 0.25
validation = 0.25
variations = 1
batch = 4
[net]
seconds = 1.0
width = 8
[loop]
steps = 3
evaluate_every = 3
log_every = 1
tensorboard = false
""")
    return load(file, TurnRecipe)


def test_silences_are_pauses_dips_and_one_end():
    found = silences(spoken((0.1, 0.9), (1.2, 2.0), (2.08, 2.6), seconds=2.8))
    assert [one.kind for one in found] == ["pause", "dip", "end"]
    assert [one.at / RATE for one in found] == pytest.approx([0.9, 2.0, 2.6], abs=0.02)
    assert [one.length / RATE for one in found] == pytest.approx([0.3, 0.08, 0.2], abs=0.03)


def test_a_sentence_that_ends_inside_or_trails_off_is_no_pause_and_no_end():
    audio = spoken((0.1, 0.9), (1.2, 2.0), (2.08, 2.6), seconds=2.8)
    assert [one.kind for one in silences(audio, "Yes. On Monday.")] == ["dip", "end"]
    assert [one.kind for one in silences(audio, "And then...")] == ["pause", "dip"]
    assert [one.kind for one in silences(audio, "Yes.")] == ["pause", "dip", "end"]


def test_a_recording_goes_on_in_its_own_quiet():
    audio = spoken((0.1, 0.9), seconds=1.5)
    longer = followed(audio, RATE // 2, np.random.default_rng(0))
    np.testing.assert_array_equal(longer[: audio.size], audio)
    behind = np.square(longer[audio.size :]).mean()
    assert 0.2 < behind / np.square(audio[-RATE // 4 :]).mean() < 3


def test_an_example_shows_neither_by_its_length_nor_by_its_silence_what_it_is(data, recipe):
    parts = divided(recipe.data, data)
    examples = Examples(parts["train"], Telephone(recipe.data.telephone), 1, 0)
    kinds_ = examples.places["read"]
    assert all(kinds_[kind] for kind in ("end", "pause", "dip"))
    batches = Batches(examples, recipe.data, 200, 0, 0)
    shown = {True: [], False: []}
    for place in range(30):
        batch = batches[place]
        for frames, end in zip(batch["frames"].numpy(), batch["ends"].numpy(), strict=True):
            shown[bool(end)].append(frames[:, -1].sum())
    assert abs(np.mean(shown[True]) - np.mean(shown[False])) < 12  # frames, of a hundred or two
    np.testing.assert_array_equal(batches[3]["frames"], Batches(examples, recipe.data, 200, 0, 0)[3]["frames"])


def test_nobody_is_trained_on_and_measured(data, recipe):
    parts = divided(recipe.data, data)
    speakers = [{turn.clip.speaker for turn in parts[name]} for name in ("train", "validation", "test")]
    assert all(speakers)
    assert not speakers[0] & speakers[1] | speakers[0] & speakers[2] | speakers[1] & speakers[2]


@pytest.fixture(scope="module")
def exported(data, recipe, tmp_path_factory):
    return run(recipe, data, tmp_path_factory.mktemp("out"), quiet=True, say=lambda _: None)


def test_a_trained_net_is_exported_and_served_by_its_kind(exported):
    detector = kinds.load("turn", "tune", exported)
    assert isinstance(detector, TuneTurn)
    audio = spoken((0.1, 0.9), seconds=1.1)
    before = audio.copy()
    assert 0 <= detector.p_end(audio) <= 1
    assert (audio == before).all()


@pytest.mark.parametrize("seconds", [0, 0.01, 1, 9])
def test_any_length_is_judged_and_only_the_last_seconds_count(exported, seconds):
    detector = TuneTurn(exported)
    audio = np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    said = detector.p_end(audio)
    assert 0 <= said <= 1
    if seconds > 2:
        assert detector.p_end(np.concatenate((np.ones(8_000, np.float32), audio))) == pytest.approx(said, abs=1e-5)


def test_a_missing_file_and_audio_of_the_wrong_shape_are_model_errors(exported, tmp_path):
    with pytest.raises(ModelError, match="allo models pull"):
        TuneTurn(tmp_path)
    with pytest.raises(ModelError):
        TuneTurn(exported).p_end(np.zeros((2, 1_000), np.float32))


def test_in_a_call_of_two_an_end_is_where_the_other_speaks_next(tmp_path):
    caller = spoken((0.2, 1.0), (1.4, 2.2), (6.0, 7.0), (7.5, 8.0), seconds=9.0)
    agent = spoken((3.0, 5.0), seconds=9.0, hertz=200, seed=1)
    soundfile.write(tmp_path / "call.wav", np.stack((agent, caller), axis=1), RATE)
    found = of_call(tmp_path / "call.wav")
    assert [one.kind for one in found] == ["pause", "end", "pause"]


def test_the_table_tells_a_good_detector_from_one_that_guesses(data, recipe):
    class ByLength:
        """In this data ends come later than pauses."""

        def p_end(self, audio):
            return audio.size / 1e6

    class Guesses:
        def p_end(self, audio):
            return 0.5

    table = compare(recipe, data, {"guesses": [Guesses()], "length": [ByLength()]})
    [row] = [line for line in table.splitlines() if "unseen speakers" in line]
    assert "0.50 (0.50 to 0.50)" in row
    assert "1.00 (1.00 to 1.00)" in row

    table = compare(recipe, data, {"guesses": [Guesses()], "two trainings": [ByLength(), Guesses()]})
    [row] = [line for line in table.splitlines() if "unseen speakers" in line]
    assert "0.75 (0.75 to 0.75); 1.00, 0.50" in row
    assert row.endswith("| +0.25 to +0.25 |")
