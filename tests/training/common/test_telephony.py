"""The telephone: each effect does what it says, measured, and the same seed gives the same line."""

import numpy as np
import pytest
from pydantic import ValidationError

from training.common.spec_augment import spec_augment
from training.common.telephony import RATE, Telephone, TelephoneSettings, lose, plain

OFF = dict.fromkeys(("speed", "room", "noise", "gain", "clipping", "echo", "band", "hum", "hiss", "loss"), 0.0)


def line(*, noises=(), rooms=(), voices=(), **settings) -> Telephone:
    """A line on which nothing happens but what is given."""
    return Telephone(TelephoneSettings(**{**OFF, "alaw": 0.0, "gsm": 0.0, **settings}), noises, rooms, voices)


def tone(hz: float, seconds: float = 1.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def speech(seconds: float = 2.0) -> np.ndarray:
    """Syllables of a low voice: a buzz that comes and goes four times a second."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 25))
    return (0.15 * buzz * np.clip(np.sin(2 * np.pi * 4 * time), 0, 1)).astype(np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=float))))


def power(audio: np.ndarray, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / RATE)
    return float(spectrum[(hz >= low) & (hz < high)].sum())


def db(a: float, b: float) -> float:
    return 10 * np.log10(a / max(b, 1e-30))


def test_a_plain_line_keeps_speech_and_drops_what_is_above_its_band():
    out = plain(tone(1_000) + tone(5_000))
    assert out.dtype == np.float32
    assert len(out) == RATE
    assert db(power(out, 900, 1_100), power(tone(1_000), 900, 1_100)) == pytest.approx(0, abs=0.2)
    assert db(power(out, 4_500, 5_500), power(tone(5_000), 4_500, 5_500)) < -50


@pytest.mark.parametrize("length", [1, 2, 159, 321, 16_001])
def test_a_line_keeps_the_length(length):
    audio = speech()[:length]
    everything = Telephone(TelephoneSettings(**{**dict.fromkeys(OFF, 1.0), "speed": 0.0}), [speech()], [speech(0.1)])
    assert len(plain(audio)) == length
    for seed in range(6):
        out = everything(audio, rng(seed))
        assert len(out) == length
        assert out.dtype == np.float32
        assert np.abs(out).max() <= 1.0


def test_no_audio_stays_none_and_silence_stays_silent():
    silent = np.zeros(8_000, np.float32)
    assert len(Telephone()(np.zeros(0, np.float32), rng())) == 0
    assert not line(**dict.fromkeys(("gain", "clipping", "echo", "band", "loss"), 1.0))(silent, rng()).any()


def test_the_same_seed_gives_the_same_samples_and_another_seed_others():
    telephone = Telephone(TelephoneSettings(**dict.fromkeys(OFF, 1.0)), [tone(300)], [speech(0.1)])
    first, again, other = (telephone(speech(), rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_what_is_given_is_not_changed():
    audio, noise, room = speech(), tone(300), speech(0.1)
    kept = [part.copy() for part in (audio, noise, room)]
    Telephone(TelephoneSettings(**dict.fromkeys(OFF, 1.0)), [noise], [room])(audio, rng())
    assert all(np.array_equal(a, b) for a, b in zip(kept, (audio, noise, room), strict=True))


def test_the_band_takes_what_lies_below_and_above_it():
    audio = tone(100) + tone(1_000) + tone(3_800)
    out = line(band=1.0, band_low_hz=(300, 300), band_high_hz=(3_400, 3_400))(audio, rng())
    assert db(power(out, 950, 1_050), power(audio, 950, 1_050)) > -1
    assert db(power(out, 90, 110), power(audio, 90, 110)) < -20
    assert db(power(out, 3_750, 3_850), power(audio, 3_750, 3_850)) < -15


def test_speed_changes_length_and_pitch():
    out = line(speed=1.0, speed_factor=(1.1, 1.1))(tone(1_000), rng())
    assert len(out) == pytest.approx(RATE / 1.1, abs=2)
    assert power(out, 1_080, 1_120) > 0.9 * power(out, 0, 8_000)


def test_noise_has_the_ratio_asked_for():
    speech_, noise = tone(1_000, 2.0), tone(2_000, 0.3)
    out = line(noise=1.0, noise_snr_db=(10, 10), noises=[noise])(speech_, rng())
    assert db(power(out, 900, 1_100), power(out, 1_900, 2_100)) == pytest.approx(10, abs=0.5)


def test_gain_and_clipping():
    quiet = line(gain=1.0, gain_db=(-12, -12))(speech(), rng())
    assert db(rms(quiet) ** 2, rms(plain(speech())) ** 2) == pytest.approx(-12, abs=0.5)
    clipped = line(clipping=1.0, clipping_share=(0.02, 0.02))(speech(), rng())
    assert np.mean(np.abs(clipped) > 0.9) > 0.01
    assert np.mean(np.abs(plain(speech())) > 0.9) == 0


@pytest.mark.parametrize("voices", [[], [tone(2_000)]], ids=["own", "of the agent"])
def test_an_echo_comes_late_and_faint(voices):
    audio = np.concatenate((tone(1_000, 0.1), np.zeros(RATE, np.float32)))
    out = line(echo=1.0, echo_delay_ms=(200, 200), echo_db=(-20, -20), voices=voices)(audio, rng())
    between, late = out[round(0.12 * RATE) : round(0.19 * RATE)], out[round(0.21 * RATE) : round(0.29 * RATE)]
    assert rms(late) > 0.003
    assert rms(late) > 20 * rms(between)
    hz = 2_000 if voices else 1_000
    assert power(late, hz - 100, hz + 100) > 0.8 * power(late, 0, 8_000)


def test_a_room_rings_after_the_word_and_changes_no_loudness():
    audio = np.concatenate((tone(1_000, 0.2), np.zeros(RATE, np.float32)))
    time = np.arange(RATE // 2) / RATE
    room = (rng().standard_normal(len(time)) * np.exp(-12 * time) * 0.02).astype(np.float32)
    room[100] = 1.0  # the direct sound, after a silence that is taken off
    out = line(room=1.0, rooms=[room])(audio, rng())
    assert rms(out[round(0.25 * RATE) : round(0.4 * RATE)]) > 50 * rms(plain(audio)[round(0.25 * RATE) :])
    assert rms(out) == pytest.approx(rms(audio), rel=0.05)
    assert np.corrcoef(out[:1_600], plain(audio)[:1_600])[0, 1] > 0.9  # not delayed


def test_hum_and_hiss_have_their_levels():
    silence = np.zeros(RATE, np.float32)
    hum = line(hum=1.0, hum_db=(-30, -30))(silence, rng(3))
    assert 20 * np.log10(rms(hum)) == pytest.approx(-30, abs=1)
    assert power(hum, 40, 370) > 0.9 * power(hum, 0, 8_000)
    hiss = line(hiss=1.0, hiss_db=(-40, -40))(silence, rng())
    assert 20 * np.log10(rms(hiss)) == pytest.approx(-40, abs=1)
    assert power(hiss, 0, 2_000) == pytest.approx(power(hiss, 2_000, 4_000), rel=0.3)


def test_each_codec_leaves_its_own_noise_and_gsm_the_most():
    made = {
        name: line(**{"mulaw": 0.0, "alaw": 0.0, "gsm": 0.0, name: 1.0})(speech(), rng())
        for name in ("mulaw", "alaw", "gsm")
    }
    reference = made["mulaw"]
    noise = {name: rms(audio - reference) / rms(reference) for name, audio in made.items()}
    assert np.array_equal(reference, plain(speech()))
    assert 0 < noise["alaw"] < 0.1 < noise["gsm"] < 1.0
    assert np.corrcoef(made["gsm"], speech())[0, 1] > 0.8  # not shifted


def test_lost_packets_have_the_share_and_the_bursts_asked_for_and_fade():
    steady = np.full(8_000 * 60, 5_000, np.int16)
    out = lose(steady, rng(), share=0.1, burst=3.0)
    assert len(out) == len(steady)
    gone = (out.reshape(-1, 160) != 5_000).any(axis=1)
    starts = int(np.sum(np.diff(gone.astype(int)) == 1))
    assert gone.mean() == pytest.approx(0.1, abs=0.03)
    assert gone.sum() / starts == pytest.approx(3.0, abs=0.6)
    holes = np.flatnonzero(gone & ~np.roll(gone, 1))
    first = out[holes[0] * 160 : holes[0] * 160 + 160]
    assert first[0] == 5_000  # joins without a click
    assert np.all(np.diff(first.astype(int)) <= 0)


def test_nothing_is_lost_when_no_packet_is_and_the_first_always_comes():
    steady = np.arange(1, 1_601, dtype=np.int16)
    assert np.array_equal(lose(steady, rng(), share=0.0, burst=1.0), steady)
    assert all(np.array_equal(lose(steady, rng(seed), share=0.5, burst=5.0)[:160], steady[:160]) for seed in range(20))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"loss": 1.5}, "loss"),
        ({"gain_db": (3.0, -3.0)}, "gain_db"),
        ({"mulaw": 0.0, "alaw": 0.0, "gsm": 0.0}, "gsm"),
        ({"band_high_hz": (3_000.0, 5_000.0)}, "band_high_hz"),
        ({"loud": 1.0}, "loud"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, name):
    with pytest.raises(ValidationError, match=name):
        TelephoneSettings(**settings)


def test_spec_augment_hides_bands_and_stretches_in_a_copy():
    features = rng().standard_normal((200, 80)).astype(np.float32) + 3.0
    kept = features.copy()
    out = spec_augment(features, rng(1), frequency_width=20, time_share=0.2)
    assert np.array_equal(features, kept)
    assert np.array_equal(out, spec_augment(features, rng(1), frequency_width=20, time_share=0.2))
    hidden = out == features.mean()
    assert hidden.all(axis=0).any()
    assert hidden.all(axis=1).any()
    assert np.array_equal(out[~hidden], features[~hidden])
    assert spec_augment(features[:0], rng()).shape == (0, 80)
    assert spec_augment(features[:3, :4], rng()).shape == (3, 4)
