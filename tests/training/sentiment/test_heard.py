"""End to end: sentences said by one voice teach, another's are judged, and no words in between."""

import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("py_nanotts")

from pipelines.adapters.stt.whisper import Whisper
from tests.helpers.hearing import weights
from training.common.errors import DataError
from training.sentiment.data import Parts, Sentence
from training.sentiment.heard import Ear, end_to_end
from training.sentiment.recipe import SentimentRecipe

RECIPE = SentimentRecipe.model_validate(
    {
        "name": "tiny",
        "net": {"kind": "whisper", "base": "whisper-base", "batch": 8},
        "loop": {"steps": 30, "evaluate_every": 10, "learning_rate": 0.01},
        "seeds": [0, 1],
    }
)
SAID = {0: "This is terrible.", 1: "My name is Martin.", 2: "That is wonderful."}
NUMBERS = ("one", "two", "three")


def sentences(source: str) -> list[Sentence]:
    return [Sentence(f"{n}. {text}", label, "en", source) for label, text in SAID.items() for n in NUMBERS]


@pytest.fixture
def ear(tmp_path) -> Ear:
    return Ear(Whisper(weights("whisper-base", "model.bin"), threads=1), tmp_path)


def test_what_was_taught_in_one_voice_is_known_in_another(ear, tmp_path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("apt install espeak-ng")
    parts = Parts(
        sentences("phone_en"), {"phone_en": [Sentence(text, label, "en", "t") for label, text in SAID.items()]}
    )
    found = end_to_end(RECIPE, parts, {"en": ["espeak-ng:en-us"]}, {"en": ["pico"], "fr": []}, ear, tmp_path)
    assert list(found) == ["en"]
    assert (found["en"]["taught"], found["en"]["sentences"]) == (8, 3)
    assert found["en"]["accuracy"] > 0.6


def test_vectors_are_of_the_sound_alone(ear) -> None:
    one, two = ear.said(sentences("x")[:2], {"en": ["pico"]})
    assert ear.vector(one).shape == (1, 1024)
    assert not ear.vector(one).equal(ear.vector(two))
    assert ear.vector(one).equal(ear.vector(one))


def test_nobody_is_both_taught_by_and_measured_on(ear, tmp_path) -> None:
    parts = Parts(sentences("phone_en"), {"phone_en": []})
    with pytest.raises(DataError, match="pico"):
        end_to_end(RECIPE, parts, {"en": ["pico"]}, {"en": ["pico"]}, ear, tmp_path)
