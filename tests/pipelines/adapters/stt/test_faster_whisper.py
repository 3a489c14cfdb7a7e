from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.adapters.stt import context
from pipelines.adapters.stt.whisper import likeliest
from pipelines.errors import ModelError
from tests.helpers.hearing import CALLER, CLIPS, telephone, utterance, weights

BOTH = ("en", "fr")


@pytest.fixture(scope="module", params=["whisper-base", "whisper-base-short"])
def whisper(request):
    from pipelines.adapters.stt.faster_whisper import FasterWhisper

    return FasterWhisper(
        weights(request.param, "config.json", "model.bin", "tokenizer.json", "vocabulary.txt"), threads=2
    )


def words(text):
    return "".join(c for c in text.lower() if c.isalnum() or c in " '").split()


def test_english_and_french_are_heard_and_told_apart(whisper):
    english = whisper.transcribe(utterance(CLIPS / "en_prompt.flac"), languages=BOTH, final=True)
    assert (words(english.text), english.language) == (["agent", "logged", "in"], "en")
    assert english.p_language > 0.9
    french = whisper.transcribe(utterance(CLIPS / "fr_sentence.flac"), languages=BOTH, final=True)
    assert (words(french.text), french.language) == (["un", "chapeau", "irlandais", "de", "couleur", "verte"], "fr")


def test_a_language_that_the_model_does_not_know_is_left_out(whisper):
    heard = whisper.transcribe(utterance(CLIPS / "en_prompt.flac"), languages=("xx", "en"), final=True)
    assert (words(heard.text), heard.language) == (["agent", "logged", "in"], "en")


def test_a_fixed_language_is_kept(whisper):
    heard = whisper.transcribe(utterance(CLIPS / "en_prompt.flac"), languages=("fr",), final=True)
    assert (heard.language, heard.p_language) == ("fr", 1.0)


@pytest.mark.parametrize(("clip", "said"), [("1", {"one", "1"}), ("7", {"seven", "7"}), ("8", {"eight", "8"})])
def test_a_single_digit_comes_out(whisper, clip, said):
    heard = whisper.transcribe(utterance(CLIPS / f"digit_{clip}.flac"), languages=BOTH, final=True)
    assert set(words(heard.text)) <= said
    assert heard.text


def test_yes_comes_out(whisper):
    heard = whisper.transcribe(telephone(CALLER / "en_yes.wav"), languages=BOTH, final=True)
    assert words(heard.text) == ["yes"]


@pytest.mark.parametrize(("level", "languages"), [(0.0, BOTH), (1e-3, ("en",)), (1e-3, ("fr",)), (3e-2, BOTH)])
def test_nothing_is_heard_in_a_quiet_or_a_noisy_line(whisper, level, languages):
    hiss = np.random.default_rng(1).normal(0, 1, 16_000).astype(np.float32) * level
    assert whisper.transcribe(hiss, languages=languages, final=True).text == ""


def test_nothing_is_heard_in_a_kitchen(whisper):
    assert whisper.transcribe(telephone(CLIPS / "kitchen.flac"), languages=BOTH, final=True).text == ""


def test_a_partial_is_given_less_context_than_a_final(whisper, monkeypatch):
    given = []
    encode = whisper._whisper.encode
    monkeypatch.setattr(
        whisper._whisper, "encode", lambda features, frames: given.append(frames) or encode(features, frames)
    )
    audio = utterance(CLIPS / "en_prompt.flac")
    whisper.transcribe(audio, languages=("en",), final=False)
    whisper.transcribe(audio, languages=("en",), final=True)
    assert given[0] < given[1] < context.FULL / 2


def test_doubt_takes_a_second_look_with_the_full_context(whisper, monkeypatch):
    looks = []
    encode = whisper._whisper.encode
    monkeypatch.setattr(
        whisper._whisper, "encode", lambda features, frames: looks.append(frames) or encode(features, frames)
    )
    monkeypatch.setattr(context, "doubtful", lambda decoded, plan: True)
    heard = whisper.transcribe(utterance(CLIPS / "en_prompt.flac"), languages=BOTH, final=True)
    assert looks[-1] == context.FULL
    assert len(looks) == 2
    assert words(heard.text) == ["agent", "logged", "in"]


