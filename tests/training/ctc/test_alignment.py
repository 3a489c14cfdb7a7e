from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.nets.decoding import collapse
from training.common.errors import DataError
from training.ctc.alignment import forced, interleaved

CASES = st.tuples(
    st.lists(st.integers(1, 3), max_size=3), st.integers(1, 6), st.integers(0, 10_000)
)  # label, frames, seed


def drawn(frames, seed, size=4):
    return np.log(np.random.default_rng(seed).dirichlet(np.ones(size), frames)).astype(np.float32)


def every_path(log_probs, label):
    """All paths that are collapsed to the label, each with its log probability."""
    paths = product(range(log_probs.shape[1]), repeat=len(log_probs))
    return {p: sum(float(log_probs[t, n]) for t, n in enumerate(p)) for p in paths if collapse(p) == label}


@given(CASES)
def test_the_best_path_is_the_best_of_all(case):
    label, frames, seed = case
    log_probs = drawn(frames, seed)
    paths = every_path(log_probs, label)
    if not paths:
        with pytest.raises(DataError, match="too few"):
            forced(log_probs, label)
        return
    found = forced(log_probs, label)
    assert collapse(found.path) == label
    assert paths[tuple(found.path)] == pytest.approx(found.log_best, abs=1e-4)
    assert found.log_best == pytest.approx(max(paths.values()), abs=1e-4)
    assert found.log_total == pytest.approx(np.logaddexp.reduce(list(paths.values())), abs=1e-4)


@given(CASES)
def test_spans_are_the_characters_of_the_label_in_order(case):
    label, frames, seed = case
    try:
        found = forced(drawn(frames, seed), label)
    except DataError:
        return
    assert [span.number for span in found.spans] == label
    covered = [t for span in found.spans for t in range(span.first, span.last + 1)]
    assert covered == sorted(set(covered)) == [t for t, n in enumerate(found.path) if n]
    assert [interleaved(label)[state] for state in found.states] == found.path


def test_the_sum_of_all_paths_is_the_ctc_loss_of_torch():
    log_probs, label = drawn(60, 3, size=28), [3, 3, 17, 5, 5, 5, 1]
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs), torch.tensor(label), torch.tensor(60), torch.tensor(len(label)), reduction="sum"
    )
    assert forced(log_probs, label).log_total == pytest.approx(-loss.item(), rel=1e-4)


def test_a_repeat_needs_a_frame_of_its_own():
    assert forced(drawn(3, 0), [1, 1]).path == [1, 0, 1]
    with pytest.raises(DataError, match="2 output frames are too few for this text, which needs 3"):
        forced(drawn(2, 0), [1, 1])


def test_nothing_said_is_all_blanks():
    found = forced(drawn(4, 0), [])
    assert found.path == [0, 0, 0, 0]
    assert found.spans == []
