"""Manifests: every bad line is named, and what is read is what was written."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.common import audio, manifests
from training.common.errors import DataError
from training.common.manifests import Clip, Limits


def _sound(path: Path, seconds: float = 1.0, rate: int = 8_000) -> Path:
    soundfile.write(path, np.sin(np.arange(int(seconds * rate)) / 5) * 0.3, rate)
    return path


def _manifest(folder: Path, *lines: object) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_a_sound_line_is_a_clip(tmp_path: Path) -> None:
    _sound(tmp_path / "a.wav", 1.5)
    line = {"audio": "a.wav", "text": " Bonjour. ", "language": "fr", "speaker": "anne", "gender": "F"}
    clips, problems = manifests.read(_manifest(tmp_path, line))
    assert problems == []
    assert clips == [
        Clip(audio=(tmp_path / "a.wav").resolve(), text="Bonjour.", language="fr", speaker="anne", duration=1.5)
    ]


def test_every_bad_line_is_named_with_its_number(tmp_path: Path) -> None:
    _sound(tmp_path / "good.wav")
    _sound(tmp_path / "long.wav", 40)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "corrupt.wav").write_bytes(b"RIFF, they said")
    path = _manifest(
        tmp_path,
        {"audio": "good.wav", "text": "yes"},
        {"audio": "missing.wav", "text": "yes"},
        {"audio": "long.wav", "text": "yes"},
        {"audio": "empty.wav", "text": "yes"},
        {"audio": "corrupt.wav", "text": "yes"},
        {"audio": "good.wav", "text": "  "},
        "{not json",
        {"text": "no audio"},
    )
    clips, problems = manifests.read(path)
    assert [clip.audio.name for clip in clips] == ["good.wav"]
    said = [str(problem) for problem in problems]
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6, 7, 8]
    for text, word in zip(
        said,
        ("no such file", "40.0 s, more than", "empty", "read as audio", "text is empty", "JSON", "audio"),
        strict=True,
    ):
        assert text.startswith(f"{path}:")
        assert word in text


def test_stop_lists_all_problems_of_all_manifests_and_skip_says_each(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _sound(tmp_path / name / "a.wav")
        _manifest(tmp_path / name, {"audio": "a.wav", "text": "yes"}, {"audio": "b.wav", "text": "no"})
    paths = [tmp_path / name / "manifest.jsonl" for name in ("one", "two")]
    with pytest.raises(DataError, match="2 problems") as stopped:
        manifests.read_all(paths)
    assert all(f"{path}:2: b.wav" in str(stopped.value) for path in paths)
    told: list[str] = []
    assert len(manifests.read_all(paths, on_bad="skip", say=told.append)) == 2
    assert [text.startswith("left out: ") for text in told] == [True, True]


def test_no_clip_at_all_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No usable clip"):
        manifests.read_all([_manifest(tmp_path, {"audio": "b.wav", "text": "no"})], on_bad="skip")


def test_texts_that_are_not_verbatim_are_left_out_and_unwritten_ones_can_be_asked_for(tmp_path: Path) -> None:
    _sound(tmp_path / "a.wav")
    path = _manifest(
        tmp_path, {"audio": "a.wav", "text": "Dial 9", "verbatim": False}, {"audio": "a.wav", "text": None}
    )
    assert manifests.read(path) == ([], [])
    assert [clip.text for clip in manifests.read(path, Limits(text=False))[0]] == ["Dial 9", ""]


def test_what_is_written_is_read_again_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    _sound(tmp_path / "clips" / "é.wav")
    path = _manifest(tmp_path, {"audio": "clips/é.wav", "text": "été", "language": "fr", "speaker": "s"})
    clips, _ = manifests.read(path)
    manifests.write(tmp_path / "splits" / "train.jsonl", clips, fold=1)
    again, problems = manifests.read(tmp_path / "splits" / "train.jsonl")
    assert (again, problems) == (clips, [])
    assert '"../clips/é.wav"' in (tmp_path / "splits" / "train.jsonl").read_text()


def test_audio_of_any_rate_and_channels_is_16_khz_mono(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100) * 0.5
    soundfile.write(tmp_path / "stereo.flac", np.stack([tone, -tone * 0.5], axis=1), 44_100)
    heard = audio.load(tmp_path / "stereo.flac")
    assert heard.dtype == np.float32
    assert heard.shape == (16_000,)
    assert np.argmax(np.abs(np.fft.rfft(heard))) == 440
    assert np.abs(heard).max() == pytest.approx(0.125, abs=0.01)


@pytest.mark.parametrize(("content", "reason"), [(None, "no such file"), (b"noise", "cannot be read as audio")])
def test_audio_that_cannot_be_read_names_the_file(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as refused:
        audio.load(path)
    assert str(path) in str(refused.value)


def test_a_recording_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(0), 16_000)
    with pytest.raises(DataError, match="holds no sound"):
        audio.load(tmp_path / "x.wav")


def test_int16_and_float_are_inverse() -> None:
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    np.testing.assert_array_equal(audio.to_int16(audio.to_float(samples)), samples)
    assert audio.to_int16(np.array([2.0, -2.0], np.float32)).tolist() == [32_767, -32_768]
