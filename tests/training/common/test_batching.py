"""Every clip once, alike lengths together, and an order that the seed and the epoch decide."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.common.batching import alike

LENGTHS = np.random.default_rng(0).integers(8_000, 200_000, 500).tolist()


@given(lengths=st.lists(st.integers(1, 1_000), max_size=100), size=st.integers(1, 12), epoch=st.integers(0, 3))
def test_every_clip_is_in_one_batch(lengths, size, epoch):
    batches = alike(lengths, size, seed=1, epoch=epoch)
    assert sorted(int(place) for batch in batches for place in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert sum(len(batch) < size for batch in batches) <= 1


def test_little_of_a_batch_is_filling():
    def filling(batches):
        lengths = [np.array(LENGTHS)[batch] for batch in batches]
        return sum(len(batch) * batch.max() for batch in lengths) / sum(LENGTHS) - 1

    together = filling(alike(LENGTHS, 10, seed=0, epoch=0))
    anyhow = filling(np.split(np.random.default_rng(0).permutation(500), 50))
    assert together < anyhow / 4


def test_the_order_is_the_seeds_and_the_epochs():
    def order(seed, epoch):
        return [place for batch in alike(LENGTHS, 10, seed=seed, epoch=epoch) for place in batch.tolist()]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    longest = [max(LENGTHS[place] for place in batch) for batch in alike(LENGTHS, 10, seed=0, epoch=0)]
    assert longest != sorted(longest)  # the batches themselves stay mixed
