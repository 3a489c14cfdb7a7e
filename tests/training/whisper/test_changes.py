import numpy as np
import pytest
import torch

from pipelines.models import taught
from training.common.errors import DataError
from training.whisper import checkpoint
from training.whisper.changes import low_rank, write_changes

NARROW = "model.encoder.layers.1.fc1.weight"
JOINED = "model.encoder.layers.2.self_attn.v_proj.weight"


def matrix(rank: int, *shape: int) -> np.ndarray:
    random = np.random.default_rng(rank)
    strength = 0.5 ** np.arange(rank)
    return 0.01 * (random.normal(size=(shape[0], rank)) * strength) @ random.normal(size=(rank, shape[1]))


@pytest.mark.parametrize("shape", [(40, 24), (24, 40)])
def test_rounding_costs_a_hundredth(shape):
    wanted = matrix(6, *shape)
    change = low_rank(wanted, 6, "a")
    found = change.added_to(np.zeros(shape, np.float16)).astype(np.float64)
    assert np.linalg.norm(found - wanted) < 0.01 * np.linalg.norm(wanted)


def test_more_than_the_rank_is_refused():
    with pytest.raises(DataError, match="more than 5 dimensions"):
        low_rank(matrix(6, 40, 24), 5, "a")


def test_what_is_made_of_the_store_s_file_is_the_trained_checkpoint(tmp_path, folder, tiny):
    weights = dict(tiny.model.named_parameters())
    with torch.no_grad():
        for name in (NARROW, JOINED):
            weights[name] += torch.from_numpy(matrix(3, *weights[name].shape)).float()
    tiny.save(tmp_path / "best")
    assert write_changes(tmp_path / "best", folder, 3, tmp_path / "changes.npz") == 2
    for file in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / "made" / file).symlink_to(folder / file)
    taught.apply(taught.read(tmp_path / "changes.npz"), folder / "model.bin", tmp_path / "made" / "model.bin")
    made = checkpoint.load(str(tmp_path / "made")).model.state_dict()
    before = checkpoint.load("whisper-tiny.en").model.state_dict()
    for name, values in tiny.model.state_dict().items():
        far = (made[name] - values).norm()
        if name in (NARROW, JOINED):
            assert far < 0.05 * (before[name] - values).norm()
        else:
            assert far == 0


def test_a_training_that_changed_more_than_matrices_is_refused(tmp_path, folder, tiny):
    with torch.no_grad():
        dict(tiny.model.named_parameters())["model.encoder.layers.1.fc1.bias"] += 0.1
    tiny.save(tmp_path / "best")
    with pytest.raises(DataError, match="is no matrix"):
        write_changes(tmp_path / "best", folder, 3, tmp_path / "changes.npz")
