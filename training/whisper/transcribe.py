"""Recordings of a whole folder to text, as fast as the machine goes: nobody waits on the line.

Two engines, both in batches:
* faster-whisper's batched pipeline on CTranslate2: processor or GPU. Short recordings are laid end to end and given with their borders,
  so that those of many files share a batch; a longer one is cut at its pauses.
* transformers' chunked pipeline: a checkpoint of transformers on a GPU in half precision (known as "insanely fast Whisper").
"""

import time
from collections.abc import Callable, Iterator, Sequence
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
    """How fast it went. `batch`: clips at once; `sound_s`: seconds of sound heard in `took_s` seconds, the loading of the model left out."""

    engine: str
    batch: int
    files: int
    sound_s: float
    took_s: float

    @property
    def speed(self) -> float:
        """Seconds of sound a second."""
        return self.sound_s / self.took_s

    @property
    def real_time_factor(self) -> float:
        """Seconds it takes to hear one of sound; below 1 it keeps up with a speaker."""
        return self.took_s / self.sound_s


Sounds = Sequence[tuple[Path, Audio]]
Hear = Callable[[Sounds, int], Iterator[Text]]
"""Transcribes sounds, so many at once. Made by an engine, which has loaded its model by then."""


def recordings(folder: Path) -> list[Path]:
    """The files of `folder`, and of folders in it, that can be read as sound. Raises DataError if there is none."""
    known = {f".{name.lower()}" for name in soundfile.available_formats()} | {".mp3", ".opus", ".oga", ".aif"}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file())
    if not found:
        raise DataError(f"{folder} holds no recording: give a folder of WAV, FLAC, Ogg or MP3 files.")
    return found


def load_all(files: Sequence[Path], say: Callable[[str], None]) -> list[tuple[Path, Audio]]:
    """The files' samples; `say` is told of each that cannot be read, and it is left out. Raises DataError when none can."""
    loaded = []
    for file in files:
        try:
            loaded.append((file, audio.load(file)))
        except DataError as error:
            say(f"left out: {error}")
    if not loaded:
        raise DataError(f"None of the {len(files)} recordings can be read.")
    return loaded


def by_ctranslate2(
    folder: Path, *, language: str | None = None, beam: int = 1, threads: int = 0, device: str = "auto"
) -> Hear:
    """faster-whisper's batched pipeline over a model for CTranslate2 in `folder`. Without `language`, that of a file is detected. Raises ModelError."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    try:
        whisper = WhisperModel(
            # auto: the fastest that the device has, which is int8 on a processor, as the server runs it
            str(folder),
            device=device,
            compute_type="auto",
            cpu_threads=threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"No Whisper model can be loaded from {folder}: {error}") from error
    _check_language(language, whisper.supported_languages)
    pipeline = BatchedInferencePipeline(whisper)
    options: dict[str, Any] = {"beam_size": beam, "without_timestamps": True, "language": language}

    def hear(sounds: Sounds, batch: int) -> Iterator[Text]:
        for tape, spans in _tapes([(file, samples) for file, samples in sounds if len(samples) <= _SHORT]):
            borders = [{"start": first / SAMPLE_RATE, "end": last / SAMPLE_RATE} for _, first, last in spans]
            segments, info = pipeline.transcribe(
                tape,
                batch_size=batch,
                multilingual=language is None and whisper.model.is_multilingual,
                vad_filter=False,
                clip_timestamps=borders,
                **options,
            )
            heard = [[] for _ in spans]
            starts = np.array([first / SAMPLE_RATE for _, first, _ in spans])
            for segment in segments:
                heard[max(0, int(np.searchsorted(starts, segment.start + 0.01)) - 1)].append(segment.text.strip())
            for (file, first, last), texts in zip(spans, heard, strict=True):
                yield Text(file, " ".join(texts), language or info.language, (last - first) / SAMPLE_RATE)
        for file, samples in sounds:
            if len(samples) > _SHORT:
                segments, info = pipeline.transcribe(samples, batch_size=batch, vad_filter=True, **options)
                text = " ".join(segment.text.strip() for segment in segments)
                yield Text(file, text, info.language, len(samples) / SAMPLE_RATE)

    return hear


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


def by_transformers(source: str, *, language: str | None = None, device: str = "auto") -> Hear:
    """transformers' chunked pipeline over the checkpoint `source` (see `checkpoint.load`); half precision on a GPU. Raises ModelError."""
    import tempfile

    import torch
    from transformers import WhisperFeatureExtractor, WhisperTokenizer, pipeline

    from training.whisper import checkpoint

    start = checkpoint.load(source)
    if start.multilingual:
        _check_language(language, [token[2:-2] for token in start.model.generation_config.lang_to_id])
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
    )
    named = {"language": language, "task": "transcribe"} if start.multilingual else {}

    def hear(sounds: Sounds, batch: int) -> Iterator[Text]:
        inputs = ({"raw": samples, "sampling_rate": SAMPLE_RATE} for _, samples in sounds)
        texts = recognise(inputs, batch_size=batch, generate_kwargs=named)
        for (file, samples), heard in zip(sounds, texts, strict=True):
            yield Text(file, heard["text"].strip(), language or "", len(samples) / SAMPLE_RATE)

    return hear


def _check_language(language: str | None, known: Sequence[str]) -> None:
    if language is not None and language not in known:
        raise ModelError(f'This model does not know the language "{language}". Known: {", ".join(sorted(known))}.')


def timed(engine: str, hear: Hear, sounds: Sounds, batch: int) -> tuple[list[Text], Throughput]:
    """What is heard in each of `sounds`, in their order, and how fast. The first run allocates, so the shortest is heard once before the clock starts."""
    list(hear([min(sounds, key=lambda sound: len(sound[1]))], batch))
    started = time.perf_counter()
    found = {text.file: text for text in hear(sounds, batch)}
    took = time.perf_counter() - started
    texts = [found[file] for file, _ in sounds]
    return texts, Throughput(engine, batch, len(texts), sum(text.duration for text in texts), took)
