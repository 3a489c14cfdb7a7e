"""That a folder which holds no net is refused. A served net is in `tests/training/overlap`."""

from pathlib import Path

import pytest

from pipelines.adapters.overlap.whisper import WhisperOverlap
from pipelines.errors import ModelError


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        WhisperOverlap(tmp_path, tmp_path)
