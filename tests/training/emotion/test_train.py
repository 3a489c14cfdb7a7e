"""The whole way on real recordings of three speakers, whose "emotions" are made: angry ones are faster and shriller."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("accelerate")

from pipelines.adapters import kinds  # noqa: E402
from pipelines.models import exported  # noqa: E402
from tests.helpers.checkpoints import base  # noqa: E402
from training.common import audio, telephony  # noqa: E402
from training.common.errors import DataError, RecipeError  # noqa: E402
from training.common.recipe import load  # noqa: E402
from training.emotion import measures  # noqa: E402
from training.emotion import recipe as recipes  # noqa: E402
from training.emotion.crossing import cross, prepare  # noqa: E402
from training.emotion.data import by_speaker, read  # noqa: E402
from training.emotion.linear import Linear  # noqa: E402
from training.emotion.recipe import EmotionRecipe  # noqa: E402
from training.emotion.table import table  # noqa: E402
from training.emotion.train import run  # noqa: E402

DIGITS = Path(__file__).parents[2] / "data" / "digits"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    lines = [json.loads(line) for line in (DIGITS / "manifest.jsonl").read_text().splitlines()]
    for name in ("acted", "calm"):
        (folder / name).mkdir()
    acted, calm = [], []
    for i, line in enumerate(lines):
        samples = audio.load(DIGITS / line["audio"])
        samples = np.tile(samples, 4)[:16_000]
        angry = i % 2 == 0
        if angry:
            samples = np.diff(samples, prepend=np.float32(0)) * 4  # 6 dB more an octave
        soundfile.write(folder / "acted" / f"{i}.flac", samples, 16_000)
        acted.append(
            {"audio": f"{i}.flac", "text": None, "speaker": line["speaker"], "emotion": "anger" if angry else "boredom"}
        )
        if not angry:
            calm.append({"audio": f"../acted/{i}.flac", "text": None, "speaker": line["speaker"]})
    for name, rows in (("acted", acted), ("calm", calm)):
        (folder / name / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def recipe(**changed) -> EmotionRecipe:
    made = {
        "name": "tiny",
        "data": {"manifests": ["acted/manifest.jsonl"], "callers": ["calm/manifest.jsonl"]},
        "classes": {"anger": ["anger"], "neutral": ["boredom", "neutral"]},
        "net": {"kind": "logistic"},
        "augment": {"variations": 2, "throat": 0.1, "phone": 1.0},
        "loop": {"steps": 2, "tensorboard": False},
    }
    return EmotionRecipe.model_validate(made | changed)


@pytest.mark.parametrize("kind", ["logistic", "svm", "cnn", "cnn_gru"])
def test_taught_exported_and_served(data, tmp_path, kind):
    folder = run(recipe(net={"kind": kind, "width": 16, "layers": 1, "batch": 4}), data, tmp_path, say=lambda _: None)
    served = kinds.load_added(exported.check(folder), folder)  # passes its self-test
    heard = telephony.plain(audio.load(data / "acted" / "0.flac"))
    found = served.recognize(heard)
    assert set(found) == {"anger", "neutral"}
    assert sum(found.values()) == pytest.approx(1)
    assert served.thresholds["anger"] >= 0.5
    figures = json.loads((tmp_path / "tiny.json").read_text())[0]
    assert set(figures["speakers"]) == {"fsdd-george", "fsdd-jackson", "fsdd-theo"}
    assert (tmp_path / "tiny.png").stat().st_size > 1_000
    if kind == "logistic":
        assert figures["uar"] > 0.7  # a filter is easily heard
        assert found["anger"] > 0.5


def test_a_frozen_network_of_others(data, tmp_path):
    start = base(tmp_path / "base")
    folder = run(recipe(net={"kind": "ssl", "base": str(start)}), data, tmp_path / "out", say=lambda _: None)
    assert (folder / "model.safetensors").is_file()
    found = kinds.load_added(exported.check(folder), folder).recognize(audio.load(data / "acted" / "1.flac"))
    assert sum(found.values()) == pytest.approx(1)


def test_whoever_is_judged_was_not_heard(data, tmp_path, monkeypatch):
    taught = []
    from training.emotion import crossing

    found = Linear(np.zeros((2, 3)), np.zeros(2))

    monkeypatch.setattr(
        crossing,
        "fit",
        lambda r, p, places, seed, out: (taught.append(set(places)), (lambda x: np.zeros((len(x), 2)), found))[1],
    )
    prepared = prepare(recipe(augment={}), data, lambda _: None)
    assert cross(recipe(), prepared, 0, tmp_path, lambda _: None).parameters == 8
    groups = by_speaker(prepared.spoken)
    assert len(taught) == len(groups) == 3
    for places, (speaker, aside) in zip(taught, groups.items(), strict=True):
        assert not places & set(aside), speaker
        assert len(places) + len(aside) == len(prepared.spoken)


def test_the_table_measures_once(data, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(
        'name = "a"\n[data]\nmanifests = ["acted/manifest.jsonl"]\n[classes]\nanger = ["anger"]\nneutral = ["boredom"]\n[net]\nkind = "logistic"\n'
    )
    first = table([file], data, tmp_path / "out", say=lambda _: None)
    assert "| a |" in first
    assert table([file], tmp_path, tmp_path / "out", say=lambda _: None) == first  # nothing is read again


def test_the_table_shows_each_seed_behind_the_mean(tmp_path):
    def seed(uar, caught, alarms):
        return {
            "uar": uar,
            "uar_interval": (0.4, 0.7),
            "recalls": {"anger": uar, "neutral": uar},
            "speakers": {"a": uar, "b": uar + 0.1},
            "confusion": [[1, 0], [0, 1]],
            "calibration_error": 0.06,
            "calibration_error_before": 0.17,
            "anger_caught": caught,
            "false_alarms": {"calm": alarms},
            "parameters": 100,
        }

    file = tmp_path / "a.toml"
    file.write_text(
        'name = "a"\n[data]\nmanifests = ["m"]\n[net]\nkind = "cnn"\n[classes]\nanger = ["anger"]\nneutral = ["neutral"]\n'
    )
    (tmp_path / "a.json").write_text(json.dumps([seed(0.5, 0.1, 0.02), seed(0.6, 0.3, 0.04)]))
    row = table([file], tmp_path, tmp_path, say=lambda _: None).splitlines()[-1]
    assert "| 55.0 (40.0 to 70.0) | 50.0, 60.0 | 55 | 55 | 50, 60; 60, 70 |" in row
    assert "| 20.0 %; 10.0, 30.0 | 2.0 % (calm); 4.0 % (calm) |" in row


def test_the_shipped_recipes_are_recipes():
    for file in (Path(recipes.__file__).parent / "recipes").glob("*.toml"):
        assert load(file, EmotionRecipe).labels == ("anger", "happiness", "neutral", "sadness", "other")


def test_what_is_wrong_is_said(data, tmp_path):
    with pytest.raises(DataError, match="Nobody plays sad"):
        read(recipe(classes={"anger": ["anger"], "neutral": ["boredom"], "sad": ["sadness"]}), data)
    (tmp_path / "bad.toml").write_text(
        'name = "a"\n[data]\nmanifests = ["m"]\n[classes]\njoy = ["joy"]\n[net]\nkind = "ssl"\n'
    )
    with pytest.raises(RecipeError, match="base"):
        load(tmp_path / "bad.toml", EmotionRecipe)


def test_measures():
    truth, said = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert measures.uar(truth, said, 2) == pytest.approx((0.75 + 0.5) / 2)
    assert measures.confusion(truth, said, 2).tolist() == [[3, 1], [1, 1]]
    low, high = measures.uar_interval(truth, said, ["a", "a", "b", "b", "a", "b"], 2)
    assert low < 0.625 < high
    both = measures.uar_interval(truth, np.stack([said, truth]), ["a", "a", "b", "b", "a", "b"], 2)
    assert both[0] > low
    assert both[1] == 1.0
    logits = np.array([[4.0, 0], [4, 0], [4, 0], [0, 4], [0, 4], [4, 0]])
    assert measures.temperature(logits, truth) > 2  # too sure of itself
    calm = {"a": np.full(100, 0.1), "b": np.concatenate([np.full(97, 0.2), np.full(3, 0.8)])}
    assert measures.threshold(calm, 0.02) == pytest.approx(0.8, abs=1e-3)
    assert measures.threshold({"a": calm["a"]}, 0.02) == measures.LEAST
    assert measures.alarms_unseen(calm, 0.02) == {"a": 0.0, "b": pytest.approx(0.03)}
