"""A whole run on thirty recordings: trained, measured, exported, proven; and the loss."""

import json
import math

import pytest
import torch

from pipelines.adapters import kinds
from pipelines.errors import ModelError
from pipelines.models import exported, self_test
from pipelines.nets.ecapa import Ecapa, EcapaSettings
from training.speakers.loss import Classifier, widened
from training.speakers.train import fit, run


def test_a_run_leaves_a_model_that_proves_itself(people, recipe):
    said = []
    folder = run(recipe(), people, people / "out", quiet=True, say=said.append)
    card = exported.check(folder)
    assert (card.port, card.kind, card.name) == ("speaker", "ecapa", "small")
    model = kinds.load_added(card, folder)
    test = self_test.load(folder / self_test.FILE)
    assert model.embed(test.audio) == pytest.approx(test.output, abs=1e-4)
    assert set(model.thresholds) == {"clean", "noisy", "short"}
    figures = json.loads((people / "out" / "figures.json").read_text())
    assert figures["cpu_ms_per_s"] > 0
    assert any("parameters" in line for line in said)
    # Another self-test is another model.
    self_test.save(self_test.VectorTest(audio=test.audio, output=-test.output), folder / self_test.FILE)
    with pytest.raises(ModelError, match="fails its self-test"):
        kinds.load_added(card, folder)


def test_a_run_goes_on_where_it_was(people, recipe):
    whole = fit(recipe(), people, people / "whole", quiet=True, say=lambda _: None)
    state = whole.net.state_dict()
    again = fit(recipe(), people, people / "whole", quiet=True, say=lambda _: None)
    assert all(torch.equal(state[name], value) for name, value in again.net.state_dict().items())


def test_a_teacher_is_followed():
    torch.manual_seed(0)
    model = Classifier(Ecapa(EcapaSettings(channels=16, size=16, pooled=16, attention=8), 12), 4, 30.0, taught=5)
    frames, speakers, voices = torch.randn(8, 60, 12), torch.arange(8) % 4, torch.eye(5)[torch.arange(8) % 4]
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    before = model(frames, speakers, 0.0, voices).item() - model(frames, speakers, 0.0).item()
    for _ in range(40):
        optimizer.zero_grad()
        model(frames, speakers, 0.0, voices).backward()
        optimizer.step()
    after = model(frames, speakers, 0.0, voices).item() - model(frames, speakers, 0.0).item()
    assert before > 0.5
    assert after < 0.5 * before


def test_the_right_angle_is_made_wider_and_no_other():
    angles = torch.tensor([[0.3, 1.2, 2.0]])
    moved = widened(torch.cos(angles), torch.tensor([1]), 0.2)
    assert torch.acos(moved[0]).tolist() == pytest.approx([0.3, 1.4, 2.0], abs=1e-3)


def test_a_wider_angle_is_never_a_better_one():
    cosines = torch.linspace(1, -1, 200)[:, None]
    moved = widened(cosines, torch.zeros(200, dtype=torch.long), 0.3)[:, 0]
    assert (moved.diff() <= 1e-6).all()
    assert math.isclose(float(moved[-1]), -1 - math.sin(0.3) * 0.3, abs_tol=0.01)
