import numpy as np
import pytest
import torch

from pipelines.adapters import kinds
from pipelines.models import exported
from training.denoise.data import parts
from training.denoise.losses import si_sdr
from training.denoise.recipe import TableSettings
from training.denoise.table import Scene, cleaned, run
from training.denoise.table import row as row_of
from training.denoise.train import build, fit, loss_of
from training.denoise.train import run as train


@pytest.mark.parametrize("kind", ["mask", "waveform"])
def test_what_was_trained_is_exported_and_served(data, recipe, tmp_path, kind):
    said = []
    folder = train(recipe(kind=kind), data, tmp_path, quiet=True, say=said.append)
    card = exported.check(folder)  # the export itself has proven the output
    assert (card.port, card.name) == ("denoise", "small")
    assert kinds.load_added(card, folder).delay == 320
    assert exported.read_card(folder).provenance.figures["parameters"] > 1_000
    assert any("4 speakers" in line for line in said)


def test_a_few_steps_take_noise_away(data, recipe):
    r = recipe()
    r = r.model_copy(
        update={"loop": r.loop.model_copy(update={"steps": 60, "learning_rate": 0.01, "evaluate_every": 60})}
    )
    before = build(r.net)
    pair = torch.randn(2, 4, 16_000, generator=torch.Generator().manual_seed(0)) * 0.05
    with torch.no_grad():
        first = float(loss_of(before, pair, r.loss, before.delay))
    assert np.isfinite(first)
    losses = [loss for _, loss in _fit(r, data).losses]
    assert losses[-1] < 0.9 * losses[0]


def _fit(r, data):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as out:
        return fit(r, parts(r.data, data), Path(out), quiet=True).outcome


def test_a_net_that_is_taught_a_floor_is_asked_for_some_of_the_noise(recipe):
    clean, noise = torch.randn(2, 1, 8_000, generator=torch.Generator().manual_seed(0))
    loss = recipe().loss.model_copy(update={"keep_db": -6.0})

    class Says(torch.nn.Module):
        def forward(self, noisy):
            return torch.nn.functional.pad(clean + 10 ** (-6 / 20) * (noisy - clean), (16, 0))[:, : noisy.shape[-1]]

    assert float(loss_of(Says(), torch.stack((clean + noise, clean)), loss, 16)) < 1e-4


def table(**more):
    return TableSettings(
        speech=["speech.jsonl"],
        clips=3,
        min_s=0.1,
        noise=["noise.jsonl"],
        noises=["babble", "kitchen"],
        snr_db=[5.0],
        packaged=[],
        **more,
    )


def test_the_scene_is_as_noisy_as_it_says_and_the_same_for_all(data):
    scene = Scene(table(), data)
    for noise in ("babble", "kitchen"):
        cases = scene.cases(noise, 5.0)
        for case, again in zip(cases, scene.cases(noise, 5.0), strict=True):
            np.testing.assert_array_equal(case.noisy, again.noisy)
            assert 0 < float(si_sdr(torch.from_numpy(case.noisy), torch.from_numpy(case.clean))) < 12


class Late:
    """Changes nothing, and is as late as any."""

    delay = 320

    def initial_state(self):
        return np.zeros(320, np.float32)

    def denoise(self, audio, state):
        line = np.concatenate((state, audio))
        return line[: audio.size], line[audio.size :]


def test_the_table_sets_right_what_the_delay_shifts(data):
    for case in Scene(table(), data).cases("kitchen", 5.0):
        np.testing.assert_array_equal(cleaned(Late(), case.noisy), case.noisy)


def test_a_table_goes_on_where_it_was_killed(data, recipe, tmp_path):
    folder = train(recipe(), data, tmp_path / "net", quiet=True, say=lambda _: None)
    said = []
    text = run(table(keep_db=[-6.0]), data, tmp_path / "out", [folder], stt="", words=0, say=said.append)
    assert "| small |" in text
    assert "small -6 dB" in text
    measured = [line for line in said if line.startswith("kitchen")]
    assert measured
    said.clear()
    assert run(table(keep_db=[-6.0]), data, tmp_path / "out", [folder], stt="", words=0, say=said.append) == text
    assert not [line for line in said if line.startswith("kitchen")]


def test_words_are_counted_language_by_language(data):
    class Deaf:
        heard = 0

        def transcribe(self, audio, *, languages, final, hot_words=""):
            from pipelines.models.ports import Transcript

            self.heard += 1
            return Transcript("", languages[0])

    deaf = Deaf()
    found = row_of("none", None, Scene(table(), data).cases("quiet", None), "quiet", None, deaf, 2)
    assert deaf.heard == 2
    assert found.words == [(1, 1), (1, 1)]
