"""What a model must be able to do to take part in a call. One adapter file per model kind in `pipelines/adapters/<port>/<kind>.py`.

Audio into a port is float32, mono, 16 kHz, range [-1, 1], shape (n,). Every method blocks and is called on a worker thread;
the `Agent` alone is asynchronous, because it talks to services. Adapters raise `ModelError`.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.events import Event

Audio = NDArray[np.float32]


class VoiceActivity(Protocol):
    """Frame-wise speech detector, batched across calls; all state is the caller's to keep."""

    window: int
    """Samples of one window (512 for Silero at 16 kHz)."""

    def initial_state(self) -> NDArray[np.float32]:
        """State of a call that has heard nothing."""
        ...

    def analyze(
        self, windows: Sequence[Audio], states: Sequence[NDArray[np.float32]]
    ) -> tuple[list[float], list[NDArray[np.float32]]]:
        """One window of each of n calls, with their states: (probabilities of speech 0..1, new states)."""
        ...


class Denoiser(Protocol):
    """Streaming noise suppression; state is kept by the caller, delay is constant."""

    delay: int
    """Samples by which the output lags the input."""

    def initial_state(self) -> object: ...

    def denoise(self, audio: Audio, state: object) -> tuple[Audio, object]:
        """Same number of samples out as in, delayed by `delay`."""
        ...


class Transcript(msgspec.Struct, frozen=True):
    text: str
    language: str
    p_language: float = 1.0


class SpeechToText(Protocol):
    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        """Words in `audio`. One language given: that one; several: the likeliest of them. No words: text ""."""
        ...


class TurnDetector(Protocol):
    """Tells a caller who has finished from one who only pauses, by the sound of his words."""

    def p_end(self, audio: Audio) -> float:
        """Probability, 0 to 1, that the turn is over. `audio`: its last seconds (the whole turn, if it was short), to 0.1
        or 0.2 s after the last word. Depends on nothing else."""
        ...


class OverlapDetector(Protocol):
    """Tells the beginning of an interruption from a murmur, a cough or a noise, before there is a word."""

    def p_interruption(self, audio: Audio) -> float:
        """Probability, 0 to 1, that who speaks over the agent wants the floor. `audio`: from 0.1 s before the onset of his speech to
        now, less than a second. Depends on nothing else."""
        ...


class SpeakerEncoder(Protocol):
    """A voice as a point: two clips of one speaker lie close together, whatever he says."""

    size: int
    """Numbers of an embedding."""

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """(size,), of length 1: the cosine of two voices is their product. `audio`: a second of speech or more."""
        ...


class TargetExtractor(Protocol):
    def extract(self, audio: Audio, voice: NDArray[np.float32]) -> Audio:
        """What the speaker with the embedding `voice` says in `audio`, as long as it is. For recordings, not for calls."""
        ...


class EmotionRecognizer(Protocol):
    labels: tuple[str, ...]

    def recognize(self, audio: Audio) -> dict[str, float]:
        """Probabilities of all `labels`, which sum to 1. `audio`: one utterance."""
        ...


class SentimentAnalyzer(Protocol):
    def analyze(self, text: str, language: str) -> dict[str, float]:
        """Probabilities of "negative", "neutral" and "positive", which sum to 1."""
        ...


class TextToSpeech(Protocol):
    sample_rate: int
    """Hz of what `synthesize` yields."""

    identity: str
    """Names the voice and its weights: the same identity speaks the same audio (cached phrases are kept under it)."""

    def synthesize(self, text: str) -> Iterator[Audio]:
        """Audio of `text`, in pieces as they are ready, at `sample_rate`."""
        ...


class Agent(Protocol):
    """The mind of one call; holds its memory. `reply` yields ReplyDelta, ToolStarted, ToolFinished, HangUpRequested,
    TransferRequested, DigitsRequested (with the reply's number) and returns when the reply is complete; it raises ModelError
    when the model fails. Cancelling the iteration stops the work."""

    def reply(
        self, reply: int, text: str, language: str, *, attempt: int = 0, speculative: bool = False
    ) -> AsyncIterator[Event]:
        """Answer what the caller said. `attempt`: 0 the first, 1 a retry, from 2 on the configured fallback model answers.

        `speculative`: he may not have finished. Tools that do more than read wait for `commit`."""
        ...

    def notice(self, fact: str, value: str, p: float, threshold: float = 0.0) -> None:
        """Something is known of the caller that the next answer may heed, as in `actions.Notice`."""
        ...

    def overhear(self, text: str, language: str) -> None:
        """The caller, who is still speaking, has said `text` by now: a hint, to prepare by."""
        ...

    def commit(self, reply: int) -> None:
        """The speculative `reply` is the answer."""
        ...

    def forget(self, reply: int) -> None:
        """The speculative `reply`, which was cancelled, was none: nothing of it stays in memory, nor does what it answers."""
        ...

    def remember(self, reply: int, text: str) -> None:
        """The caller heard exactly `text` of `reply`: memory of that reply becomes this. Also used for words that the call
        said without the agent (greeting, prompts). "" forgets the reply's words (what tools did stays)."""
        ...
