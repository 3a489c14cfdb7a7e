import numpy as np
import pytest
import torch
from transformers.models.whisper.modeling_whisper import shift_tokens_right

from training.whisper.examples import IGNORED, Batches, Examples, Labels, collate
from training.whisper.frames import context_frames, in_context
from training.whisper.settings import Channel, Context

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


def test_the_decoder_is_given_the_start_once_and_the_padding_counts_for_nothing(tiny, labels):
    texts = ["Agent logged in.", "One."]
    examples = [
        {"index": i, "features": np.zeros((80, 100), np.float32), "labels": labels(text, "en")}
        for i, text in enumerate(texts)
    ]
    batch = collate(examples, 1.0)["labels"]
    config = tiny.model.config
    inputs = shift_tokens_right(batch, config.pad_token_id, config.decoder_start_token_id)
    assert (inputs == tiny.tokenizer.token_to_id(START)).sum(dim=1).tolist() == [1, 1]
    assert inputs[:, 0].tolist() == [config.decoder_start_token_id] * 2
    for row, example in zip(batch, examples, strict=True):
        length = len(example["labels"])
        assert row[:length].tolist() == example["labels"]
        assert (row[length:] == IGNORED).all()
    # The end is a token to be learnt, though padding is the same token for Whisper.
    assert (batch == tiny.tokenizer.token_to_id(END)).sum(dim=1).tolist() == [1, 1]


def test_what_stands_in_the_padding_changes_no_loss(tiny, labels):
    short = {"index": 0, "features": np.zeros((80, 100), np.float32), "labels": labels("One.", "en")}
    alone = collate([short], 1.0)
    padded = {**alone, "labels": torch.nn.functional.pad(alone["labels"], (0, 7), value=IGNORED)}
    from training.whisper.short import take_any_context

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


def test_a_batch_is_as_long_as_its_longest_with_a_margin(tiny, labels, clips):
    examples = Examples(clips, labels, 80, Channel(), 0)
    longest = max(example["features"].shape[1] for example in examples)
    batches = Batches(Context(margin_s=(0.5, 2.0)), 0)
    lengths = {batches(list(examples))["input_features"].shape[2] for _ in range(8)}
    assert len(lengths) > 1
    assert all(longest + 50 <= length <= longest + 202 for length in lengths)


def test_a_full_context_comes_with_a_quarter_of_the_batch(labels, clips):
    examples = Examples(clips, labels, 80, Channel(), 0)
    batch = Batches(Context(margin_s=(0.5, 2.0), full=1.0), 0)(list(examples))
    assert batch["input_features"].shape == (1, 80, 3_000)


def test_the_line_is_drawn_anew_each_time_and_the_same_from_the_seed(labels, clips):
    def features(seed):
        examples = Examples(clips, labels, 80, Channel(drawn=1.0), seed)
        return [examples[0]["features"] for _ in range(2)]

    first, again, other = features(0), features(0), features(1)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])
