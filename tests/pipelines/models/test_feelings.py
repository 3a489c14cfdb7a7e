"""The models of our own that ship: carried by the package, and what they were when they were taught."""

from pathlib import Path

import pytest

from pipelines.adapters import kinds
from pipelines.models import self_test
from pipelines.models.store import Store

SAID = Path(__file__).parents[2] / "data" / "hearing"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize(
    ("name", "port", "kind"),
    [
        ("emotion-logistic", "emotion", "emotion-functionals"),
        ("sentiment-linear", "sentiment", "sentiment-linear"),
        ("denoise-mask", "denoise", "spectral-mask"),
        ("overlap-states", "overlap", "whisper-states"),
    ],
)
def test_it_is_what_was_taught(store, name, port, kind):
    store.pull(name)
    folder = store.path(name)
    hears_through = store.registry[name].encoder
    model = kinds.load(port, kind, folder, encoder=Store().path(hears_through) if hears_through else None)
    assert self_test.differs(port, model, self_test.load(folder / self_test.FILE)) == ""


@pytest.mark.parametrize(
    ("text", "language", "label"),
    [
        ("I am not happy with this.", "en", "negative"),
        ("Je ne suis pas content.", "fr", "negative"),
        ("This is not working.", "en", "negative"),
        ("Ça ne marche pas.", "fr", "negative"),
        ("Thank you, that is perfect.", "en", "positive"),
        ("Merci, c'est parfait.", "fr", "positive"),
        ("I am not available on Monday.", "en", "neutral"),
        ("Je voudrais un rendez-vous lundi.", "fr", "neutral"),
        ("Yes.", "en", "neutral"),
        ("Oui.", "fr", "neutral"),
    ],
)
def test_what_callers_say(store, text, language, label):
    store.pull("sentiment-linear")
    found = kinds.load("sentiment", "sentiment-linear", store.path("sentiment-linear")).analyze(text, language)
    assert max(found, key=found.__getitem__) == label, found


def test_calm_people_are_not_called_angry(store):
    pytest.importorskip("scipy")
    from training.common import audio, telephony

    store.pull("emotion-logistic")
    model = kinds.load("emotion", "emotion-functionals", store.path("emotion-logistic"))
    for name in ("en_prompt", "fr_sentence"):
        found = model.recognize(telephony.plain(audio.load(SAID / f"{name}.flac")))
        assert found["anger"] < model.thresholds["anger"], name
