"""Sentences spoken by voices: in a fixed order, gone on with after a stop, and honest about what is not speakable."""

import numpy as np
import pytest
import soundfile

from pipelines.errors import ModelError
from tests.helpers.voice import ToneVoice
from training.common import audio, manifests, telephony
from training.common.errors import DataError
from training.common.manifests import Limits
from training.common.synthesis import read_texts, synthesize
from training.common.voices import open_voice, speaker_of

TEXTS = ["Un.", "Deux. Deux.", "Trois."]


def spoken(folder, texts=TEXTS, voice=None, speaker="tone", **options):
    return synthesize(texts, speaker, voice or ToneVoice(), folder, language="fr", **options)


def test_every_sentence_becomes_a_clip_in_order(tmp_path):
    done: list[int] = []
    clips, problems = spoken(tmp_path, made=lambda: done.append(1))
    assert problems == []
    assert [clip.text for clip in clips] == TEXTS
    assert [round(clip.duration, 1) for clip in clips] == [0.9, 1.8, 0.9]
    assert len(done) == 3
    for clip in clips:
        assert (clip.language, clip.speaker) == ("fr", "tone")
        assert soundfile.info(clip.audio).samplerate == 16_000
        assert clip.audio.parent == tmp_path / "tone"


def test_a_voice_of_another_rate_is_resampled(tmp_path):
    voice = ToneVoice()
    voice.sample_rate = 24_000  # the tone's 14 400 samples last 0.6 s now
    clips, _ = spoken(tmp_path, ["Un."], voice)
    assert soundfile.info(clips[0].audio).samplerate == 16_000
    assert clips[0].duration == pytest.approx(0.6, abs=0.001)


def test_a_voice_may_be_heard_through_the_line_beside_the_one_that_is_not(tmp_path):
    wide, _ = spoken(tmp_path, TEXTS[:1])
    narrow, _ = spoken(tmp_path, TEXTS[:1], line=True)
    assert narrow[0].audio != wide[0].audio
    np.testing.assert_array_equal(audio.load(narrow[0].audio), telephony.plain(audio.load(wide[0].audio)))


def test_the_silence_around_a_sentence_may_be_cut_off(tmp_path):
    whole, _ = spoken(tmp_path, TEXTS[:1])
    tight, _ = spoken(tmp_path, TEXTS[:1], trim_db=30.0)
    assert tight[0].audio != whole[0].audio
    assert tight[0].duration == pytest.approx(0.1, abs=0.01)  # the tone alone
    assert np.abs(audio.load(tight[0].audio)).max() == np.abs(audio.load(whole[0].audio)).max()


def test_what_is_there_is_not_spoken_again(tmp_path):
    first, _ = spoken(tmp_path, TEXTS[:2])
    voice = ToneVoice()
    again, _ = spoken(tmp_path, TEXTS, voice)
    assert voice.said == ["Trois."]
    assert again[:2] == first


def test_another_voice_or_sentence_is_spoken_anew(tmp_path):
    spoken(tmp_path, TEXTS[:1])
    other = ToneVoice("other")
    spoken(tmp_path, TEXTS[:1], other)
    changed = ToneVoice()
    spoken(tmp_path, ["Un !"], changed)
    assert other.said == ["Un."]
    assert changed.said == ["Un !"]


def test_a_stop_leaves_no_half_clip(tmp_path):
    class Stopped(ToneVoice):
        def synthesize(self, text):
            yield from super().synthesize(text)
            if text == TEXTS[1]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spoken(tmp_path, TEXTS, Stopped())
    assert len(list((tmp_path / "tone").iterdir())) == 1
    voice = ToneVoice()
    assert len(spoken(tmp_path, TEXTS, voice)[0]) == 3
    assert voice.said == TEXTS[1:]


def test_what_a_voice_cannot_say_is_left_out_by_name(tmp_path):
    clips, problems = spoken(tmp_path, ["Un.", "This will fail.", "...", "Deux. Deux."], limits=Limits(max_s=1.0))
    assert [clip.text for clip in clips] == ["Un."]
    assert len(problems) == 3
    assert "'This will fail.'" in problems[0]
    assert "no sound" in problems[1]
    assert "lasts 1.8 s" in problems[2]


def test_clips_of_two_voices_make_one_manifest(tmp_path):
    clips = spoken(tmp_path)[0] + spoken(tmp_path, speaker="other", voice=ToneVoice("other"))[0]
    manifests.write(tmp_path / "manifest.jsonl", clips)
    assert manifests.read(tmp_path / "manifest.jsonl") == (clips, [])


def test_texts_are_lines_or_json_lines_each_once(tmp_path):
    path = tmp_path / "texts"
    path.write_text('Un.\n\n  Deux,  trois. \n{"text": "Quatre.", "terms": []}\nUn.\n')
    assert read_texts(path) == ["Un.", "Deux, trois.", "Quatre."]


def test_bad_lines_are_listed_together(tmp_path):
    path = tmp_path / "texts"
    path.write_text('{"text": ""}\nUn.\n{"texte": "a"}\n{"text": 3}\n{broken\n')
    with pytest.raises(DataError) as error:
        read_texts(path)
    assert [f"texts:{line}:" in str(error.value) for line in range(1, 6)] == [True, False, True, True, True]
    path.write_text("\n")
    with pytest.raises(DataError, match="no sentence"):
        read_texts(path)


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("pico", "pico"),
        ("kokoro:ff_siwis", "kokoro-ff_siwis"),
        ("kokoro:if_sara@/some/where", "kokoro-if_sara"),
        ("pico?pitch=0.8&speed=0.9", "pico-pitch=0.8-speed=0.9"),
        ("kokoro:if_sara@/some/where?speed=0.9", "kokoro-if_sara-speed=0.9"),
    ],
)
def test_speakers_are_voices_without_their_place(name, speaker):
    assert speaker_of(name) == speaker


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("parrot", "no voice is called 'parrot'"),
        ("kokoro", "does not say which voice"),
        ("piper", "does not say which voice"),
        ("pico?volume=2", "no setting volume"),
        ("pico?speed=fast", "not like speed=0.9"),
        ("pico?speed", "not like speed=0.9"),
        ("kokoro:ff_siwis?accent=martian", "no accent is called martian. There are french"),
        ("kokoro:ff_siwis?accent=french", "accents are of English, not of 'fr'"),
        ("pico?accent=french", "no setting accent"),
    ],
)
def test_voices_that_cannot_be_had_are_refused_by_name(name, reason):
    with pytest.raises(DataError, match=reason):
        open_voice(name, "fr")


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError):
        open_voice(f"kokoro:ff_siwis@{tmp_path}", "fr")
    with pytest.raises(ModelError):
        open_voice(f"piper@{tmp_path}", "fr")
