"""What is wrong with the data is said in one line each, and the run stops or goes on as the recipe says."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from training.common.errors import DataError
from training.ctc.augment import Augment, masked, stretched, vary
from training.ctc.data import Batches, Variations
from training.ctc.train import prepare


@pytest.fixture
def bad(data, tmp_path):
    """Sound clips of one speaker, and one of each kind of bad line."""
    folder = tmp_path / "bad"
    folder.mkdir()
    lines = [json.loads(line) for line in (data / "digits" / "manifest.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "george" in line["speaker"]]
    for line in lines:
        shutil.copy(data / "digits" / line["audio"], folder)
    one = lines[0]
    tiny = np.zeros(1_600, np.int16)
    soundfile.write(folder / "short.flac", tiny, 16_000)
    soundfile.write(folder / "long.flac", np.zeros(16_000 * 21, np.int16), 16_000)
    (folder / "corrupt.flac").write_bytes(b"fLaC" + b"no music" * 100)
    (folder / "empty.flac").touch()
    bad = [
        {**one, "audio": "short.flac", "text": "three", "duration": 0.1},
        {**one, "audio": "long.flac", "duration": 21.0},
        {**one, "audio": "corrupt.flac"},
        {**one, "audio": "empty.flac"},
        {**one, "audio": "gone.flac"},
        {**one, "text": "zéro"},
        {**one, "text": " "},
    ]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines + bad))
    return tmp_path, len(lines)


REASONS = [
    "long.flac: lasts 21.0 s, more than the limit of 20 s.",
    "empty.flac: the file is empty.",
    "gone.flac: there is no such file.",
    "the text is empty.",
    "short.flac: too short: 2 output frames",
    "corrupt.flac: cannot be read as audio",
    "character 'é' (U+00E9) is not in the alphabet",
]


def settings(on_bad):
    return {"manifests": ["bad/manifest.jsonl"], "validation": [], "test": [], "on_bad": on_bad}


def test_all_of_it_is_said_and_the_run_goes_on(bad, recipe):
    folder, sound = bad
    said = []
    prepared = prepare(recipe(data=settings("skip"), net={"stride": 4}), folder, said.append)
    assert len(prepared.train) == sound
    assert len(said) == len(REASONS)
    assert all("\n" not in line for line in said)
    for reason in REASONS:
        assert any(reason in line for line in said), reason


def test_or_it_stops_and_lists_it(bad, recipe):
    folder, _ = bad
    with pytest.raises(DataError) as error:
        prepare(recipe(data=settings("stop")), folder)
    lines = str(error.value).splitlines()
    assert lines[0].startswith("4 problems in the data")
    assert len(lines) == 5
    # Once the manifest is mended, what only shows when a file is opened is listed together as well.
    manifest = folder / "bad" / "manifest.jsonl"
    kept = [
        line
        for line in manifest.read_text().splitlines()
        if not any(x in line for x in ("long", "empty", "gone", '" "'))
    ]
    manifest.write_text("\n".join(kept))
    with pytest.raises(DataError) as error:
        prepare(recipe(data=settings("stop"), net={"stride": 4}), folder)
    assert len(str(error.value).splitlines()) == 4


def test_a_repeat_needs_a_frame_of_its_own(bad, recipe):
    """ "three" is five characters, but six frames: one lies between its two e."""
    folder, _ = bad
    said = []
    prepare(recipe(data=settings("skip"), net={"stride": 4}), folder, said.append)
    (line,) = [line for line in said if "too short" in line]
    assert '"three" needs 6' in line
    assert "net.stride, now 4" in line


def test_no_speaker_is_in_two_parts(data, recipe):
    prepared = prepare(recipe(), data)
    parts = [{u.clip.speaker for u in part} for part in (prepared.train, prepared.validation, prepared.test)]
    assert parts == [{"fsdd-george"}, {"fsdd-jackson"}, {"fsdd-theo"}]


def test_who_is_held_aside_cannot_be_trained_on_by_the_back_door(data, recipe):
    with pytest.raises(DataError, match="fsdd-jackson, fsdd-theo: held aside, and also trained on"):
        prepare(recipe(data={"also": ["digits/manifest.jsonl"]}), data)


AUGMENT = Augment(
    variations=4, throat=0.2, pace=0.2, tilt_db=5, silence=0.1, noise=1.0, gain_db=(-6, 3), phone=0.5, masks=2
)


def batches_of(recipe, data):
    from pipelines.nets.ctc import build

    small = recipe(augment=AUGMENT.model_dump())
    prepared = prepare(small, data)
    net = build(small.net, small.letters().size)
    return Batches(prepared.train, Variations(prepared.train, small.augment, 5), net, 4, 5)


def test_a_batch_is_the_same_whenever_it_is_asked_for(data, recipe):
    one, other = batches_of(recipe, data), batches_of(recipe, data)
    for place in (2, 0):  # in another order
        a, b = one(3)[place], other(3)[place]
        assert all((a[key] == b[key]).all() for key in a)
    assert not all(
        (one(4)[0][key].shape == one(3)[0][key].shape) and (one(4)[0][key] == one(3)[0][key]).all() for key in a
    )


def test_saved_variations_are_those_that_would_be_made(data, recipe, tmp_path):
    batches = batches_of(recipe, data)
    batches.variations.save(tmp_path / "made.npz")
    other = batches_of(recipe, data).variations
    other.load(tmp_path / "made.npz")
    fresh = batches_of(recipe, data).variations
    for utterance in batches.utterances[:3]:
        for number in range(4):
            np.testing.assert_array_equal(other.audio(utterance, number), fresh.audio(utterance, number))


def test_stretching_keeps_the_pitch():
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    for factor in (0.75, 1.3):
        longer = stretched(tone, factor)
        assert len(longer) == pytest.approx(16_000 * factor, abs=2)
        spectrum = np.abs(np.fft.rfft(longer[2_000:10_000]))
        assert np.argmax(spectrum) * 16_000 / 8_000 == pytest.approx(440, abs=4)
        assert np.abs(longer[2_000:10_000]).max() > 0.7  # a phase vocoder blurs a little


def test_a_variation_is_drawn_from_its_seed_and_stays_in_range():
    speech = (0.5 * np.random.default_rng(0).standard_normal(8_000)).clip(-1, 1).astype(np.float32)
    one, same, other = (vary(speech, AUGMENT, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert one.shape != other.shape
    assert np.abs(one).max() <= 1
    untouched = vary(speech, Augment(), np.random.default_rng(1))
    np.testing.assert_array_equal(untouched, speech)


@pytest.mark.parametrize(("kind", "shape"), [("log_mel", (50, 40)), ("mfcc", (50, 20)), ("raw", (8_000, 1))])
def test_masks_hide_a_part_and_leave_the_rest(kind, shape):
    features = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    hidden = masked(features, AUGMENT, np.random.default_rng(3), kind)
    changed = (hidden != features).mean()
    assert 0 < changed < 0.7
    assert (features == np.random.default_rng(0).standard_normal(shape).astype(np.float32)).all()  # the argument is not
