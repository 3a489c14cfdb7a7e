"""The models of one server, loaded once, and what of them one call holds."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines import actions as do
from pipelines import events as ev
from pipelines.frames import AudioFormat
from server.inference.listen import VoiceStream, VoiceWorker
from server.inference.speak import SpeakWorker
from server.inference.transcribe import TranscribeWorker

Deliver = Callable[[ev.Event], None]


class CallModels:
    """The shared workers, as one call sees them. Requests return at once; answers come through `deliver` on the event loop."""

    def __init__(
        self,
        voice: VoiceWorker | None,
        transcribe: TranscribeWorker | None,
        speak: SpeakWorker | None,
        outbound: AudioFormat,
        languages: Sequence[str],
        hot_words: str,
        deliver: Deliver,
    ) -> None:
        self._voice: VoiceStream | None = voice.open(deliver) if voice is not None else None
        self._transcriber, self._speaker = transcribe, speak
        self._outbound, self._languages, self._hot_words = outbound, tuple(languages), hot_words
        self._deliver = deliver

    def analyze(self, first: int, audio: NDArray[np.float32]) -> None:
        self._voice.analyze(first, audio)

    def transcribe(self, action: do.Transcribe, audio: NDArray[np.float32]) -> None:
        languages = (action.language,) if action.language else self._languages
        self._transcriber.submit(action, audio, languages, self._hot_words, self._deliver, owner=self)

    def synthesize(self, action: do.Synthesize) -> None:
        self._speaker.submit(action, self._outbound, self._deliver, owner=self)

    def cancel_reply(self, reply: int) -> None:
        self._speaker.cancel(self, reply)

    def close(self) -> None:
        """The call is over: forget all that is queued for it."""
        if self._voice is not None:
            self._voice.close()
        if self._transcriber is not None:
            self._transcriber.cancel(self)
        if self._speaker is not None:
            self._speaker.cancel(self)
