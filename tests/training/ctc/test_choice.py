"""The loss of choosing among texts: what it scores, and that texts which cannot be do no harm."""

import pytest
import torch

from training.common.errors import RecipeError
from training.ctc.evaluate import Choice, ctc_loss
from training.ctc.train import fit, prepare

LABELS = [[1], [2, 1], [2, 2, 1]]


class Says(torch.nn.Module):
    """Says the same of every clip: (B, T, V) log probabilities, learnable."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.randn(2, frames, 3, generator=torch.Generator().manual_seed(0)))

    def forward(self, features, lengths):
        return self.logits.log_softmax(-1), lengths


def batch(frames, labels):
    return {
        "features": torch.zeros(2, frames, 1),
        "lengths": torch.tensor([frames, frames]),
        "labels": torch.tensor([c for label in labels for c in label]),
        "label_lengths": torch.tensor([len(label) for label in labels]),
    }


def test_a_text_scores_its_probability():
    """Two frames that say "a" and "b" half the time each, never nothing: [1] is a a, [2 1] is b a."""
    log_probs = torch.tensor([[[0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]]).log().clamp(min=-50)
    scores = Choice(LABELS, 1.0).scores(log_probs, torch.tensor([2]))[0]
    torch.testing.assert_close(scores[:2].exp(), torch.tensor([0.25, 0.25]))
    assert scores[2] < -1_000  # b b a needs four frames


def test_it_is_added_to_ctc_and_teaches_though_a_text_cannot_be():
    model, clips = Says(3), batch(3, [[1], [2, 1]])
    choice = Choice(LABELS, 2.0)
    scores = choice.scores(*model(clips["features"], clips["lengths"]))
    expected = ctc_loss(model, clips) + 2 * torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1]))
    torch.testing.assert_close(choice(model, clips), expected)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    for _ in range(50):
        loss = choice(model, clips)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert choice(model, clips) < 0.5 * expected
    assert choice.scores(*model(None, clips["lengths"])).argmax(1).tolist() == [0, 1]


def test_a_recipe_asks_for_it(data, recipe, tmp_path):
    found = recipe(choice=1.0)
    done = fit(found, prepare(found, data), tmp_path, quiet=True)
    assert done.outcome.skipped == 0


def test_too_many_texts_are_refused(data, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("training.ctc.train._MOST_TEXTS", 9)
    found = recipe(choice=1.0)
    with pytest.raises(RecipeError, match="10 different texts"):
        fit(found, prepare(found, data), tmp_path, quiet=True)
