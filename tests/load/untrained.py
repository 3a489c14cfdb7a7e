"""Nets of ours that are not carried, as their recipes make them and with the weights that they begin with: what they cost does not depend on what
they learn."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import torch

from pipelines.adapters.emotion import verdict
from pipelines.adapters.emotion.verdict import Verdict
from pipelines.adapters.extract import masked
from pipelines.adapters.speaker import ecapa
from pipelines.adapters.turn import tune
from pipelines.adapters.vad import gru
from pipelines.audio.emotion_frames import SIZE as EMOTION_SIZE
from pipelines.nets.ecapa import Ecapa
from pipelines.nets.emotion import EmotionNet, EmotionNetSettings
from pipelines.nets.ending import EndingNet
from pipelines.nets.extract import Extractor
from pipelines.nets.voicing import VoicingNet
from pipelines.speakers.frames import SIZE as VOICE_SIZE
from pipelines.speakers.spectrum import KEPT
from training.common.recipe import load
from training.denoise import exporting as denoise
from training.denoise.recipe import DenoiseRecipe
from training.denoise.train import build
from training.emotion.recipe import EmotionRecipe
from training.emotion.train import to_onnx as emotion_onnx
from training.extract import train as extract
from training.extract.recipe import ExtractRecipe
from training.speakers import exporting as speakers
from training.speakers.recipe import SpeakersRecipe
from training.turn.recipe import TurnRecipe
from training.turn.train import to_onnx as turn_onnx
from training.vad import exporting as vad
from training.vad.recipe import VadRecipe

RECIPES = Path(__file__).parents[2] / "training"
_VOICE = 256
"""Numbers of a voice that the extractor follows: Resemblyzer's."""


def written(folder: Path) -> Iterator[tuple[str, str, str, Path]]:
    """(name, port, kind, folder) of each, written below `folder`."""
    torch.manual_seed(0)
    torch.set_num_threads(1)

    def place(name: str) -> Path:
        made = folder / name
        made.mkdir()
        return made

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = load(RECIPES / "vad/recipes/voicing.toml", VadRecipe)
        at = place(plan.name)
        vad.write_onnx(VoicingNet(plan.net.build()).eval(), at / gru.FILE)
        yield plan.name, "vad", "gru", at

        plan = load(RECIPES / "denoise/recipes/waveform.toml", DenoiseRecipe)
        at = place(plan.name)
        denoise.to_onnx(build(plan.net), at / denoise.FILE)
        yield plan.name, "denoise", denoise.KINDS[plan.net.kind], at

        plan = load(RECIPES / "turn/recipes/ending.toml", TurnRecipe)
        at = place(plan.name)
        turn_onnx(EndingNet(plan.net.build()).eval(), plan.net.build().frames, at / tune.FILE)
        yield plan.name, "turn", "tune", at

        plan = load(RECIPES / "speakers/recipes/phone.toml", SpeakersRecipe)
        at = place(plan.name)
        speakers.to_onnx(Ecapa(plan.net, VOICE_SIZE), at / ecapa.FILE)
        yield plan.name, "speaker", "ecapa", at

        plan = load(RECIPES / "extract/recipes/phone.toml", ExtractRecipe)
        at = place(plan.name)
        extract.to_onnx(Extractor(plan.net, KEPT, _VOICE), _VOICE, at / masked.FILE)
        yield plan.name, "extract", "masked", at

        for recipe in ("cnn", "cnn_gru"):
            plan = load(RECIPES / f"emotion/recipes/{recipe}.toml", EmotionRecipe)
            at, n = place(plan.name), plan.net
            body = (n.kind, n.width, n.layers, n.kernel, n.dropout)
            net = EmotionNet(EmotionNetSettings(EMOTION_SIZE, len(plan.labels), *body))  # type: ignore[arg-type]
            emotion_onnx(net, 1.0, at / "model.onnx")
            config = Verdict(labels=plan.labels, thresholds={})
            (at / verdict.FILE).write_bytes(msgspec.json.encode(config))
            yield plan.name, "emotion", "emotion-frames", at
