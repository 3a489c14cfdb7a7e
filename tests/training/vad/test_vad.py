"""The room from its data to a model that is served, at the smallest size."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.adapters import kinds
from pipelines.adapters.vad.gru import GruVad
from pipelines.errors import ModelError
from training.common.errors import DataError
from training.common.recipe import load
from training.vad import sounds
from training.vad.data import Mixer, divided, prepare
from training.vad.labels import UNSURE, by_energy, labels, of_windows, probabilities
from training.vad.recipe import MixSettings, VadRecipe
from training.vad.table import compare, utterances
from training.vad.train import run

RATE = 16_000
DIGITS = Path(__file__).parents[2] / "data" / "digits"


def burst(*spans_s, seconds=2.0, quiet=1e-3):
    rng = np.random.default_rng(0)
    audio = rng.normal(0, quiet, int(seconds * RATE)).astype(np.float32)
    for first, last in spans_s:
        a, b = int(first * RATE), int(last * RATE)
        audio[a:b] += rng.normal(0, 0.1, b - a).astype(np.float32)
    return audio


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "noise").mkdir()
    rows = []
    for number in range(2):
        noise = np.random.default_rng(number).normal(0, 0.05, 2 * RATE)
        soundfile.write(folder / "noise" / f"{number}.flac", noise, RATE)
        rows.append(json.dumps({"audio": f"{number}.flac", "duration": 2.0}))
    (folder / "noise" / "manifest.jsonl").write_text("\n".join(rows))
    (folder / "digits").symlink_to(DIGITS)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    file.write_text("""
