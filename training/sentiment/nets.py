"""The networks: pieces of words to a small encoder taught here, or vectors of a frozen one to a hidden layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from pipelines.adapters.sentiment.encoder import LONGEST
from pipelines.errors import ModelError
from pipelines.nets.sentiment import Frozen, Head, SmallEncoder
from training.common.loop import train
from training.sentiment import measures
from training.sentiment.data import Sentence
from training.sentiment.recipe import SentimentRecipe

Floats = NDArray[np.float64]

_VECTORS: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
"""What frozen networks made of sentences, by network: the same for every seed and every share of the data."""

_ASIDE = 8  # one in so many of the training sentences chooses the weights and the temperature


@dataclass
class Net:
    """`net(ids (1, T)) -> logits (1, 3)`, the tokenizer it was taught with, the temperature. `losses`: (step, training loss);
    `aside`: (step, loss of sentences that were not trained on)."""

    net: torch.nn.Module
    tokenizer: Tokenizer | None
    temperature: float = 1.0
    vector: Callable[[Sentence], torch.Tensor] | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)
    aside: list[tuple[int, float]] = field(default_factory=list)

    @property
    def parameters_count(self) -> int:
        """Of those that were learnt here."""
        learnt = self.net.head if isinstance(self.net, Frozen) else self.net
        return sum(p.numel() for p in learnt.parameters())

    @torch.inference_mode()
    def logits(self, sentences: Sequence[Sentence]) -> Floats:
        """(n, 3), each sentence for itself, at the temperature."""
        self.net.eval()
        if self.vector is not None:  # the frozen part is run once a sentence
            found = [(self.net.head if isinstance(self.net, Frozen) else self.net)(self.vector(s)) for s in sentences]
        else:
            found = [self.net(torch.tensor([ids_of(self.tokenizer, s.text)])) for s in sentences]
        return torch.cat(found).double().numpy() / self.temperature


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """As the server makes them."""
    return tokenizer.encode(text).ids[-LONGEST:] or [0]


def pieces(sentences: Sequence[Sentence], vocabulary: int) -> Tokenizer:
    """Byte-pair pieces learnt from the training sentences (Sennrich et al. 2016), lower case."""
    tokenizer = Tokenizer(models.BPE(unk_token="[?]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), normalizers.Replace("’", "'")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.BPEDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["[pad]", "[?]"], show_progress=False, end_of_word_suffix="</w>"
    )
    tokenizer.train_from_iterator((s.text for s in sentences), trainer)
    return tokenizer


def fit(sentences: Sequence[Sentence], recipe: SentimentRecipe, seed: int, out: Path) -> Net:
    """Taught on seven eighths of `sentences`; the rest chooses the step and the temperature. Raises ModelError for a base that cannot be had."""
    order = np.random.default_rng(seed).permutation(len(sentences))
    aside = [sentences[i] for i in order[: len(order) // _ASIDE]]
    taught = [sentences[i] for i in order[len(order) // _ASIDE :]]
    torch.manual_seed(seed)
    if recipe.net.kind == "small":
        tokenizer = pieces(taught, recipe.net.vocabulary)
        net = SmallEncoder(tokenizer.get_vocab_size(), recipe.net.width, recipe.net.layers, dropout=recipe.net.dropout)
        found = Net(net, tokenizer)
        _train(net, lambda some: _padded(tokenizer, some), taught, aside, recipe, seed, out, found)
    else:
        encoder, tokenizer, vector = (_whisper if recipe.net.kind == "whisper" else _transformer)(recipe.net.base)
        known = _VECTORS.setdefault((recipe.net.kind, recipe.net.base), {})

        def vector_of(sentence: Sentence) -> torch.Tensor:
            if sentence.text not in known:
                with torch.inference_mode():
                    known[sentence.text] = vector(sentence.text).clone()
            return known[sentence.text].clone()

        found = on_vectors(vector_of, taught, aside, recipe, seed, out)
        if encoder is not None:
            found.net, found.tokenizer = Frozen(encoder, found.net), tokenizer
    found.temperature = measures.temperature(found.logits(aside), np.array([s.label for s in aside]))
    return found


def on_vectors(
    vector_of: Callable[[Sentence], torch.Tensor],
    taught: Sequence[Sentence],
    aside: Sequence[Sentence],
    recipe: SentimentRecipe,
    seed: int,
    out: Path,
) -> Net:
    """A hidden layer on vectors (1, size) of something frozen. `aside` chooses the step."""
    rows = torch.cat([vector_of(s) for s in taught])
    head = Head(rows.shape[1], recipe.net.hidden, recipe.net.dropout)
    head.mean.copy_(rows.mean(0))
    head.deviation.copy_(rows.std(0, correction=0).clamp(min=1e-3))
    found = Net(head, None, vector=vector_of)
    _train(head, lambda some: (torch.cat([vector_of(s) for s in some]),), taught, aside, recipe, seed, out, found)
    return found


def _train(net, entered, taught, aside, recipe: SentimentRecipe, seed: int, out: Path, found: Net) -> None:
    """By the common loop. `entered`: sentences to what `net` takes."""

    class Epoch:
        def __init__(self, number: int) -> None:
            self._order = np.random.default_rng([seed, number]).permutation(len(taught))

        def __len__(self) -> int:
            return max(1, len(taught) // recipe.net.batch)

        def __getitem__(self, place: int) -> dict:
            if not 0 <= place < len(self):
                raise IndexError(place)
            some = [taught[i] for i in self._order[place * recipe.net.batch : (place + 1) * recipe.net.batch]]
            return {
                "inputs": entered(some),
                "labels": torch.tensor([s.label for s in some]),
                "weights": torch.tensor([s.weight for s in some]),
            }

    counts = np.bincount([s.label for s in taught], weights=[s.weight for s in taught], minlength=3)
    even = torch.tensor(counts.sum() / (3 * np.maximum(counts, 1)), dtype=torch.float32)

    def loss(model, batch) -> torch.Tensor:
        each = torch.nn.functional.cross_entropy(
            model(*batch["inputs"]), batch["labels"], weight=even, reduction="none", label_smoothing=0.05
        )
        return (each * batch["weights"]).sum() / batch["weights"].sum()

    inputs, labels = entered(aside), torch.tensor([s.label for s in aside])

    def evaluate(model) -> dict[str, float]:
        logits = model(*inputs)
        return {
            "loss": torch.nn.functional.cross_entropy(logits, labels).item(),
            "accuracy": (logits.argmax(1) == labels).float().mean().item(),
        }

    settings = recipe.loop.model_copy(update={"seed": seed, "checkpoint_every": 0, "tensorboard": False})
    outcome = train(
        net, loss=loss, batches=Epoch, evaluate=evaluate, settings=settings, out=out, fresh=True, quiet=True
    )
    found.losses, found.aside = outcome.losses, [(step, measure["loss"]) for step, measure in outcome.measures]


def _padded(tokenizer: Tokenizer, some: Sequence[Sentence]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [ids_of(tokenizer, s.text) for s in some]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = True
    return ids, mask


def _transformer(base: str):
    """An encoder of transformers by `AutoModel`, frozen; its fast tokenizer; text to its mean vector (1, size)."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        encoder = AutoModel.from_pretrained(
            base, dtype=torch.float32, trust_remote_code=False, attn_implementation="eager"
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(base, use_fast=True, trust_remote_code=False).backend_tokenizer
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelError(
            f"No text encoder in {base}: {first}. Give a folder saved by transformers, or a name of the hub."
        ) from error
    encoder.requires_grad_(False)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    probe = Frozen(encoder, Head(1))
    return encoder, tokenizer, lambda text: probe.vector(torch.tensor([ids_of(tokenizer, text)]))


def _whisper(base: str):
    """The decoder of a Whisper that hears nothing, frozen: a reader of 99 languages, for want of a better one. Measured, not served."""
    from training.whisper.checkpoint import load

    checkpoint = load(base)
    decoder, tokenizer = checkpoint.model.model.decoder.eval(), checkpoint.tokenizer
    silence = torch.zeros(1, 1, checkpoint.model.config.d_model)

    def vector(text: str) -> torch.Tensor:
        ids = torch.tensor([tokenizer.encode(" " + text, add_special_tokens=False).ids[-LONGEST:]])
        hidden = decoder(input_ids=ids, encoder_hidden_states=silence, output_hidden_states=True).hidden_states
        return torch.cat([hidden[0].mean(1), hidden[len(hidden) // 2].mean(1)], 1)

    return None, None, vector
