"""The measure of who spoke when, and conversations put together."""

import json

import numpy as np
import pytest
import soundfile

from pipelines.speakers.diarize import Turn
from training.common import manifests
from training.common.errors import DataError
from training.speakers.diarization import Meeting, conversations, error, markdown, read


def meeting(*segments, seconds=10.0) -> Meeting:
    return Meeting("m", np.zeros(round(16_000 * seconds), np.float32), list(segments))


def test_the_right_turns_have_no_error_whatever_their_names():
    found = error([(meeting((0, 4, "a"), (4, 8, "b")), [Turn(0, 4, 7), Turn(4, 8, 3)])])
    assert found["der"] == 0


def test_each_kind_of_error_is_told_apart():
    m = meeting((0, 4, "a"), (4, 8, "b"))
    assert error([(m, [Turn(0, 4, 0)])]) | {"low": 0, "high": 0} == {
        "der": 0.5, "missed": 0.5, "added": 0, "confused": 0, "low": 0, "high": 0
    }  # fmt: skip
    assert error([(m, [Turn(0, 4, 0), Turn(4, 8, 1), Turn(8, 10, 0)])])["added"] == pytest.approx(0.25)
    assert error([(m, [Turn(0, 8, 0)])])["confused"] == pytest.approx(0.5)


def test_overlapped_speech_counts_for_both():
    m = meeting((0, 4, "a"), (0, 4, "b"))
    assert error([(m, [Turn(0, 4, 0)])])["missed"] == pytest.approx(0.5)
    assert error([(m, [Turn(0, 4, 0), Turn(0, 4, 1)])])["der"] == 0


def test_speech_is_where_anybody_speaks():
    assert meeting((0, 2, "a"), (1, 3, "b"), (5, 6, "a")).speech == [(0, 3), (5, 6)]


def test_a_manifest_without_segments_is_refused(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"audio": "a.flac"}\n')
    with pytest.raises(DataError, match="segments"):
        read(tmp_path / "m.jsonl")


def test_a_manifest_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000, np.int16), 8_000)
    line = {"audio": "a.wav", "segments": [{"start": 0.0, "end": 0.5, "speaker": "x"}], "more": 1}
    (tmp_path / "m.jsonl").write_text(json.dumps(line) + "\n")
    [found] = read(tmp_path / "m.jsonl")
    assert found.seconds == 1.0
    assert found.segments == [(0.0, 0.5, "x")]


def test_conversations_need_people(data):
    clips = manifests.read_all([data / "digits" / "manifest.jsonl"])
    with pytest.raises(DataError, match="need four speakers at least"):
        conversations(clips)


def test_a_conversation_is_made_of_turns_by_others(data):
    clips = manifests.read_all([data / "digits" / "manifest.jsonl"])
    renamed = [
        manifests.Clip(audio=c.audio, text="", language="en", speaker=f"s{i % 5}", duration=c.duration)
        for i, c in enumerate(clips)
    ]
    [talk] = conversations(renamed, 1, seed=2)
    assert talk.seconds >= 30
    assert 2 <= len({speaker for *_, speaker in talk.segments}) <= 4
    for (_, end, speaker), (start, _, following) in zip(talk.segments, talk.segments[1:], strict=False):
        assert 0.1 <= start - end <= 0.8
        assert speaker != following
    [same] = conversations(renamed, 1, seed=2)
    assert np.array_equal(talk.sound, same.sound)


def test_the_table_says_it_in_percent():
    row = {"der": 0.25, "low": 0.2, "high": 0.3, "missed": 0.1, "added": 0.05, "confused": 0.1}
    assert "| ours | 25.0 (20.0 to 30.0) | 10.0 | 5.0 | 10.0 |" in markdown({"ours": row})
