"""From a checkpoint to what the server runs: CTranslate2, with the tokenizer beside it; and the proof that it says the same."""

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from pipelines.errors import ModelError
from pipelines.models.store import Store
from training.common.manifests import Clip
from training.common.measures import Errors, rate, word_errors
from training.whisper import checkpoint
from training.whisper.checkpoint import Checkpoint

Precision = Literal["int8", "int8_float16", "int16", "float16", "float32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
CONTEXT = "context.json"
"""Beside the weights of a model that was taught to do with less context: {"margin_s": 1.0}. The server's adapter reads it."""
FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt", "preprocessor_config.json")


def convert(source: Checkpoint, folder: Path, precision: Precision = "float16") -> Path:
    """Write `FILES` into `folder`, and return it.

    `precision`: of the weights in the file. In which they are run is decided when the model is loaded; the server's adapter runs int8.
    float16 is exact enough to be trained further, and twice as large as int8.
    """
    from ctranslate2.converters import TransformersConverter

    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as plain:
        source.save(Path(plain))
        converter = TransformersConverter(plain, copy_files=["tokenizer.json", "preprocessor_config.json"])
        converter.convert(str(folder), quantization=precision, force=True)
    # The older form, which all readers of a Whisper for CTranslate2 take, the server's check of its files included.
    vocabulary = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    (folder / "vocabulary.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    (folder / "vocabulary.json").unlink()
    return folder


def served(source: str, made: Path, store: Store | None = None) -> Path:
    """The folder of a model for CTranslate2: `source` itself where it names one (a folder, or a model of the store); a checkpoint is converted
    to int8 into a new folder of `made`. Raises ModelError."""
    folder = Path(source).expanduser()
    if (folder / "model.bin").is_file():
        return folder
    store = store or Store()
    if not folder.is_dir() and source in store.registry:
        return store.path(source)
    return convert(checkpoint.load(source, store), Path(tempfile.mkdtemp(dir=made)), "int8")


def named(models: Iterable[str], made: Path) -> dict[str, Path]:
    """`served` of several, each SOURCE or NAME=SOURCE, by name. Raises ModelError, also for two of one name."""
    found: dict[str, Path] = {}
    for model in models:
        name, equals, source = model.partition("=")
        if name in found:
            raise ModelError(f'Two models are called "{name}": name one of them, as in after={source or name}.')
        found[name] = served(source if equals else name, made)
    return found


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion beside its source, on the same clips. `same`: transcripts equal to the letter; `changed`: words that differ from those
    of the source, as a rate; `wer`: against the references."""

    precision: str
    megabytes: float
    clips: int
    same: int
    changed: float
    wer: float
    source_wer: float


def parity(
    source: Checkpoint,
    clips: Sequence[Clip],
    precisions: Sequence[Precision] = PRECISIONS,
    *,
    margin_s: float = 30.0,
    plain_line: bool = True,
    threads: int = 2,
) -> list[Parity]:
    """Convert to each precision, and compare greedy transcripts before and after."""
    from training.whisper.evaluate import Transcriber
    from training.whisper.greedy import greedy

    before: list[str] = []
    rows = []
    for precision in precisions:
        with tempfile.TemporaryDirectory(prefix="allo-whisper-") as folder:
            made = convert(source, Path(folder) / "model", precision)
            size = (made / "model.bin").stat().st_size / 1e6
            transcriber = Transcriber(made, threads=threads, compute="default")
            features = [transcriber.features(clip.audio, plain_line=plain_line) for clip in clips]
            if not before:
                before = [
                    greedy(source, sound, clip.language, margin_s=margin_s)
                    for sound, clip in zip(features, clips, strict=True)
                ]
            after = [
                transcriber.hear(sound, clip.language, margin_s=margin_s).text
                for sound, clip in zip(features, clips, strict=True)
            ]
        rows.append(
            Parity(
                precision=precision,
                megabytes=size,
                clips=len(clips),
                same=sum(one == other for one, other in zip(before, after, strict=True)),
                changed=rate(_errors(clips, before, after)),
                wer=rate(_errors(clips, [clip.text for clip in clips], after)),
                source_wer=rate(_errors(clips, [clip.text for clip in clips], before)),
            )
        )
    return rows


def _errors(clips: Sequence[Clip], said: Sequence[str], heard: Sequence[str]) -> list[Errors]:
    return [
        word_errors(one, other, clip.language)
        for clip, one, other in zip(clips, said, heard, strict=True)
        if one.strip()
    ]


def write_context(folder: Path, margin_s: float) -> Path:
    """Say in `folder` what the model there was taught to do with."""
    file = folder / CONTEXT
    file.write_text(json.dumps({"margin_s": margin_s}), encoding="utf-8")
    return file


def export(
    source: Checkpoint,
    folder: Path,
    clip: Clip,
    *,
    name: str,
    licence: str,
    note: str,
    provenance: Any,
    precision: Precision = "float16",
    margin_s: float | None = None,
    replace: bool = False,
) -> Path:
    """The folder that `allo models add` takes and the server loads. `clip`: what the self-test hears, at most 15 s; what it must say is what the
    checkpoint itself says, before the conversion. `margin_s`: seconds of context behind an utterance that the model was taught to do with;
    the server gives it no more (None: what it gives a stock model). `provenance`: see `training.common.export`. Raises ModelError."""
    from faster_whisper.feature_extractor import FeatureExtractor

    from training.common import export as exports
    from training.common.audio import load
    from training.common.telephony import plain
    from training.whisper.greedy import greedy

    heard = plain(load(clip.audio))
    features = FeatureExtractor(feature_size=source.model.config.num_mel_bins)(heard)
    said = greedy(source, features, clip.language, margin_s=margin_s or 5.0)
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made:
        converted = convert(source, Path(made) / "model", precision)
        weights = {file: converted / file for file in FILES}
        if margin_s is not None:
            weights[CONTEXT] = write_context(Path(made), margin_s)
        return exports.export(
            folder,
            name=name,
            port="stt",
            kind="faster-whisper",
            licence=licence,
            note=note,
            weights=weights,
            provenance=provenance,
            self_test=exports.SelfTest(audio=heard, language=clip.language, text=said),
            replace=replace,
        )
