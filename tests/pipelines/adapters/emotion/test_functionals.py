import json

import numpy as np
import pytest

from pipelines.adapters import kinds
from pipelines.adapters.emotion.frames import FramesEmotion
from pipelines.adapters.emotion.linear import FunctionalsEmotion
from pipelines.audio.prosody import NAMES
from pipelines.errors import ModelError
from pipelines.units import SAMPLE_RATE


def model(folder, **changed):
    table = {"labels": ["anger", "neutral"], "thresholds": {"anger": 0.7}} | changed
    (folder / "emotion.json").write_text(json.dumps(table))
    weights = np.zeros((2, len(NAMES)), np.float32)
    weights[0, NAMES.index("pitch_range")] = 1.0
    np.savez(folder / "linear.npz", weights=weights, bias=np.array([-4, 0], np.float32))
    return folder


def voice(swing: float) -> np.ndarray:
    hertz = 150 + swing * np.sin(np.linspace(0, 12, SAMPLE_RATE))
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 20))).astype(np.float32)


def test_probabilities_and_threshold(tmp_path):
    served = kinds.load("emotion", "emotion-functionals", model(tmp_path))
    assert served.labels == ("anger", "neutral")
    assert served.thresholds == {"anger": 0.7}
    flat, lively = served.recognize(voice(5)), served.recognize(voice(60))
    assert sum(flat.values()) == pytest.approx(1)
    assert flat["anger"] < 0.1 < 0.9 < lively["anger"]


def test_a_shred_is_neutral(tmp_path):
    served = FunctionalsEmotion(model(tmp_path))
    assert served.recognize(voice(60)[:3_000]) == {"anger": 0.0, "neutral": 1.0}
    assert served.recognize(np.zeros(0, np.float32))["neutral"] == 1.0


def test_of_a_long_clip_the_end_counts(tmp_path):
    served = FunctionalsEmotion(model(tmp_path, longest_s=1.0))
    assert served.recognize(np.concatenate([voice(60), voice(5)])) == served.recognize(voice(5))


def test_broken_folders_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"emotion\.json"):
        FunctionalsEmotion(tmp_path)
    with pytest.raises(ModelError, match="joy"):
        FunctionalsEmotion(model(tmp_path, thresholds={"joy": 0.5}))
    model(tmp_path)
    np.savez(tmp_path / "linear.npz", weights=np.zeros((2, 3)), bias=np.zeros(2))
    with pytest.raises(ModelError, match="other features"):
        FunctionalsEmotion(tmp_path)
    with pytest.raises(ModelError, match=r"model\.onnx"):
        FramesEmotion(tmp_path)
