"""Fine-tune a Whisper by a recipe: transformers' Seq2SeqTrainer, measured by what the server would hear.

Loss: cross-entropy with the label's tokens (`labels.py`); with a teacher, also the divergence from what it says (`teacher.py`).
"""

import copy
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from pipelines.models.store import Store
from training.common import manifests
from training.common.manifests import Clip
from training.common.measures import rate
from training.whisper import checkpoint, labels
from training.whisper.checkpoint import Checkpoint
from training.whisper.convert import convert, served
from training.whisper.evaluate import Transcriber, watched_errors
from training.whisper.examples import Batches, ByLength, Examples, Labels
from training.whisper.parts import choose_part, merged
from training.whisper.settings import Recipe
from training.whisper.short import take_any_context
from training.whisper.split import Say, Split, split
from training.whisper.teacher import Teacher, divergence


class ShortContextTrainer(Seq2SeqTrainer):
    """Groups by length, adds the teacher to the loss, and measures through CTranslate2."""

    def __init__(
        self,
        *args,
        teacher: Teacher | None,
        weights: tuple[float, float],
        measure: Callable[[nn.Module], float],
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._teacher, self._weights, self._measure = teacher, weights, measure
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset: Examples | None = None) -> ByLength:
        return ByLength(train_dataset or self.train_dataset, self.args.train_batch_size, self.args.seed)

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: int | None = None
    ):
        """Cross-entropy, and the divergence from the teacher, each with its weight; both a mean over the tokens of the labels."""
        index = inputs.pop("index")
        outputs = model(**inputs)
        of_label, of_teacher = self._weights
        loss = of_label * outputs.loss
        if self._teacher is not None:
            taught = self._teacher.logits(index, inputs["labels"].shape[1])
            loss = loss + of_teacher * divergence(outputs.logits, taught, inputs["labels"])
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
    (out / "recipe.json").write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
    manifests.write(out / "train.jsonl", parts.train)
    manifests.write(out / "watched.jsonl", parts.watched)
    if parts.aside:
        manifests.write(out / "aside.jsonl", parts.aside)
    settings = recipe.train
    torch.manual_seed(settings.seed)
    make = Labels(start.tokenizer, multilingual=start.multilingual, task=recipe.task)
    examples = Examples(parts.train, make, start.model.config.num_mel_bins, recipe.channel)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher = None
    if settings.teacher:
        teacher = Teacher(take_any_context(copy.deepcopy(start.model)), examples, settings.teacher_margin_s, device)
    model = choose_part(take_any_context(start.model), settings)
    trainer = ShortContextTrainer(
        model,
        arguments(recipe, out),
        teacher=teacher,
        weights=(settings.label, settings.teacher),
        measure=lambda now: _watched(now, start, parts.watched, recipe),
        train_dataset=examples,
        eval_dataset=examples,  # named because the Trainer asks for one; `_watched` measures
        data_collator=Batches(examples, recipe.context, settings.seed),
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
        use_cpu=not torch.cuda.is_available(),
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
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made:
        writer = labels.Writer(served(recipe.model, Path(made), store))
        write = labels.remembered(writer.write, out / "written.jsonl")
        return Split(
            labels.label(parts.train, write, unwritten=True, own_words=recipe.data.own_words, say=say),
            parts.watched,
            parts.aside,
        )


def _watched(model: nn.Module, start: Checkpoint, clips: Sequence[Clip], recipe: Recipe) -> float:
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made:
        now = Checkpoint(merged(copy.deepcopy(model).cpu()), start.tokenizer, start.name)
        transcriber = Transcriber(convert(now, Path(made) / "model", "int8"), threads=torch.get_num_threads())
        return rate(
            watched_errors(transcriber, clips, margin_s=recipe.context.watched_s, plain_line=recipe.channel.plain)
        )
