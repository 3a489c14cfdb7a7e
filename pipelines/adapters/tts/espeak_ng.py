"""eSpeak NG's own formant voice (GPL-3.0), run as the program `espeak-ng` (Debian package of that name): 22.05 kHz,
the most robotic of all, but a hundred languages and no weights. For synthesized training data."""

import io
import shutil
import subprocess
from collections.abc import Iterator

import soundfile

from pipelines.errors import ModelError
from pipelines.models.ports import Audio

_PROGRAM = "espeak-ng"
_WORDS_A_MINUTE = 175  # its own pace
_TIME_S = 60


class EspeakNg:
    """One voice. `voice`: as the program names it, the language with a variant if wanted ("fr", "fr+f3", "en-us+m2");
    `speed`: 1 is its own pace."""

    sample_rate = 22_050

    def __init__(self, *, voice: str, speed: float = 1.0) -> None:
        """Raises ModelError when the program is not there or does not know the voice."""
        program = shutil.which(_PROGRAM)
        if program is None:
            raise ModelError("the program espeak-ng is not installed. On Debian: apt install espeak-ng.")
        pace = str(round(_WORDS_A_MINUTE * speed))
        self._command = [program, "-v", voice, "-s", pace, "--stdin", "-b", "1", "--stdout"]
        self.identity = f"espeak-ng:{voice}:{pace}"
        if not self._run("a"):
            raise ModelError(f"espeak-ng has no voice {voice!r}. It lists its voices with `espeak-ng --voices`.")

    def synthesize(self, text: str) -> Iterator[Audio]:
        """Float32 mono audio in [-1, 1], in one piece. Raises ModelError."""
        sound = self._run(text)
        try:
            audio = soundfile.read(io.BytesIO(sound), dtype="float32")[0] if sound else ()
        except soundfile.SoundFileError as error:
            raise ModelError("espeak-ng gave no sound.") from error
        if len(audio):
            yield audio

    def _run(self, text: str) -> bytes:
        try:
            done = subprocess.run(self._command, input=text.encode(), capture_output=True, timeout=_TIME_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ModelError(f"espeak-ng failed: {type(error).__name__}") from error
        return done.stdout
