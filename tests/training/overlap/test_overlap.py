"""The overlap room on voices made of tones: what scenes hold, what the net is taught, and a run from recipe to served model."""

import json
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipelines.adapters.overlap.whisper import WhisperOverlap, states_of
from pipelines.adapters.stt.whisper import Whisper
from pipelines.models import exported
from pipelines.models.store import Store
from pipelines.nets.overlap import STATES, OverlapNet, OverlapSettings
from pipelines.turns.barge_in import BEFORE
from training.common import manifests
from training.common.errors import DataError
from training.common.manifests import Clip
from training.common.recipe import load
from training.overlap import sounds, train
from training.overlap.data import SCENE, Maker, prepare
from training.overlap.examples import ASKED, Batches, Hear, examples, together
from training.overlap.measures import bounds, highest, noticed, threshold
from training.overlap.recipe import OverlapRecipe
from training.overlap.speak import KINDS, LANGUAGES, drawn, manifest

RATE = 16_000
RECIPE = Path(__file__).parents[3] / "training" / "overlap" / "recipes" / "overlap.toml"


class EnergyVad:
    """Takes for speech whatever is louder than a hum."""

    window = 512

    def initial_state(self) -> np.ndarray:
        return np.zeros(1, np.float32)

    def analyze(self, windows, states):
        return [float(np.sqrt(np.mean(window**2)) > 0.008) for window in windows], list(states)


