"""The smallest real checkpoint, and real recordings in a manifest."""

from pathlib import Path

import pytest

from tests.helpers.hearing import CLIPS, weights
from training.common import manifests
from training.common.manifests import Clip
from training.whisper import checkpoint
from training.whisper.checkpoint import Checkpoint

_SAID = {"en_prompt": "Agent logged in.", "digit_1": "one", "digit_7": "seven", "digit_8": "eight"}


@pytest.fixture(scope="session")
def folder() -> Path:
    return weights("whisper-tiny.en", "config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


@pytest.fixture
def tiny(folder) -> Checkpoint:
    return checkpoint.load("whisper-tiny.en")


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    import soundfile

    return [
        Clip(
            audio=CLIPS / f"{name}.flac",
            text=text,
            language="en",
            speaker=name,
            duration=soundfile.info(CLIPS / f"{name}.flac").duration,
        )
        for name, text in _SAID.items()
    ]


@pytest.fixture
def data(tmp_path, clips) -> Path:
    """A folder with a manifest of those clips."""
    manifests.write(tmp_path / "data" / "clips.jsonl", clips)
    return tmp_path / "data"
