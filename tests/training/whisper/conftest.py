"""The smallest real checkpoint, and real recordings."""

import os
from pathlib import Path

import pytest

from pipelines.errors import ModelError
from pipelines.models.store import Store
from training.common.manifests import Clip
from training.whisper import checkpoint
from training.whisper.checkpoint import Checkpoint

NAMES = ("whisper-tiny.en", "whisper-base")
