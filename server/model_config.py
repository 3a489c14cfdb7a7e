"""The part of the configuration that says which models there are: `[models]`, its ports, voices and language models."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.models.card import ORDER, SourceKind
from server.agent_config import HttpUrl, Language, Seconds, Section, TtsSettings
from server.reference import FilePath, Secret

_WHISPER, _QUICK = "whisper-base", "whisper-base-short"
_QWEN = "qwen2.5-coder-1.5b-instruct-q4_k_m"
_VOICES = {
    "en": {"kind": "piper", "model": "piper-en_US-joe-medium"},
    "fr": {"kind": "kokoro", "model": "kokoro-82m-int8", "voice": "ff_siwis"},
}

Threads = Annotated[int, Field(ge=1, le=256)]


class SttSettings(Section):
    """`kind`: what runs `model` (none: what its card says). `partials`: the model that hears him while he still speaks, and is quicker; "none": the same; not
    given: `whisper-base-short` beside `whisper-base`. `beam`: 1 is greedy. `fallback`: the model that takes over when this one fails, of whatever kind."""

    kind: Literal["faster-whisper", "ctc", "wav2vec2"] | None = None
    model: str = _WHISPER
    partials: str = ""
    threads: Threads = 2
    beam: int = Field(5, ge=1, le=10)
    fallback: str | None = None
    timeout_s: Seconds = 10.0

    @property
    def quick(self) -> str:
        """The model for partials; "" where it is `model`."""
        if not self.partials:
            return _QUICK if self.model == _WHISPER else ""
        return "" if self.partials in ("none", self.model) else self.partials


class VadSettings(Section):
    """`model`: what tells speech from all else."""

    model: str = "silero-vad"


class DenoiseSettings(Section):
    """`model`: what takes the noise out of what voice activity is told by; "none": nothing."""

    model: str = "none"


class TurnModelSettings(Section):
    """`model`: what tells by its sound whether a turn is over; "none": the words alone decide."""

    model: str = "none"


class OverlapSettings(Section):
    """`model`: what tells by the sound of the first syllables over the agent whether it is interrupted; "none": the words alone do. `sure`: the
    probability from which the agent holds its breath; none: that which was measured for the model."""

    model: str = "none"
    sure: float | None = Field(None, gt=0, le=1)


class EmotionSettings(Section):
    """`model`: what tells by the sound how a caller feels, for agents with `emotion`; "none": nothing does. `sure`: by emotion, the probability from
    which an agent may be told of it, and it is told of no other; none: those that were measured for the model."""

    model: str = "emotion-logistic"
    sure: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field({})


class SpeakerSettings(Section):
    """`model`: what tells voices apart, for agents with `follow_caller` or `known_callers`; "none": nothing does. `same`, `other`: cosine with the
    caller's voice from which a voice is his, below which it is another's; `known`: with that of an enrolled person from which he is known; none:
    those that were measured for the model. `book`: the file of those who are enrolled, none for `voices.json` among Allô's data."""

    model: str = "resemblyzer"
    same: float | None = Field(None, ge=-1, le=1)
    other: float | None = Field(None, ge=-1, le=1)
    known: float | None = Field(None, ge=-1, le=1)
    book: FilePath | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "SpeakerSettings":
        if (self.same is None) != (self.other is None):
            raise ValueError("`same` and `other` belong together. Give both or neither.")
        if self.same is not None and self.other > self.same:
            raise ValueError("`other` must not be above `same`. Raise the one or lower the other.")
        return self


class SentimentSettings(Section):
    """`model`: what tells the sentiment of a caller's turns, for agents with `sentiment`; "none": nothing does."""

    model: str = "sentiment-linear"


class LlmSettings(Section):
    """A language model: "embedded" runs `model` of the store on this machine, "openai" talks to any endpoint of that
    form."""

    kind: Literal["embedded", "openai"] = "embedded"
    model: str = _QWEN
    base_url: HttpUrl | None = None
    api_key: Secret | None = None
    threads: Threads = 2
    temperature: float = Field(0.0, ge=0, le=2)
    timeout_s: Seconds = 20.0

    @model_validator(mode="after")
    def _complete(self) -> "LlmSettings":
        if self.kind == "openai" and (self.base_url is None or "model" not in self.model_fields_set):
            raise ValueError('`kind = "openai"` needs base_url and model. Add them.')
        return self


class ModelSettings(Section):
    """`order`: where weights are looked for, first to last; `dir`: the model store; `folder`: files of your own, laid
    out like the store; `manifests`: model cards of your own, in the form of `pipelines/models/models.toml`."""

    order: list[SourceKind] = Field(list(ORDER), min_length=1)
    dir: FilePath | None = None
    folder: FilePath | None = None
    manifests: list[FilePath] = Field([])
    stt: SttSettings = SttSettings()
    vad: VadSettings = VadSettings()
    denoise: DenoiseSettings = DenoiseSettings()
    turn: TurnModelSettings = TurnModelSettings()
    overlap: OverlapSettings = OverlapSettings()
    emotion: EmotionSettings = EmotionSettings()
    sentiment: SentimentSettings = SentimentSettings()
    speaker: SpeakerSettings = SpeakerSettings()
    tts: dict[Language, TtsSettings] = Field(_VOICES)
    llm: LlmSettings = LlmSettings()
    llm_fallback: LlmSettings | None = None

    @field_validator("tts", mode="before")
    @classmethod
    def _keep_default_voices(cls, given: object) -> object:
        return {**_VOICES, **given} if isinstance(given, dict) else given
