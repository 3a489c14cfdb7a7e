import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.helpers.hearing import CLIPS

SPEAKERS = ("digit_1", "digit_7", "digit_8", "en_prompt", "fr_sentence")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Five callers, a kitchen, a tune and a room, as manifests name them."""
    folder = tmp_path_factory.mktemp("data")
    for name in (*SPEAKERS, "kitchen"):
        shutil.copy(CLIPS / f"{name}.flac", folder)
    rng = np.random.default_rng(0)
    for name, sound in (
        ("tune", np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)),
        ("hum", rng.standard_normal(16_000) * 0.1),
        ("room", np.exp(-np.arange(1_600) / 300) * rng.standard_normal(1_600)),
    ):
        soundfile.write(folder / f"{name}.flac", np.clip(0.3 * sound, -1, 1), 16_000)
    lines = [{"audio": f"{name}.flac", "text": "words", "language": "en", "speaker": name} for name in SPEAKERS]
    _write(folder / "speech.jsonl", lines)
    _write(folder / "noise.jsonl", [{"audio": "kitchen.flac"}, {"audio": "hum.flac"}])
    _write(folder / "music.jsonl", [{"audio": "tune.flac"}])
    _write(folder / "rooms.jsonl", [{"audio": "room.flac"}])
    return folder


def _write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def recipe():
    from training.denoise.recipe import DenoiseRecipe

    def of(**net):
        return DenoiseRecipe.model_validate(
            {
                "name": "small",
                "data": {
                    "speech": ["speech.jsonl"],
                    "validation": ["digit_7"],
                    "noise": ["noise.jsonl"],
                    "music": ["music.jsonl"],
                    "rooms": ["rooms.jsonl"],
                    "validation_noises": ["hum"],
                    "seconds": 0.6,
                    "batch": 4,
                },
                "mix": {"voices": [2, 3]},
                "net": {"width": 16, "layers": 1, **net},
                "loop": {"steps": 6, "evaluate_every": 3, "checkpoint_every": 0, "tensorboard": False},
            }
        )

    return of