def states_of_pitch(audio: np.ndarray) -> np.ndarray:
    """An encoder of two numbers: how loud, and how high."""
    frames = audio[: len(audio) // 320 * 320].reshape(-1, 320)
    crossings = np.abs(np.diff(np.sign(frames), axis=1)).mean(1)
    return np.stack((np.abs(frames).mean(1), crossings), 1).astype(np.float32)


@pytest.fixture(scope="module")
def hear() -> Hear:
    """The real encoder."""
    return partial(states_of, Whisper(Store().path("whisper-base"), threads=1))


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """Interruptions are high tones, murmurs low ones."""
    for part in ("train", "validation", "test"):
        for kind in KINDS:
            for language in LANGUAGES:
                clips = []
                for n in range(3):
                    seed = zlib.crc32(f"{part}{kind}{language}{n}".encode())
                    rng = np.random.default_rng(seed)
                    hertz = rng.uniform(900, 1_400) if kind == "interruptions" else rng.uniform(150, 300)
                    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(0.6 * RATE)) / RATE)
                    path = tmp_path / f"{seed}.flac"
                    soundfile.write(path, wave.astype(np.float32), RATE)
                    clips.append(Clip(audio=path, text="a", language=language, speaker=f"{part}{n}", duration=0.6))
                manifests.write(manifest(tmp_path, part, kind, language), clips)
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    for name in ("one.flac", "two.flac"):
        soundfile.write(tmp_path / name, noise, RATE)
    lines = [
        json.dumps({"audio": n, "text": None, "language": None, "speaker": None, "duration": 2.0})
        for n in ("one.flac", "two.flac")
    ]
    (tmp_path / "noise.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def recipe() -> OverlapRecipe:
    changes = (
        'data.noises=["noise.jsonl"]', 'data.test_noises=["two.flac"]', "data.people=[]", "data.test_people=[]", "data.rooms=[]", "data.without=[]",
        "data.scenes=100", "data.batch=32", "loop.steps=40", "loop.evaluate_every=20", "loop.learning_rate=0.01", "net.width=16",
    )  # fmt: skip
    return load(RECIPE, OverlapRecipe, changes)


def test_nobody_is_in_two_parts_and_the_benches_voices_are_in_none_that_teaches() -> None:
    voices = load(RECIPE, OverlapRecipe).voices
    parts = [set(part) for part in (voices.train, voices.validation, voices.test)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    taught = {name for name in (*voices.train, *voices.validation) if name.startswith("kokoro:")}
    bench = ("am_michael", "bf_isabella", "bf_emma", "ff_siwis", "pm_alex", "if_sara")
    assert not [name for name in taught if any(voice in name for voice in bench)]


def test_a_voice_says_the_same_lines_again_and_fewer_of_them_when_fewer_are_wanted() -> None:
    assert drawn("pico", "murmurs", "fr", 9) == drawn("pico", "murmurs", "fr", 9)
    assert set(drawn("pico", "murmurs", "fr", 5)) < set(drawn("pico", "murmurs", "fr", 9))
    assert drawn("pico", "murmurs", "fr", 9) != drawn("kokoro:af_sky", "murmurs", "fr", 9)


def test_scenes_are_the_same_again_and_say_where_what_begins(said: Path, recipe: OverlapRecipe) -> None:
    maker = Maker(prepare(recipe, said, said, "train"), recipe.mix, 0)
    scenes = [maker(number) for number in range(60)]
    np.testing.assert_array_equal(scenes[7].audio, maker(7).audio)
    assert {scene.kind for scene in scenes} >= {"interruptions", "murmurs", "noise"}
    for scene in scenes:
        assert scene.audio.shape == (SCENE,)
        assert np.abs(scene.audio).max() <= 1
        assert (scene.begins >= scene.onset) == (scene.kind == "interruptions")
    assert any(scene.begins > scene.onset for scene in scenes)  # after a murmur


def test_only_what_interrupts_is_taught_as_that_and_a_murmur_before_it_is_none(
    said: Path, recipe: OverlapRecipe
) -> None:
    maker = Maker(prepare(recipe, said, said, "train"), recipe.mix, 0)
    heard = examples([maker(number) for number in range(60)], EnergyVad(), states_of_pitch)
    assert {ask.label for one in heard for ask in one.asks} == {-1, 0, 1}
    for one in heard:
        wanted = [ask for ask in one.asks if ask.label == 1]
        assert not wanted or one.scene.kind == "interruptions"
        assert all(ask.end > one.scene.begins for ask in wanted)
        assert all(one.first < ask.end and len(ask.states) <= STATES for ask in one.asks)


def test_an_epoch_asks_all_that_is_taught_once_and_what_is_unsure_never(said: Path, recipe: OverlapRecipe) -> None:
    maker = Maker(prepare(recipe, said, said, "train"), recipe.mix, 0)
    heard = examples([maker(number) for number in range(40)], EnergyVad(), states_of_pitch, most=2)
    assert max(len(one.asks) for one in heard) == 2
    batches = Batches(heard, 1, 0, 0)
    assert len(batches) == sum(ask.label >= 0 for one in heard for ask in one.asks)
    assert {float(batches[place]["labels"][0]) for place in range(len(batches))} == {0.0, 1.0}


def test_the_net_has_room_for_all_that_a_call_asks_about() -> None:
    assert STATES >= (BEFORE + ASKED) // 320 + 1


def test_what_is_behind_the_last_state_is_not_heard(said: Path, recipe: OverlapRecipe) -> None:
    maker = Maker(prepare(recipe, said, said, "train"), recipe.mix, 0)
    asks = [a for one in examples([maker(n) for n in range(9)], EnergyVad(), states_of_pitch) for a in one.asks]
    net = OverlapNet(OverlapSettings(size=2, width=8)).eval()
    states, lengths = together(asks)
    behind = torch.arange(STATES)[None] >= lengths[:, None]
    with torch.inference_mode():
        torch.testing.assert_close(net(states, lengths), net(states.masked_fill(behind[..., None], 9.0), lengths))
        torch.testing.assert_close(net(states[:1], lengths[:1]), net(states, lengths)[:1])


def test_the_most_that_was_heard_is_not_the_nothing_behind_it() -> None:
    class Low(torch.nn.Module):
        def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, None]:
            return torch.full((*seen.shape[:2], 2 * seen.shape[2]), -0.5), None

    net = OverlapNet(OverlapSettings(size=2, width=8)).eval()
    net.memory = Low()
    torch.nn.init.ones_(net.say.weight)
    torch.nn.init.zeros_(net.say.bias)
    with torch.inference_mode():
        said = net.logits(torch.zeros(1, STATES, 2), torch.tensor([9]))
    torch.testing.assert_close(said, torch.tensor([-0.5 * 32]))


def test_a_missing_voice_is_named(tmp_path: Path, recipe: OverlapRecipe) -> None:
    with pytest.raises(DataError, match="overlap-speak"):
        prepare(recipe, tmp_path, tmp_path, "train")


def test_thresholds_keep_their_promise_for_each_group() -> None:
    rng = np.random.default_rng(0)
    groups = [
        [rng.random(3).astype(np.float32) for _ in range(200)],
        [rng.random(3).astype(np.float32) / 2 for _ in range(50)],
    ]
    least = threshold(groups, 0.03)
    assert all((highest(group) >= least).mean() <= 0.03 for group in groups)


def test_bounds_hold_the_share_and_are_wider_for_few_speakers() -> None:
    hits = np.arange(100) % 4 == 0
    low, high = bounds(hits, [""] * 100)
    assert low < 0.25 < high
    few = bounds(np.repeat([True, False], 50), ["a"] * 50 + ["b"] * 50)
    assert few == (0.0, 1.0)


@pytest.mark.parametrize("make", [sounds.hum, sounds.cough])
def test_made_up_sounds_differ_and_are_short(make) -> None:
    one, other = make(np.random.default_rng(0)), make(np.random.default_rng(1))
    assert one.dtype == np.float32
    assert 0.1 * RATE < one.size < 2.5 * RATE
    assert np.isfinite(one).all()
    assert one.size != other.size


def test_a_run_tells_high_tones_from_low_and_leaves_a_model_that_serves(
    said: Path, recipe: OverlapRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hear: Hear
) -> None:
    monkeypatch.setattr(train, "_LINES", 1)
    monkeypatch.setattr(train, "_OTHERS", 4)
    folder = train.run(recipe, said, said, tmp_path / "out", EnergyVad(), hear, quiet=True, say=lambda _: None)
    card = exported.check(folder)
    assert (card.port, card.encoder) == ("overlap", "whisper-base")
    served = WhisperOverlap(folder, Store().path(card.encoder))
    maker = Maker(prepare(recipe, said, said, "test"), recipe.mix, 3)
    scenes = {kind: [maker.of(s, n) for n, s in enumerate(maker._prepared.said) if s.kind == kind] for kind in KINDS}
    means = {}
    for kind, some in scenes.items():
        heard = [served.p_interruption(scene.audio[scene.onset - 1_600 : scene.onset + 6_400]) for scene in some]
        means[kind] = float(np.mean(heard))
    assert means["interruptions"] > means["murmurs"] + 0.2
    some = examples(scenes["interruptions"], EnergyVad(), states_of_pitch)
    assert (noticed(some, [np.ones(len(one.asks)) for one in some], 0.5) > 0).all()
