"""From a checkpoint to what the server runs: CTranslate2, with the tokenizer beside it."""

import json
import tempfile
from pathlib import Path
from typing import Literal, get_args

from training.whisper.checkpoint import Checkpoint

Precision = Literal["int8", "int8_float16", "int16", "float16", "float32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def convert(source: Checkpoint, folder: Path, precision: Precision = "float16") -> Path:
    """Write config.json, model.bin, tokenizer.json, vocabulary.txt and preprocessor_config.json into `folder`, and return it.

    `precision`: of the weights in the file; whatever it is, they are run in the precision asked for when the model is loaded.
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
