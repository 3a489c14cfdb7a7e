"""Exported folders: toys that hold bytes and no model, and small real ones."""

from pathlib import Path

import numpy as np

from pipelines.adapters import kinds
from pipelines.models.self_test import SelfTest, record
from tests.helpers.hearing import CLIPS, utterance
from training.common.export import Data, Provenance, export, provenance

FRENCH = "abcdefghijklmnopqrstuvwxyzàâçèéêîôùûœ'"


def where_from(languages=("en",)) -> Provenance:
    return provenance(
        data=[Data(manifest="clinic/train.jsonl", hours=1.25, clips=300, licence="CC-BY-4.0")],
        seed=7,
        recipe={"net": {"layers": 2}},
        figures={"test": {"wer": 4.25}},
        languages=languages,
    )


def toy(folder: Path, name: str = "mine", content: bytes = b"weights", **changed) -> Path:
    """An exported folder around bytes that no adapter reads."""
    source = folder.parent / "weights.bin"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    given = {
        "port": "stt",
        "kind": "ctc",
        "licence": "CC-BY-4.0",
        "note": 'digits, "noisy"',
        "weights": {"weights.bin": source},
        "provenance": where_from(),
        "self_test": SelfTest(audio=np.zeros(160, np.float32), language="en", text="four two"),
        "prove": False,
    }
    return export(folder, name=name, **(given | changed))


def tiny_wav2vec2(folder: Path, family: str = "wav2vec2", characters: str = FRENCH, seed: int = 0) -> Path:
    """A checkpoint that serves: the real network, small, with random weights, and the letters it writes."""
    from tests.helpers.checkpoints import base
    from training.wav2vec2.vocabulary import tokenizer

    base(folder, family, seed, vocabulary=len(characters) + 3)
    tokenizer(characters).save_pretrained(folder)
    return folder


def tiny_ctc(folder: Path, seed: int = 0) -> Path:
    """A small net of `training/ctc` with random weights, as it is saved."""
    import torch

    from pipelines.nets.alphabet import FRENCH as LETTERS
    from pipelines.nets.alphabet import Alphabet
    from pipelines.nets.ctc import build
    from pipelines.nets.saved import CtcConfig, save
    from pipelines.nets.settings import NetSettings

    torch.manual_seed(seed)
    settings = NetSettings(net="gru", width=16, layers=1)
    save(
        folder, build(settings, Alphabet(LETTERS).size), CtcConfig(languages=("en",), characters=LETTERS, net=settings)
    )
    return folder


def tiny(folder: Path, kind: str, name: str = "tiny", **changed) -> Path:
    """A real network in `folder / name`, exported and proven: "ctc" or "wav2vec2". Its weights lie in `folder / "net"`."""
    net = folder / "net"
    {"ctc": tiny_ctc, "wav2vec2": tiny_wav2vec2}[kind](net)
    given = {
        "name": name,
        "port": "stt",
        "kind": kind,
        "licence": "CC0-1.0",
        "note": "random weights",
        "weights": {path.name: path for path in net.iterdir()},
        "provenance": where_from(),
        "self_test": record(kinds.load("stt", kind, net, threads=1), utterance(CLIPS / "digit_7.flac"), "en"),
    }
    return export(folder / name, **(given | changed))
