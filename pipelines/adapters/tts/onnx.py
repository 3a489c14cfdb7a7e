"""Onnxruntime set up for a machine that is shared with the rest of a call."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: Path, threads: int) -> "InferenceSession":
    """A CPU session of the model at `path` on `threads` threads. Raises ModelError when it is missing or broken."""
    import onnxruntime

    if not path.is_file():
        raise ModelError(f"no voice at {path}. Fetch it with `allo models pull`.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # By default idle threads spin, waiting for work: that would take the cores from Whisper and from the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Sentences differ in length: memory planned for one shape is not reused for the next, only kept.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise ModelError(f"{path.name} cannot be loaded: {error}") from error


def fingerprint(*paths: Path) -> str:
    """sha256 of what the files hold, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
