"""A model of one's own in a recorded call, against the same model offline: python -m tests.load.own_model NAME [--caller FILE] [--language en]

The recording is the caller of a call in virtual time, with the real voice activity; every final transcript on which the call acted is compared with what
the model, loaded anew by its kind alone, makes of the same audio. Ends with 1 if one differs.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipelines.adapters import kinds
from pipelines.events import TranscriptReady
from pipelines.models.ports import Audio, Transcript
from pipelines.models.store import Store
from pipelines.replay.answers import ModelAnswers
from pipelines.replay.audio_files import caller_dump, read_caller
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings, Phrases
from server.engines import load_model
from tests.load.words_heard import Listener

_CALLER = Path(__file__).parent.parent / "data" / "replay" / "two_parties.flac"


class _Overheard:
    """The served model; `finals` keeps (audio, text, seconds into the recording are the call's to know)."""

    def __init__(self, store: Store, name: str) -> None:
        self._model = load_model(store, name, threads=2)
        self.finals: list[tuple[Audio, str]] = []

    def transcribe(self, audio: Audio, *, languages: tuple[str, ...], final: bool, hot_words: str = "") -> Transcript:
        heard = self._model.transcribe(audio, languages=languages, final=final, hot_words=hot_words)
        if final:
            self.finals.append((audio.copy(), heard.text))
        return heard


def main(
    name: Annotated[str, typer.Argument(help="A speech recogniser of the store.")],
    caller: Annotated[Path, typer.Option(help="A sound file; the caller is its channel.")] = _CALLER,
    channel: int = 0,
    language: str = "en",
) -> None:
    store = Store()
    served = _Overheard(store, name)
    silent = Phrases(greeting="", prompt="", goodbye="", apology="", fillers=())
    settings = CallSettings(languages=(language,), phrases={language: silent})
    vad = load_model(store, "silero-vad")
    answers = ModelAnswers(vad, served, Listener(), (language,), speak=lambda action: [])
    audio_format, audio = read_caller(caller, channel=channel)
    dump = run(caller_dump(audio_format, audio, settings, "listener"), answers)
    offline = kinds.load("stt", store.registry[name].kind, store.path(name), threads=2)
    table = Table("seconds", "in the call", "offline")
    differ = 0
    for sound, text in served.finals:
        alone = offline.transcribe(sound, languages=[language], final=True).text
        differ += alone != text
        table.add_row(f"{np.size(sound) / 16_000:.1f}", text, "the same" if alone == text else alone)
    said = {step.event.text for step in dump.steps if isinstance(step.event, TranscriptReady)}
    lost = sum(text not in said for _, text in served.finals)
    console = Console()
    console.print(table)
    console.print(f"{len(served.finals)} finals, {differ} differ from offline, {lost} never reached the call")
    console.print("\n".join(f"{turn.start:6.2f} {turn.text}" for turn in dump.turns() if turn.party == "caller"))
    raise typer.Exit(int(bool(differ or lost or not served.finals)))


if __name__ == "__main__":
    typer.run(main)
