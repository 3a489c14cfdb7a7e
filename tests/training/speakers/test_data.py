"""Who is trained on and who is tested; crops that can be replayed."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.common.errors import DataError
from training.common.manifests import Clip
from training.common.telephony import Telephone
from training.speakers import conditions
from training.speakers.data import Batches, cropped, divided, drawn, faster, joined, limited, masked
from training.speakers.recipe import DataSettings, Variety


def clip(speaker: str, duration=1.0, name="a.flac") -> Clip:
    return Clip(audio=Path(name), text="", language="en", speaker=speaker, duration=duration)


def folder(place: Path, digits: Path, speakers: dict[str, str]) -> Path:
    """A manifest of recorded digits whose speakers have other names."""
    lines = [json.loads(line) for line in (digits / "manifest.jsonl").read_text().splitlines()]
    place.mkdir()
    (place / "manifest.jsonl").write_text(
        "\n".join(
            json.dumps({**line, "audio": str(digits / line["audio"]), "speaker": speakers[line["speaker"]]})
            for line in lines
            if line["speaker"] in speakers
        )
    )
    return place


def test_nobody_is_in_two_parts(data):
    parts = divided(DataSettings(split=["digits/manifest.jsonl"]), data)
    people = [{c.speaker for c in part} for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, people)) == len(set.union(*people)) == 3
    assert all(people)


def test_a_voice_that_is_tested_is_in_no_mixture_that_is_trained_on(tmp_path, data):
    names = {"fsdd-george": "kokoro-a", "fsdd-jackson": "kokoro-b", "fsdd-theo": "kokoro-b+a"}
    folder(tmp_path / "voices", data / "digits", names)
    (tmp_path / "digits").symlink_to(data / "digits")
    settings = DataSettings(split=["digits/manifest.jsonl"], train=["voices/manifest.jsonl"], aside=["kokoro-a"])
    parts = divided(settings, tmp_path)
    assert {c.speaker for c in parts.train if "kokoro" in c.speaker} == {"kokoro-b"}
    assert {c.speaker for c in parts.test if "kokoro" in c.speaker} == {"kokoro-a"}
    with pytest.raises(DataError, match="kokoro-z"):
        divided(settings.model_copy(update={"aside": ["kokoro-z"]}), tmp_path)


def test_a_set_that_is_tested_cannot_be_trained_on(data):
    settings = DataSettings(split=["digits/manifest.jsonl"], test=["digits/manifest.jsonl"])
    with pytest.raises(DataError, match="trained on and tested"):
        divided(settings, data)


def test_speakers_are_drawn_by_the_seed():
    names = [f"s{i}" for i in range(40)]
    assert drawn(names, 0.25, 1) == drawn(list(reversed(names)), 0.25, 1)
    assert len(drawn(names, 0.25, 1)) == 10
    assert drawn(names, 0.25, 1) != drawn(names, 0.25, 2)
    assert len(drawn(names, 0.001, 1)) == 1


def test_nobody_talks_longer_than_the_others():
    clips = [clip("a", 40), clip("a", 30), clip("a", 15), clip("b", 90)]
    assert [(c.speaker, c.duration) for c in limited(clips, 60)] == [("a", 40), ("a", 15), ("b", 90)]


def test_single_words_are_joined():
    assert [len(piece) for piece in joined([clip("a", 1.5)] * 7)] == [3, 4]
    assert [len(piece) for piece in joined([clip("a", 0.5)])] == [1]
    assert [len(piece) for piece in joined([clip("a", 9)] * 2)] == [1, 1]


def test_a_batch_is_a_function_of_its_place(data):
    parts = divided(DataSettings(split=["digits/manifest.jsonl"]), data)
    variety = Variety(speeds=[1.0, 0.8], variations=2, crop_s=(0.5, 0.9))

    def made(epoch, place):
        return Batches([*parts.train, *parts.test], variety, Telephone(variety.telephone), 4, seed=3)(epoch)[place]

    one, again, other = made(0, 5), made(0, 5), made(1, 5)
    assert one["frames"].shape == (4, one["frames"].shape[1], 48)
    assert 50 <= one["frames"].shape[1] <= 90
    assert sorted(one["speakers"].tolist()) == [0, 1, 2, 3]  # two people at two speeds
    assert one["frames"].equal(again["frames"])
    assert (int(one["step"]), int(other["step"])) == (5, 105)


def test_another_speed_is_as_much_shorter():
    sound = np.zeros(16_000, np.float32)
    assert len(faster(sound, 1.25)) == 12_800
    assert faster(sound, 1.0) is sound


def test_a_short_clip_is_repeated():
    frames = np.arange(10)[:, None]
    assert len(cropped(frames, 25, np.random.default_rng(0))) == 25
    assert len(cropped(frames, 4, np.random.default_rng(0))) == 4


def test_masks_hide_a_part():
    frames = np.ones((100, 48), np.float32)
    hidden = (masked(frames, 2, np.random.default_rng(4)) == 0).mean()
    assert 0 < hidden < 0.6


def test_utterances_are_three_to_six_seconds(data):
    clips = divided(DataSettings(split=["digits/manifest.jsonl"]), data).test
    [group] = conditions.groups(clips)
    assert group.name == "digits"
    lengths = [len(sound) / 16_000 for sound in group.sounds]
    assert all(2 <= length < 9 for length in lengths)


def test_noise_is_as_loud_as_asked_for():
    rng = np.random.default_rng(0)
    sound, noise = (0.1 * rng.standard_normal(48_000).astype(np.float32) for _ in range(2))
    added = conditions.noisy(sound, [3 * noise], 10.0, 1) - sound
    assert 20 * np.log10(np.std(sound) / np.std(added)) == pytest.approx(10, abs=0.1)


def test_conditions_make_the_trials_they_say():
    group = conditions.Group("kokoro", [np.zeros(1)] * 5, [0, 0, 0, 0, 1], ["en", "en", "en", "fr", "fr"])
    voices = np.eye(5, dtype=np.float32)
    heard = [conditions.Heard(group, voices, voices, voices)]
    count = {way: len(conditions.verification(heard, way).scores) for way in ("clean", "french", "across", "enrolled")}
    assert count == {"clean": 10, "french": 1, "across": 6, "enrolled": 2}
    enrolled = conditions.verification(heard, "enrolled")
    assert enrolled.targets.tolist() == [True, False]
