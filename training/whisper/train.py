"""Fine-tune a Whisper by a recipe: transformers' Seq2SeqTrainer, measured by what the server would hear.

Loss: cross-entropy with the label's tokens; with `teacher`, also the divergence from what the unchanged model, which hears the same
recording over a plain line with much context, says at each of these tokens (self-distillation). The second says more than the first: not only which token is right but how sure the model was of
it and of each other one, the end included. It keeps the model what it was, and lets references that are not quite what was said do little harm.
The idea for short contexts is from https://github.com/futo-org/whisper-acft, which pulls the decoder's hidden states to those of the full context; the divergence of the
probabilities asks for less (hidden states may differ where no word does) and works with a decoder that learns too.
"""

import copy
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    WhisperForConditionalGeneration,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from pipelines.models.store import Store
from training.common import manifests
from training.common.errors import DataError
from training.common.manifests import Clip
from training.common.measures import rate
from training.common.splits import by_speaker
from training.whisper import checkpoint, labels
from training.whisper.checkpoint import Checkpoint
from training.whisper.evaluate import Transcriber, word_errors_of
from training.whisper.examples import IGNORED, Batches, Examples, Labels, collate
from training.whisper.parts import choose_part, merged
from training.whisper.settings import Recipe
from training.whisper.short import take_any_context

Say = Callable[[str], None]


class Split:
    """Who is trained on, who chooses the best checkpoint (`watched`: other clips of the same speakers) and who is only measured at the end."""

    def __init__(self, train: Sequence[Clip], watched: Sequence[Clip], aside: Sequence[Clip]) -> None:
        self.train, self.watched, self.aside = list(train), list(watched), list(aside)


def split(recipe: Recipe, data: Path, say: Say = print) -> Split:
    """The clips of a recipe, divided by speaker. Raises DataError."""
    settings = recipe.data
    clips = manifests.read_all([data / name for name in settings.manifests], on_bad=settings.on_bad, say=say)
    train, aside = by_speaker(clips, settings.held_aside, recipe.train.seed)
    order = random.Random(recipe.train.seed)
    order.shuffle(train)
    kept: list[Clip] = []
    taken: dict[str, int] = {}
    for clip in train:
        taken[clip.speaker] = taken.get(clip.speaker, 0) + 1
        if taken[clip.speaker] <= settings.most_per_speaker:
            kept.append(clip)
    watched, train = kept[: settings.watched], kept[settings.watched :]
    for name in settings.unwritten:
        limits = manifests.Limits(text=False)
        train += manifests.read_all([data / name], limits, on_bad=settings.on_bad, say=say)
    if len(train) < recipe.train.batch:
        raise DataError(
            f"{len(train)} clips are left to train on, less than one batch: lower data.held_aside, data.watched or train.batch."
        )
    return Split(train, watched, aside)


class Teacher:
    """What the unchanged model says at each token of a label. Asked once for each clip; kept as the decoder's last hidden states (1 kB a token)."""

    def __init__(
        self, model: WhisperForConditionalGeneration, examples: Examples, margin_s: float, device: torch.device
    ) -> None:
        self._model = model.to(device).eval().requires_grad_(False)
        self._examples, self._margin, self._device = examples, margin_s, device
        self._known: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def logits(self, index: torch.Tensor, tokens: int) -> torch.Tensor:
        """(batch, tokens, vocabulary) for the clips of a batch."""
        numbers = index.tolist()
        unknown = [number for number in numbers if number not in self._known]
        if unknown:
            self._ask(unknown)
        hidden = [self._known[number] for number in numbers]
        stacked = torch.zeros((len(hidden), tokens, hidden[0].shape[1]), device=self._device)
        for row, states in zip(stacked, hidden, strict=True):
            row[: len(states)] = states
        return self._model.proj_out(stacked)

    def _ask(self, numbers: list[int]) -> None:
        examples = [
            {"index": n, "features": self._examples.features(n), "labels": self._examples.labels[n]} for n in numbers
        ]
        batch = collate(examples, self._margin)
        ids = _decoder_inputs(self._model, batch["labels"]).to(self._device)
        states = self._model.model(
            input_features=batch["input_features"].to(self._device), decoder_input_ids=ids
        ).last_hidden_state
        for example, row in zip(examples, states, strict=True):
            self._known[example["index"]] = row[: len(example["labels"])].half()


def _decoder_inputs(model: WhisperForConditionalGeneration, labels: torch.Tensor) -> torch.Tensor:
    from transformers.models.whisper.modeling_whisper import shift_tokens_right

    return shift_tokens_right(labels, model.config.pad_token_id, model.config.decoder_start_token_id)


