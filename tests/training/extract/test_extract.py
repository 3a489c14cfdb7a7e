"""Mixtures, the loss and its measure, and a whole run on thirty recordings."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipelines.adapters import kinds
from pipelines.adapters.extract.masked import FILE, Masked
from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.models.ports import Transcript
from pipelines.nets.extract import Extractor, ExtractSettings
from pipelines.speakers.enrolment import unit
from pipelines.speakers.spectrum import KEPT, analysed
from training.common import audio, manifests
from training.common.errors import DataError
from training.common.manifests import Clip
from training.extract import words
from training.extract.data import Mixer
from training.extract.measures import mean_with_bounds, si_sdr
from training.extract.recipe import ExtractRecipe, Mixing
from training.extract.train import _si_sdr, run, to_onnx
from training.speakers.data import divided

DIGITS = Path(__file__).parents[2] / "data" / "digits"


class Toy:
    size = 3

    def embed(self, audio):
        return unit(np.array([np.abs(audio).mean(), np.abs(np.diff(audio)).mean(), 0.01], np.float32))


@pytest.fixture
def people(tmp_path) -> Path:
    """Six people of recorded digits."""
    lines = [json.loads(line) for line in (DIGITS / "manifest.jsonl").read_text().splitlines()]
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "manifest.jsonl").write_text(
        "\n".join(
            json.dumps({**line, "audio": str(DIGITS / line["audio"]), "speaker": f"s{i % 6}"})
            for i, line in enumerate(lines * 4)
        )
    )
    return tmp_path


def mixer(people, **changed) -> Mixer:
    clips = manifests.read_all([people / "people" / "manifest.jsonl"])
    return Mixer(clips, Mixing(**changed), Toy(), seed=1)


def test_a_mixture_holds_the_voice_at_the_ratio_that_was_drawn(people):
    loud, faint = (mixer(people, ratio_db=(db, db))(3) for db in (20.0, -20.0))
    assert len(loud.sound) == len(loud.wanted) == 48_000
    assert np.array_equal(loud.wanted, faint.wanted)
    assert si_sdr(loud.sound, loud.wanted) > 12
    assert si_sdr(faint.sound, faint.wanted) < -12
    assert np.linalg.norm(loud.voice) == pytest.approx(1, abs=1e-5)


def test_a_mixture_can_be_made_again(people):
    one, again = mixer(people)(5), mixer(people)(5)
    assert np.array_equal(one.sound, again.sound)
    assert not np.array_equal(one.sound, mixer(people)(6).sound)


def test_who_has_one_long_clip_is_followed_by_its_beginning_if_it_is_halved(people):
    for i, name in enumerate(["one", "two"]):
        tone = np.sin(np.arange(12 * 16_000) * (0.1 + 0.05 * i)).astype(np.float32) * 0.1
        tone[6 * 16_000 :] *= 2  # said later than what he is known by, and louder
        soundfile.write(people / "people" / f"{name}.flac", tone, 16_000)
    clips = [
        Clip(audio=people / "people" / f"{name}.flac", text="", language="en", speaker=name, duration=12.0)
        for name in ("one", "two")
    ]
    with pytest.raises(DataError, match="two clips"):
        Mixer(clips, Mixing(), Toy(), seed=1)
    heard = []

    class Listens(Toy):
        def embed(self, audio):
            heard.append(audio)
            return super().embed(audio)

    mixture = Mixer(clips, Mixing(halves=True, seconds=6), Listens(), seed=1)(0)
    assert [len(sound) for sound in heard] == [6 * 16_000]
    assert np.std(heard[0]) < 0.08  # the fainter half
    assert np.min(np.abs(mixture.wanted[1600:-1600]).reshape(-1, 1600).max(axis=1)) > 0.05  # no silence in six seconds


def test_si_sdr_is_that_of_known_noise_and_knows_no_loudness():
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal(100_000).astype(np.float32)
    noise = rng.standard_normal(100_000).astype(np.float32)
    assert si_sdr(wanted + 0.1 * noise, wanted) == pytest.approx(20, abs=0.1)
    assert si_sdr(7 * (wanted + noise), wanted) == pytest.approx(0, abs=0.1)


def test_the_loss_s_figure_is_the_measure_s():
    rng = np.random.default_rng(0)
    wanted, noise = (rng.standard_normal(32_000).astype(np.float32) for _ in range(2))
    found = wanted + 0.5 * noise
    of_spectra = _si_sdr(*(torch.from_numpy(analysed(sound))[None] for sound in (found, wanted)))
    assert of_spectra.item() == pytest.approx(si_sdr(found, wanted), abs=0.2)


def test_bounds_hold_the_mean():
    mean, low, high = mean_with_bounds([1.0, 2.0, 3.0, 4.0])
    assert low < mean == 2.5 < high


def test_the_served_net_is_the_trained_one(tmp_path):
    torch.manual_seed(0)
    net = Extractor(ExtractSettings(width=16), KEPT, 3).eval()
    to_onnx(net, 3, tmp_path / FILE)
    served = Masked(tmp_path)
    voice = unit(np.array([1.0, 2.0, 3.0], np.float32))
    for samples in (5_000, 40_000):
        sound = 0.05 * np.random.default_rng(1).standard_normal(samples).astype(np.float32)
        found = served.extract(sound, voice)
        assert found.shape == sound.shape
        assert found.dtype == np.float32
        # The same at another loudness, only louder.
        assert served.extract(3 * sound, voice) == pytest.approx(3 * found, abs=1e-4)
    assert served.extract(np.zeros(0, np.float32), voice).size == 0
    with pytest.raises(ModelError, match="voices of 3 numbers"):
        served.extract(sound, np.ones(4, np.float32))


def test_whom_it_follows_matters(tmp_path):
    torch.manual_seed(0)
    net = Extractor(ExtractSettings(width=16), KEPT, 3).eval()
    magnitudes = torch.rand(1, 50, KEPT)
    with torch.no_grad():
        one, other = (net(magnitudes, torch.eye(3)[[i]]) for i in (0, 1))
    assert (one - other).abs().max() > 0.01


def test_a_run_leaves_a_model_that_proves_itself(people):
    recipe = ExtractRecipe.model_validate(
        {
            "name": "small",
            "data": {"split": ["people/manifest.jsonl"], "validation_share": 0.3},
            "net": {"width": 16, "layers": 1},
            "mixing": {"seconds": 1.0, "mixtures": 8, "tested": 3},
            "loop": {"steps": 4, "evaluate_every": 2, "checkpoint_every": 2, "tensorboard": False},
            "batch": 2,
        }
    )
    folder = run(recipe, Toy(), people, people / "out", quiet=True, say=lambda _: None)
    card = exported.check(folder)
    assert (card.port, card.kind) == ("extract", "masked")
    kinds.load_added(card, folder)
    figures = json.loads((people / "out" / "figures.json").read_text())
    assert figures["gained"] == pytest.approx(figures["extracted"] - figures["mixture"], abs=1e-6)


class Ears:
    """Hears a word where the sound is that of a person alone, and nonsense elsewhere."""

    def __init__(self, alone: list[bytes]) -> None:
        self._alone = alone

    def transcribe(self, audio, *, languages, final):
        return Transcript("seven" if audio.tobytes() in self._alone else "what what", languages[0])


def test_the_table_says_what_a_mask_that_changes_nothing_is_worth(people, monkeypatch, tmp_path):
    (people / "long").mkdir()
    lines = []
    for i, line in enumerate((DIGITS / "manifest.jsonl").read_text().splitlines()[:12]):
        soundfile.write(
            people / "long" / f"{i}.flac", np.tile(audio.load(DIGITS / json.loads(line)["audio"]), 9), 16_000
        )
        lines.append(json.dumps({"audio": f"{i}.flac", "text": "seven", "language": "en", "speaker": f"t{i % 3}"}))
    (people / "long" / "manifest.jsonl").write_text("\n".join(lines))
    recipe = ExtractRecipe.model_validate(
        {"name": "a", "data": {"split": ["people/manifest.jsonl"], "test": ["long/manifest.jsonl"]}}
    )
    net = Extractor(ExtractSettings(width=16), KEPT, 3)
    with torch.no_grad():
        net.mask.weight.zero_()
        net.mask.bias.fill_(20)  # a mask of one everywhere
    to_onnx(net, 3, tmp_path / FILE)
    clips = [c for c in divided(recipe.data, people).test if c.duration >= 1.5]
    whole = Mixer(clips, recipe.mixing, Toy(), recipe.loop.seed + 9, whole=True)
    monkeypatch.setattr(words.kinds, "load", lambda *_: Ears([whole(n).wanted.tobytes() for n in range(4)]))
    monkeypatch.setattr(words.Store, "path", lambda *_: tmp_path)
    table = words.table(recipe, Toy(), tmp_path, "whisper-base", people, 4)
    assert "| he alone | 0.0 (0.0 to 0.0) |" in table
    assert "| both | 200.0 (200.0 to 200.0) |" in table
    assert "+0.0 to +0.0 points of word error" in table
    assert table.count("200.0 (200.0 to 200.0)") == 2  # extracted is no better, and the bounds of the difference say so
    told = {row.split("|")[1].strip(): row.split("|")[3] for row in table.splitlines() if row.count("|") == 4}
    assert told["told the other's voice"] == told["extracted"]  # a net that follows nobody

    class Follows(words.Masked):
        def extract(self, audio, voice):
            [m] = [m for m in map(whole, range(4)) if np.array_equal(m.sound, audio)]
            return m.wanted if np.array_equal(voice, m.voice) else audio - m.wanted

    monkeypatch.setattr(words, "Masked", Follows)
    table = words.table(recipe, Toy(), tmp_path, "whisper-base", people, 4)
    told = {
        row.split("|")[1].strip(): row.split("|")[3].split()[:1] for row in table.splitlines() if row.count("|") == 4
    }
    assert float(told["extracted"][0]) > 60 > 0 > float(told["told the other's voice"][0])