def test_hot_words_reach_the_decoder(whisper):
    audio = utterance(CLIPS / "en_prompt.flac")
    plain = whisper.transcribe(audio, languages=("en",), final=True)
    hot = whisper.transcribe(audio, languages=("en",), final=True, hot_words="agent, LOGGED-IN, LOGGED-IN, queue")
    many = whisper.transcribe(audio, languages=("en",), final=True, hot_words="appointment " * 1_000)
    assert hot.text != plain.text
    assert words(many.text)[:1] == ["agent"]


def test_a_click_is_no_word(whisper):
    assert whisper.transcribe(np.ones(300, np.float32), languages=BOTH, final=True).text == ""
    assert whisper.transcribe(np.zeros(0, np.float32), languages=BOTH, final=True).text == ""


def test_what_it_cannot_do_is_a_model_error(whisper, tmp_path):
    from pipelines.adapters.stt.faster_whisper import FasterWhisper

    with pytest.raises(ModelError, match="xx"):
        whisper.transcribe(np.zeros(16_000, np.float32), languages=("xx",), final=True)
    with pytest.raises(ModelError, match="30 s"):
        whisper.transcribe(np.zeros(31 * 16_000, np.float32), languages=BOTH, final=True)
    with pytest.raises(ModelError, match=r"model\.bin"):
        FasterWhisper(tmp_path, threads=1)
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(ModelError, match="allo models pull"):
        FasterWhisper(tmp_path, threads=1)


@pytest.mark.parametrize(("margin_s", "spare"), [(1.0, [100, 300]), (None, [500, 800])])
def test_a_model_taught_short_contexts_gets_what_it_says_and_thrice_that_for_a_final(
    tmp_path, monkeypatch, margin_s, spare
):
    from pipelines.adapters.stt.faster_whisper import FasterWhisper
    from pipelines.adapters.stt.whisper import Whisper

    names = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
    folder = weights("whisper-base", *names)
    for name in names:
        (tmp_path / name).symlink_to(folder / name)
    if margin_s:
        (tmp_path / "context.json").write_text(f'{{"margin_s": {margin_s}}}')
    asked = []
    encode = Whisper.encode
    monkeypatch.setattr(
        Whisper,
        "encode",
        lambda self, features, frames: asked.append(frames - features.shape[1]) or encode(self, features, frames),
    )
    whisper = FasterWhisper(tmp_path, threads=2)
    asked.clear()  # of the warming
    for final in (False, True):
        whisper.transcribe(utterance(CLIPS / "en_prompt.flac"), languages=("en",), final=final)
    assert asked == spare


def test_a_noise_is_not_searched_for_words(whisper, monkeypatch):
    plans = []
    decode = whisper._whisper.decode
    monkeypatch.setattr(
        whisper._whisper, "decode", lambda encoded, plan, *rest: plans.append(plan.beam) or decode(encoded, plan, *rest)
    )
    hiss = np.random.default_rng(2).normal(0, 0.01, 24_000).astype(np.float32)
    assert whisper.transcribe(hiss, languages=("en",), final=True).text == ""
    assert plans == [1]


@pytest.mark.parametrize(
    ("room", "said"),
    [(12, "come back on Tuesday"), (40, "come back on Tuesday on Tuesday on Tuesday on Tuesday on Tuesday")],
)
def test_words_that_run_in_a_circle_until_there_is_no_room_are_said_once(whisper, monkeypatch, room, said):
    tokens = whisper._whisper._tokenizer("en").encode(" come back" + 5 * " on Tuesday")
    assert len(tokens) == 12

    class Model:
        def generate(self, encoded, prompts, **options):
            return [SimpleNamespace(sequences_ids=[tokens], scores=[-0.1], no_speech_prob=0.0)]

    monkeypatch.setattr(whisper._whisper, "_model", Model())
    decoded = whisper._whisper.decode(None, context.Plan(1_000, 1, room), "en")
    assert decoded.text == said
    assert list(decoded.tokens) == tokens


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ({"en": 0.7, "fr": 0.2}, ("fr", 0.2 / 0.375)),
        ({"en": 0.9, "fr": 0.1}, ("en", 0.225 / 0.325)),
        ({"es": 0.6, "fr": 0.2}, ("es", 0.75)),
        ({"en": 0.0, "fr": 0.0}, ("en", 0.5)),
    ],
)
def test_english_must_be_surer_than_others_to_be_believed(heard, told) -> None:
    language, p = likeliest(heard)
    assert (language, p) == (told[0], pytest.approx(told[1]))
