"""Recordings of a whole folder to text, as fast as the machine goes: nobody waits on the line.

Two engines, both in batches:
* faster-whisper's batched pipeline on CTranslate2: processor or GPU. Short recordings are laid end to end and given with their borders,
  so that those of many files share a batch; a longer one is cut at its pauses.
* transformers' chunked pipeline: a checkpoint of transformers on a GPU in half precision (known as "insanely fast Whisper").
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile

from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE
from training.common import audio
from training.common.errors import DataError

_SHORT = 29 * SAMPLE_RATE  # samples: fits into one context
_GAP = SAMPLE_RATE // 2
_TOGETHER = 600 * SAMPLE_RATE  # samples laid end to end at once


class Text(msgspec.Struct, frozen=True):
    """What was heard in a file. `language`: as given, or as detected; `duration`: seconds of sound."""

    file: Path
    text: str
    language: str
    duration: float


class Throughput(msgspec.Struct, frozen=True):
    """How fast it went. `sound_s`: seconds of sound heard in `took_s` seconds."""

    engine: str
    files: int
    sound_s: float
    took_s: float

    @property
    def speed(self) -> float:
        """Seconds of sound a second."""
        return self.sound_s / self.took_s if self.took_s else 0.0


def recordings(folder: Path) -> list[Path]:
    """The files of `folder`, and of folders in it, that can be read as sound. Raises DataError if there is none."""
    known = {f".{name.lower()}" for name in soundfile.available_formats()} | {".mp3", ".opus", ".oga", ".aif"}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file())
    if not found:
        raise DataError(f"{folder} holds no recording: give a folder of WAV, FLAC, Ogg or MP3 files.")
    return found


def load_all(files: Iterable[Path], problems: list[str]) -> list[tuple[Path, Audio]]:
    """The files' samples; a file that cannot be read is told in `problems`, and left out."""
    loaded = []
    for file in files:
        try:
            loaded.append((file, audio.load(file)))
        except DataError as error:
            problems.append(str(error))
    return loaded


def by_ctranslate2(
    sounds: Sequence[tuple[Path, Audio]],
    folder: Path,
    *,
    language: str | None = None,
    batch: int = 16,
    beam: int = 1,
    threads: int = 0,
    device: str = "auto",
) -> Iterator[Text]:
    """faster-whisper's batched pipeline over a model for CTranslate2 in `folder`. Without `language`, that of a file is detected. Raises ModelError."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    try:
        whisper = WhisperModel(
            str(folder), device=device, compute_type="default", cpu_threads=threads, local_files_only=True
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"No Whisper model can be loaded from {folder}: {error}") from error
    pipeline = BatchedInferencePipeline(whisper)
    options: dict[str, Any] = {"batch_size": batch, "beam_size": beam, "without_timestamps": True}
    short = [(file, samples) for file, samples in sounds if len(samples) <= _SHORT]
    for tape, spans in _tapes(short):
        borders = [{"start": first / SAMPLE_RATE, "end": last / SAMPLE_RATE} for _, first, last in spans]
        segments, info = pipeline.transcribe(
            tape, language=language, multilingual=language is None, vad_filter=False, clip_timestamps=borders, **options
        )
        heard = [[] for _ in spans]
        starts = np.array([first / SAMPLE_RATE for _, first, _ in spans])
        for segment in segments:
            heard[max(0, int(np.searchsorted(starts, segment.start + 0.01)) - 1)].append(segment.text.strip())
        for (file, first, last), texts in zip(spans, heard, strict=True):
            yield Text(file, " ".join(texts), language or info.language, (last - first) / SAMPLE_RATE)
    for file, samples in sounds:
        if len(samples) > _SHORT:
            segments, info = pipeline.transcribe(samples, language=language, vad_filter=True, **options)
            text = " ".join(segment.text.strip() for segment in segments)
            yield Text(file, text, info.language, len(samples) / SAMPLE_RATE)


def _tapes(sounds: Sequence[tuple[Path, Audio]]) -> Iterator[tuple[Audio, list[tuple[Path, int, int]]]]:
    """Sounds end to end with a pause between, and for each its file, first sample and end."""
    pieces: list[Audio] = []
    spans: list[tuple[Path, int, int]] = []
    at = 0
    for file, samples in sounds:
        spans.append((file, at, at + len(samples)))
        pieces += [samples, np.zeros(_GAP, np.float32)]
        at += len(samples) + _GAP
        if at >= _TOGETHER:
            yield np.concatenate(pieces), spans
            pieces, spans, at = [], [], 0
    if spans:
        yield np.concatenate(pieces), spans


def by_transformers(
    sounds: Sequence[tuple[Path, Audio]],
    source: str,
    *,
    language: str | None = None,
    batch: int = 16,
    device: str = "auto",
) -> Iterator[Text]:
    """transformers' chunked pipeline over the checkpoint `source` (see `checkpoint.load`); half precision on a GPU. Raises ModelError."""
    import tempfile

    import torch
    from transformers import WhisperFeatureExtractor, WhisperTokenizer, pipeline

    from training.whisper import checkpoint

    start = checkpoint.load(source)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as folder:
        start.save(Path(folder))
        tokenizer = WhisperTokenizer.from_pretrained(folder)
    recognise = pipeline(
        "automatic-speech-recognition",
        model=start.model.to(torch.float16 if device == "cuda" else torch.float32),
        tokenizer=tokenizer,
        feature_extractor=WhisperFeatureExtractor(feature_size=start.model.config.num_mel_bins),
        device=device,
        chunk_length_s=30,
        batch_size=batch,
    )
    named = {"language": language, "task": "transcribe"} if start.multilingual else {}
    inputs = ({"raw": samples, "sampling_rate": SAMPLE_RATE} for _, samples in sounds)
    for (file, samples), heard in zip(sounds, recognise(inputs, generate_kwargs=named), strict=True):
        yield Text(file, heard["text"].strip(), language or "", len(samples) / SAMPLE_RATE)


def timed(engine: str, texts: Iterator[Text]) -> tuple[list[Text], Throughput]:
    """All of `texts`, and how fast they came, the loading of the model not counted apart."""
    started = time.perf_counter()
    done = list(texts)
    took = time.perf_counter() - started
    return done, Throughput(engine, len(done), sum(text.duration for text in done), took)