name = "tiny"
[data]
speech = ["digits/manifest.jsonl"]
test = 0.3
validation = 0.3
noises = ["noise/manifest.jsonl"]
test_noises = ["1.flac"]
mixtures = 6
seconds = 2.0
crop = 30
batch = 3
[net]
bands = 16
width = 8
layers = 2
[loop]
steps = 3
evaluate_every = 3
log_every = 1
tensorboard = false
""")
    return load(file, VadRecipe)


def test_speech_is_where_it_is_loud_and_a_gap_inside_a_word_is_speech():
    label = by_energy(burst((0.5, 0.8), (0.85, 1.2)))
    assert (label[52:118] == 1).all()
    assert (label[:48] != 1).all()
    assert (label[125:] != 1).all()


def test_a_click_is_not_speech():
    assert not (by_energy(burst((0.3, 0.31), (1.0, 1.5)))[25:40] == 1).any()


class Deaf:
    window = 512

    def initial_state(self):
        return np.zeros(1, np.float32)

    def analyze(self, windows, states):
        return [0.0] * len(windows), list(states)


def test_what_the_teacher_does_not_take_for_speech_is_not_taught():
    [label] = labels([burst((0.5, 1.0))], Deaf())
    assert not (label == 1).any()
    assert (label[55:95] == UNSURE).all()


def test_windows_half_in_doubt_are_not_taught():
    samples = np.concatenate((np.ones(512), np.zeros(512), np.full(512, UNSURE), np.ones(256), np.zeros(256))).astype(
        np.int8
    )
    assert list(of_windows(samples, 512)) == [1, 0, UNSURE, 1]


def test_a_mixture_is_the_same_whenever_it_is_made_and_has_speech_where_it_says(data, recipe):
    parts = prepare(recipe.data, data, None, lambda _: None)
    mixer = Mixer(parts.train, parts.noises, [], MixSettings(quiet=1.0, speechless=0.0, wide_band=1.0), 0)
    first, again, other = mixer(0, 3.0), mixer(0, 3.0), mixer(1, 3.0)
    np.testing.assert_array_equal(first.audio, again.audio)
    assert (first.audio != other.audio).any()
    loud = np.square(first.audio)
    assert loud[first.speech == 1].mean() > 100 * loud[first.speech == 0].mean()


def test_nobody_is_trained_on_and_measured(data, recipe):
    parts = divided(recipe.data, data)
    speakers = [{clip.speaker for clip in parts[name]} for name in ("train", "validation", "test")]
    assert all(speakers)
    assert not speakers[0] & speakers[1] | speakers[0] & speakers[2] | speakers[1] & speakers[2]


def test_a_noise_that_is_not_there_is_named(data, recipe):
    settings = recipe.data.model_copy(update={"test_noises": ["siren.flac"]})
    with pytest.raises(DataError, match=r"siren\.flac"):
        prepare(settings, data, None, lambda _: None)


@pytest.mark.parametrize(
    "make", sorted(set(sounds.SOUNDS), key=lambda make: make.__name__), ids=lambda make: make.__name__
)
def test_sounds_are_finite_loud_and_never_the_same_twice(make):
    one, other = (make(np.random.default_rng(seed), RATE * 3) for seed in (1, 2))
    assert one.shape == (RATE * 3,)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert np.abs(one).max() > 1e-3
    assert (one != other).any()


def test_utterances_are_those_of_a_call():
    p = np.zeros(60)
    p[10:20] = 0.9
    assert utterances(p, 512) == [(10 * 512, 20 * 512)]


@pytest.fixture(scope="module")
def exported(data, recipe, tmp_path_factory):
    return run(recipe, data, tmp_path_factory.mktemp("out"), None, quiet=True, say=lambda _: None)


def test_a_trained_net_is_exported_and_served_by_its_kind(exported):
    vad = kinds.load("vad", "gru", exported)
    assert isinstance(vad, GruVad)
    [heard] = probabilities(vad, [burst((0.5, 1.0))])
    assert heard.shape == (62,)
    assert ((heard > 0) & (heard < 1)).all()


def test_a_batch_hears_what_each_call_alone_would(exported):
    vad = GruVad(exported)
    calls = [burst((0.2, 0.9)), burst(seconds=1.0), burst((0.1, 1.4))]
    for one, together in zip(calls, probabilities(vad, calls), strict=True):
        np.testing.assert_allclose(probabilities(vad, [one])[0], together, atol=1e-5)


def test_states_and_windows_are_left_as_they_were(exported):
    vad = GruVad(exported)
    window, state = burst()[:512], vad.initial_state()
    before = window.copy()
    vad.analyze([window], [state])
    assert not state.any()
    assert (window == before).all()
    assert vad.analyze([], []) == ([], [])


def test_a_missing_file_and_a_window_of_the_wrong_size_are_model_errors(exported, tmp_path):
    with pytest.raises(ModelError, match="allo models pull"):
        GruVad(tmp_path)
    vad = GruVad(exported)
    with pytest.raises(ModelError):
        vad.analyze([np.zeros(100, np.float32)], [vad.initial_state()])


def test_the_table_tells_a_detector_that_hears_loudness_from_one_that_hears_nothing(data, recipe, tmp_path):
    class Loudness(Deaf):
        def analyze(self, windows, states):
            return [float(np.clip(20 * np.sqrt(np.square(w).mean()), 0, 1)) for w in windows], list(states)

    picture = tmp_path / "roc.png"
    table = compare(recipe, data, {"deaf": [Deaf()], "loudness": [Loudness()]}, picture=picture, mixtures=2)
    [quiet] = [line for line in table.splitlines() if line.startswith("| en, quiet")]
    assert "0.500 (0.500 to 0.500)" in quiet
    assert float(quiet.split("|")[3].split()[0]) > 0.95
    [noise] = [line for line in table.splitlines() if line.startswith("| noise | -26")]
    assert "| 0.0 | 0.0 |" in noise
    assert picture.stat().st_size > 1_000

    table = compare(recipe, data, {"deaf": [Deaf()], "two trainings": [Loudness(), Deaf()]}, mixtures=2)
    [both] = [line for line in table.splitlines() if line.startswith("| en, quiet")]
    mean, *trainings = both.split("|")[3].replace(";", ",").split(",")
    assert float(trainings[0]) > 0.95 > float(trainings[1]) == 0.5
    assert float(mean.split()[0]) == pytest.approx(sum(map(float, trainings)) / 2, abs=0.002)
    [noise] = [line for line in table.splitlines() if line.startswith("| noise | -26")]
    assert noise.count("; ") == 2  # starts, and share of the time