class ShortContextTrainer(Seq2SeqTrainer):
    """Groups by length, adds the teacher to the loss, and measures through CTranslate2."""

    def __init__(
        self, *args, teacher: Teacher | None, weight: float, measure: Callable[[nn.Module], float], **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        self._teacher, self._weight, self._measure = teacher, weight, measure
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset: Examples | None = None) -> LengthGroupedSampler:
        lengths = [round(100 * clip.duration) for clip in (train_dataset or self.train_dataset).clips]
        generator = torch.Generator().manual_seed(self.args.seed)
        return LengthGroupedSampler(self.args.train_batch_size, lengths=lengths, generator=generator)

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: int | None = None
    ):
        """Cross-entropy, and `weight` times the divergence from the teacher; both a mean over the tokens of the labels."""
        index = inputs.pop("index")
        outputs = model(**inputs)
        loss = outputs.loss
        if self._teacher is not None and self._weight:
            counted = inputs["labels"] != IGNORED
            taught = self._teacher.logits(index, counted.shape[1])[counted].log_softmax(-1)
            said = outputs.logits[counted].float().log_softmax(-1)
            loss = loss + self._weight * nn.functional.kl_div(said, taught, log_target=True, reduction="batchmean")
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args, metric_key_prefix: str = "eval", **kwargs) -> dict[str, float]:
        """Word error rate of the watched clips, as an int8 model of this moment hears them."""
        metrics = {f"{metric_key_prefix}_wer": self._measure(self.accelerator.unwrap_model(self.model))}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def run(
    recipe: Recipe, data: Path, out: Path, *, resume: bool = False, store: Store | None = None, say: Say = print
) -> Path:
    """Train; returns `out/best`, a folder of transformers. Raises DataError, ModelError."""
    start = checkpoint.load(recipe.model, store)
    parts = split(recipe, data, say)
    parts = labelled(parts, recipe, out, store, say)
    say(f"{len(parts.train)} clips to train on, {len(parts.watched)} to choose by, {len(parts.aside)} held aside")
    out.mkdir(parents=True, exist_ok=True)
    manifests.write(out / "train.jsonl", parts.train)
    manifests.write(out / "watched.jsonl", parts.watched)
    if parts.aside:
        manifests.write(out / "aside.jsonl", parts.aside)
    settings = recipe.train
    torch.manual_seed(settings.seed)
    make = Labels(start.tokenizer, multilingual=start.multilingual, task=recipe.task)
    examples = Examples(parts.train, make, start.model.config.num_mel_bins, recipe.channel, settings.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher = None
    if settings.teacher:
        teacher = Teacher(take_any_context(copy.deepcopy(start.model)), examples, settings.teacher_margin_s, device)
    model = choose_part(take_any_context(start.model), settings)
    trainer = ShortContextTrainer(
        model,
        arguments(recipe, out),
        teacher=teacher,
        weight=settings.teacher,
        measure=lambda now: _watched(now, start, parts.watched, recipe),
        train_dataset=examples,
        eval_dataset=examples,  # named because the Trainer asks for one; `_watched` measures
        data_collator=Batches(recipe.context, settings.seed),
        callbacks=[EarlyStoppingCallback(settings.patience)],
    )
    trainer.train(resume_from_checkpoint=resume or None)
    best = Checkpoint(merged(model), start.tokenizer, start.name).save(out / "best")
    (out / "history.json").write_text(json.dumps(trainer.state.log_history, indent=1), encoding="utf-8")
    return best


def arguments(recipe: Recipe, out: Path) -> Seq2SeqTrainingArguments:
    """The Trainer's settings for a recipe."""
    settings = recipe.train
    return Seq2SeqTrainingArguments(
        output_dir=str(out / "checkpoints"),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        warmup_steps=min(settings.warmup, settings.steps // 4),
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        bf16=settings.precision == "bfloat16",
        fp16=settings.precision == "float16",
        eval_strategy="steps" if recipe.data.watched else "no",
        eval_steps=settings.save_every,
        eval_on_start=bool(recipe.data.watched),
        save_steps=settings.save_every,
        save_total_limit=2,
        load_best_model_at_end=bool(recipe.data.watched),
        metric_for_best_model="wer" if recipe.data.watched else None,
        greater_is_better=False if recipe.data.watched else None,
        logging_steps=10,
        report_to=["tensorboard"],
        remove_unused_columns=False,  # the collator makes the columns
        label_names=["labels"],
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=settings.seed,
        data_seed=settings.seed,
    )


def labelled(parts: Split, recipe: Recipe, out: Path, store: Store | None, say: Say) -> Split:
    """The clips to train on, with labels written as Whisper writes; those that are measured keep their references."""
    bare = [clip for clip in parts.train if not labels.is_written(clip.text)]
    if not bare:
        return parts
    say(f"the unchanged model writes labels for {len(bare)} clips")
    with served(recipe.model, store) as folder:
        write = labels.remembered(labels.Writer(folder).write, out / "written.jsonl")
        return Split(labels.label(parts.train, write, unwritten=True, say=say), parts.watched, parts.aside)


class served:
    """The folder of a checkpoint for CTranslate2: the store's own, or a conversion that is deleted afterwards."""

    def __init__(self, source: str, store: Store | None = None) -> None:
        self._source, self._store, self._made = source, store or Store(), None

    def __enter__(self) -> Path:
        from training.whisper.convert import convert

        if self._source in self._store.registry and not Path(self._source).is_dir():
            return self._store.path(self._source)
        self._made = Path(tempfile.mkdtemp(prefix="allo-whisper-"))
        return convert(checkpoint.load(self._source, self._store), self._made / "model", "int8")

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)


def _watched(model: nn.Module, start: Checkpoint, clips: Sequence[Clip], recipe: Recipe) -> float:
    from training.whisper.convert import convert

    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made:
        now = Checkpoint(merged(copy.deepcopy(model).cpu()), start.tokenizer, start.name)
        transcriber = Transcriber(convert(now, Path(made) / "model", "int8"), threads=torch.get_num_threads())
        return rate(
            word_errors_of(transcriber, clips, margin_s=recipe.context.watched_s, plain_line=recipe.channel.plain)
        )
