import numpy as np
import pytest
import torch
from transformers.models.whisper.modeling_whisper import shift_tokens_right

from pipelines.adapters.stt.whisper import in_context
from training.whisper.examples import IGNORED, Batches, ByLength, Examples, Labels, collate
from training.whisper.frames import context_frames
from training.whisper.settings import Channel, Context
from training.whisper.short import take_any_context

START, NO_STAMPS, END = "<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>"


@pytest.fixture
def labels(tiny):
    return Labels(tiny.tokenizer, multilingual=tiny.multilingual, task="transcribe")


def test_a_label_is_prompt_words_and_end_without_the_start(tiny, labels):
    ids = labels("Agent logged in.", "en")
    assert ids[0] == tiny.tokenizer.token_to_id(NO_STAMPS)
    assert ids[-1] == tiny.tokenizer.token_to_id(END)
    assert tiny.tokenizer.token_to_id(START) not in ids
    assert tiny.tokenizer.decode(ids, skip_special_tokens=True) == " Agent logged in."


def examples(clips, labels, **channel):
    return Examples(clips, labels, 80, Channel(**channel))


def quiet(count):
    return [np.zeros((80, 100), np.float32)] * count


def test_the_decoder_is_given_the_start_once_and_the_padding_counts_for_nothing(tiny, labels, clips):
    held = examples(clips, labels)
    batch = collate(held, [0, 1], quiet(2), 1.0)["labels"]
    config = tiny.model.config
    inputs = shift_tokens_right(batch, config.pad_token_id, config.decoder_start_token_id)
    assert (inputs == tiny.tokenizer.token_to_id(START)).sum(dim=1).tolist() == [1, 1]
    assert inputs[:, 0].tolist() == [config.decoder_start_token_id] * 2
    for row, label in zip(batch, held.labels, strict=False):
        assert row[: len(label)].tolist() == label
        assert (row[len(label) :] == IGNORED).all()
    assert len(held.labels[0]) != len(held.labels[1])
    # The end is a token to be learnt, though padding is the same token for Whisper.
    assert (batch == tiny.tokenizer.token_to_id(END)).sum(dim=1).tolist() == [1, 1]


def test_what_stands_in_the_padding_changes_no_loss(tiny, labels, clips):
    alone = collate(examples(clips, labels), [1], quiet(1), 1.0)
    padded = {**alone, "labels": torch.nn.functional.pad(alone["labels"], (0, 7), value=IGNORED)}
    model = take_any_context(tiny.model)
    with torch.no_grad():
        losses = [
            model(input_features=batch["input_features"], labels=batch["labels"]).loss.item()
            for batch in (alone, padded)
        ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize(("frames", "margin_s", "expected"), [(100, 1.0, 200), (101, 0.5, 152), (2_990, 5.0, 3_000)])
def test_a_context_is_even_and_no_longer_than_half_a_minute(frames, margin_s, expected):
    assert context_frames(frames, margin_s) == expected


def test_a_context_is_filled_with_the_quietest_of_the_utterance():
    features = np.array([[0.5, -0.75], [0.25, 1.0]], np.float32)
    assert in_context(features, 4).tolist() == [[0.5, -0.75, -0.75, -0.75], [0.25, 1.0, -0.75, -0.75]]


def test_a_batch_is_as_long_as_its_longest_with_a_margin(labels, clips):
    held = examples(clips, labels)
    longest = max(held.features(index).shape[1] for index in range(len(held)))
    orders = ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2])
    lengths = {Batches(held, Context(margin_s=(0.5, 2.0)), 0)(order)["input_features"].shape[2] for order in orders}
    assert len(lengths) > 1
    assert all(longest + 50 <= length <= longest + 202 for length in lengths)


def test_a_full_context_comes_with_a_quarter_of_the_batch(labels, clips):
    batch = Batches(examples(clips, labels), Context(margin_s=(0.5, 2.0), full=1.0), 0)([2, 0, 1, 3])
    assert batch["input_features"].shape == (1, 80, 3_000)
    assert batch["index"].tolist() == [2]


def test_lines_are_drawn_from_the_seed_and_the_company(labels, clips):
    held = examples(clips, labels, drawn=1.0)

    def sound(seed, *indices):
        return Batches(held, Context(margin_s=(1.0, 1.0)), seed)(indices)["input_features"]

    assert torch.equal(sound(0, 0, 1), sound(0, 0, 1))
    assert not torch.equal(sound(0, 0, 1)[0, :, :50], sound(0, 0, 2)[0, :, :50])
    assert not torch.equal(sound(0, 0, 1)[0, :, :50], sound(1, 0, 1)[0, :, :50])


def test_clips_of_like_length_come_together_in_the_order_of_the_epoch(labels, clips):
    many = ByLength(examples(clips * 50, labels), 2, 0)
    first = list(many)
    assert sorted(first) == list(range(200))
    assert list(many) == first
    many.set_epoch(1)
    assert list(many) != first
    lengths = [many.lengths[index] for index in first]
    apart = [abs(lengths[i] - lengths[i + 1]) for i in range(0, 200, 2)]
    assert sum(apart) / len(apart) < 10
