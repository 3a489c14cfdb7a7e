import numpy as np
import pytest

from training.common.errors import DataError
from training.denoise.data import Batches, Mixer, parts
from training.denoise.noises import babble, clatter, coloured, in_room, piece, rms, tune
from training.denoise.recipe import MixSettings


def test_speakers_and_noises_of_the_parts_are_not_the_same(data, recipe):
    read = parts(recipe().data, data)
    speakers = {name: {speaker for speaker, _ in part.speech} for name, part in read.items()}
    assert speakers["validation"] == {"digit_7"}
    assert not speakers["train"] & speakers["validation"]
    assert [len(read[name].noises) for name in ("train", "validation")] == [1, 1]
    assert not np.array_equal(read["train"].noises[0], read["validation"].noises[0])
    assert [len(read[name].music) for name in ("train", "validation")] == [1, 0]


def test_what_is_kept_for_the_test_and_what_is_left_out_is_in_no_part(data, recipe):
    settings = recipe().data.model_copy(update={"test_noises": ["kitchen"], "left_out": ["tune"]})
    read = parts(settings, data)
    assert not read["train"].noises
    assert not read["train"].music
    with pytest.raises(DataError, match="circus"):
        parts(settings.model_copy(update={"left_out": ["circus"]}), data)


def only(kind, **settings):
    kinds = dict.fromkeys(("babble", "recorded", "music", "made", "none"), 0.0)
    return MixSettings.model_validate({**kinds, kind: 1.0, "voices": [2, 3], **settings})


@pytest.mark.parametrize("kind", ["babble", "recorded", "music", "made"])
def test_the_noise_is_as_loud_as_the_ratio_says(data, recipe, kind):
    part = parts(recipe().data, data)["train"]
    for snr_db in (0.0, 10.0):
        mixer = Mixer(part, only(kind, snr_db=[snr_db, snr_db], room=0.0, level_db=[-30, -30]), 1.0, 0)
        noisy, clean = mixer.pair(3, 0)
        found = 20 * np.log10(rms(clean) / rms(noisy - clean))
        assert abs(found - snr_db) < 5  # the line takes some of the one or the other away


def test_without_noise_both_sides_are_alike_but_for_the_line(data, recipe):
    quiet = {"telephone": {"hiss": 0.0, "hum": 0.0, "speed": 0.0, "room": 0.0, "noise": 0.0, "echo": 0.0, "loss": 1.0}}
    noisy, clean = Mixer(parts(recipe().data, data)["train"], only("none", **quiet), 1.0, 0).pair(0, 0)
    np.testing.assert_array_equal(noisy, clean)


def test_a_number_is_always_the_same_pair_and_another_number_another(data, recipe):
    part = parts(recipe().data, data)["train"]
    one, other = (Mixer(part, MixSettings(voices=(2, 3)), 0.6, 7) for _ in range(2))
    np.testing.assert_array_equal(one.pair(1, 2), other.pair(1, 2))
    assert not np.array_equal(one.pair(1, 2), one.pair(1, 3))


def test_batches_hold_every_clip_once_an_epoch(data, recipe):
    r = recipe()
    batches = Batches(Mixer(parts(r.data, data)["train"], r.mix, 0.6, 0), r.data, 0)
    epoch = batches(0)
    assert [tuple(batch.shape) for batch in epoch] == [(2, 4, 9_600)]
    np.testing.assert_array_equal(epoch[0], batches(3)[0][:, np.argsort(order(batches, 3))][:, order(batches, 0)])


def order(batches, epoch):
    return batches(epoch)._chunks[0]


@pytest.mark.parametrize("make", [coloured, clatter, tune])
def test_made_noises_differ_from_draw_to_draw(make):
    one, other = (make(8_000, np.random.default_rng(seed)) for seed in (0, 1))
    assert one.shape == (8_000,)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert rms(one) > 0
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


def test_pieces_go_round_and_rooms_change_no_loudness():
    rng = np.random.default_rng(0)
    ramp = np.arange(10, dtype=np.float32)
    assert sorted(set(np.diff(piece(ramp, 25, rng)).tolist())) == [-9.0, 1.0]
    voice = rng.standard_normal(4_000).astype(np.float32)
    assert abs(rms(in_room(voice, np.array([1, 0, 0.5], np.float32))) / rms(voice) - 1) < 1e-4
    assert babble([voice, voice[:100]], 6_000, rng).shape == (6_000,)
