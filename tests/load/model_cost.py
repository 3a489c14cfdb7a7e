"""What each model beside the recogniser costs: milliseconds of processor for a second of audio, and its parameters.

    python -m tests.load.model_cost --data DIR                                  # every model of the store that is here
    python -m tests.load.model_cost --data DIR --only silero-vad --model runs/vad/allo-voicing
    python -m tests.load.model_cost --data DIR --untrained                      # nets of ours that are not carried, as they begin (needs torch)

Processor time of the whole process (user and system), models with one thread, the least of five goes: a busy machine changes it little. The audio is one
reader of LibriSpeech on a telephone line, a window (32 ms) at a time for what hears a call as it comes.

A turn detector is asked once a pause and an overlap detector once a window of an overlap, so theirs is for a question (8 and 0.5 s of audio); sentiment's for a sentence of
ten words. "language" is a question of 2 s; most of it is the encoder's pass, which the final needs in any case. "diarize" is `allo diarize` with that speaker encoder and Silero. Parameters are the numbers in the weights' files, and empty where they cannot be read.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipelines.adapters import kinds
from pipelines.adapters.stt.whisper import Whisper
from pipelines.errors import ModelError
from pipelines.models import exported, self_test
from pipelines.models.ports import Audio
from pipelines.models.store import Store
from pipelines.speakers.diarize import heard, offline, settings_of, speech_in
from server.engines import load_model
from tests.load.languages import guess
from training.common import audio, manifests
from training.common.telephony import plain
from training.denoise.table import cleaned
from training.vad.labels import probabilities

PORTS = ("vad", "denoise", "turn", "overlap", "speaker", "extract", "emotion", "sentiment")
_SECONDS = {"turn": 8.0, "overlap": 0.5, "emotion": 4.0, "speaker": 6.0}
_LONG_S = 20.0
_RATE = 16_000
_GOES = 5
_SENTENCE = "I have been waiting for an hour, and nobody answers."


def work(port: str, model: Any, line: Audio) -> tuple[Callable[[], object], float]:
    """(What is timed, by how much its milliseconds are divided: seconds of audio, or 1 for a question)."""
    part = line[: round(_SECONDS.get(port, _LONG_S) * _RATE)]
    seconds = len(part) / _RATE
    match port:
        case "vad":
            return lambda: probabilities(model, [part]), seconds
        case "denoise":
            return lambda: cleaned(model, part), seconds
        case "turn":
            return lambda: model.p_end(part), 1.0
        case "overlap":
            return lambda: model.p_interruption(part), 1.0
        case "speaker":
            return lambda: model.embed(part), seconds
        case "extract":
            voice = np.full(model.voice_size, model.voice_size**-0.5, np.float32)
            return lambda: model.extract(part, voice), seconds
        case "emotion":
            return lambda: model.recognize(part), seconds
        case "sentiment":
            return lambda: model.analyze(_SENTENCE, "en"), 1.0
    raise ValueError(port)


def cpu_ms(run: Callable[[], object]) -> float:
    """Of the whole process; the least of some goes, after one that warms up."""
    run()
    took = []
    for _ in range(_GOES):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return 1_000 * min(took)


def parameters(folder: Path) -> int | None:
    """Numbers in the weights of a folder; None when there are none that can be read. Vectors of a self-test do not count."""
    counts = []
    for file in sorted(folder.iterdir()):
        if file.suffix == ".onnx":
            counts.append(_onnx(file))
        elif file.suffix == ".npz" and file.name != self_test.FILE:
            with np.load(file) as held:
                counts.append(sum(held[name].size for name in held.files))
        elif file.suffix == ".pt":
            from pipelines.adapters.speaker.old_torch import read

            counts.append(sum(array.size for array in read(file, "model_state").values()))
    return sum(counts) or None


def _onnx(file: Path) -> int:
    """Of two branches the larger (Silero's are for 8 and for 16 kHz). Numbers that are no fractions are shapes and places, but for whole
    bytes: quantized weights."""
    import onnx
    from onnx import TensorProto

    weights = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8}

    def size(tensor: Any) -> int:
        return int(np.prod(tensor.dims)) if tensor.data_type in weights and len(tensor.dims) else 0

    def count(graph: Any) -> int:
        found = sum(map(size, graph.initializer))
        for node in graph.node:
            found += sum(size(each.t) for each in node.attribute if each.HasField("t"))
            found += max((count(each.g) for each in node.attribute if each.HasField("g")), default=0)
        return found

    return count(onnx.load(str(file)).graph)


def line_of(data: Path) -> Audio:
    """Twenty seconds of one reader, over a telephone."""
    clips = manifests.read_all([data / "en_librispeech" / "manifest.jsonl"])
    speaker = min(clip.speaker for clip in clips)
    own = [audio.load(clip.audio) for clip in clips if clip.speaker == speaker]
    return plain(np.concatenate(own)[: round(_LONG_S * _RATE)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="models of the store")
    parser.add_argument("--model", type=Path, nargs="+", default=[], metavar="FOLDER", help="exported ones")
    parser.add_argument("--untrained", action="store_true", help="nets of ours that are not carried")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console, store, line = Console(stderr=True), Store(), line_of(options.data)
    rows: list[dict[str, Any]] = []

    def measure(name: str, port: str, model: Any, counted: int | None) -> None:
        run, divisor = work(port, model, line)
        rows.append({"model": name, "port": port, "ms": cpu_ms(run) / divisor, "parameters": counted})
        if port == "speaker":
            ms = cpu_ms(lambda: _diarized(model, store, line)) / (len(line) / _RATE)
            rows.append({"model": name, "port": "diarize", "ms": ms, "parameters": counted})

    for card in store.registry:
        if card.port in PORTS and (
            card.name in options.only or not (options.only or options.model or options.untrained)
        ):
            try:
                counted = None if card.package else parameters(store.path(card.name))
                measure(card.name, card.port, load_model(store, card.name), counted)
            except ModelError as error:
                console.print(f"{card.name} is left out: {error}")
    if options.only == ["whisper-base"] or not (options.only or options.model or options.untrained):
        whisper, two = Whisper(store.path("whisper-base"), threads=1), line[: 2 * _RATE]
        rows.append(
            {"model": "whisper-base", "port": "language", "ms": cpu_ms(lambda: guess(whisper, two, ("en", "fr")))}
        )
        rows[-1]["parameters"] = None
    for folder in options.model:
        card = exported.check(folder)
        encoder = store.path(card.encoder) if card.encoder else None
        measure(card.name, card.port, kinds.load_added(card, folder, encoder=encoder), parameters(folder))
    if options.untrained:
        from tests.load.untrained import written

        with tempfile.TemporaryDirectory() as scratch:
            for name, port, kind, folder in written(Path(scratch)):
                measure(name, port, kinds.load(port, kind, folder), parameters(folder))
    if options.json:
        json.dump(rows, sys.stdout)
        return
    table = Table("model", "for", "CPU ms", "of", "parameters")
    for row in rows:
        unit = {"turn": "a question", "overlap": "a question", "language": "a question", "sentiment": "a sentence"}.get(
            row["port"], "a second"
        )
        table.add_row(row["model"], row["port"], f"{row['ms']:.2f}", unit, _count(row["parameters"]))
    Console().print(table)


def _count(parameters: int | None) -> str:
    return "" if parameters is None else f"{parameters:,}"


def _diarized(encoder: Any, store: Store, line: NDArray[np.float32]) -> object:
    settings, vad = settings_of(encoder), load_model(store, "silero-vad")
    speech = speech_in(line, vad)
    return offline(*heard(line, encoder, speech, settings), speech, settings)


if __name__ == "__main__":
    main()
