"""The part of the configuration that describes one agent: who answers which number, in what words, with what tools
and limits."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, field_validator, model_validator

from server import phrases
from server.examples.clinic import texts
from server.reference import Secret, Sound, Text, shaped

Language = Annotated[str, shaped(r"[a-z]{2}", "a language is two letters of ISO 639-1, such as en")]
HttpUrl = Annotated[str, shaped(r"https?://[^\s/]+\S*", "an address begins with http:// or https://")]
ToolName = Annotated[str, shaped(r"[a-zA-Z_]\w{0,63}", "a tool's name is letters, digits and _, 64 at most")]
Tool = Annotated[
    str, shaped(r"[a-z][a-z0-9_]*|[A-Za-z_][\w.]*:[A-Za-z_]\w*", 'a tool is a name of Allô\'s own or "module:function"')
]
Seconds = Annotated[float, Field(gt=0)]
Milliseconds = Annotated[int, Field(ge=0)]
FieldName = Annotated[str, shaped(r"[a-z][a-z0-9_]{0,39}", "a field's name is small letters, digits and _, 40 at most")]

PLAIN_TYPES = ("string", "integer", "number", "boolean", "date")
"""Of fields that are extracted, besides a list of words."""


class Section(BaseModel):
    """A table of the configuration: an unknown key is an error, and errors do not show what was written, which may be
    secret."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, validate_assignment=True, validate_default=True
    )


def _over(defaults: dict[str, Any]) -> BeforeValidator:
    """Languages that are not given keep their default."""
    return BeforeValidator(lambda given: {**defaults, **given} if isinstance(given, dict) else given)


class VoiceSettings(Section):
    """A voice. `kind`: the adapter; `model`: a name in the model store ("" for an adapter that carries its own);
    `voice`: one of the model's voices, where it has several; `speed`: 1 as trained, above it faster."""

    kind: Literal["piper", "kokoro"]
    model: str = ""
    voice: str = ""
    speed: float = Field(1.0, ge=0.5, le=2.0)


class TtsSettings(VoiceSettings):
    """How a language is spoken. `fallback`: the voice that takes over when this one fails twice at the same words."""

    fallback: VoiceSettings | None = None


class HttpTool(Section):
    """An HTTP endpoint as a tool. `parameters`: JSON schema of the arguments, an object; they go as query (GET,
    DELETE) or JSON body. `headers`: their values are secrets, "env:NAME" or "file:...". `sensitive`: it runs only for a caller who has
    proven who he is; `proves`: he has, when it succeeds (2xx)."""

    name: ToolName
    description: str = Field(min_length=1)
    url: HttpUrl
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {}}
    headers: dict[str, Secret] = {}
    sensitive: bool = False
    proves: bool = False

    @model_validator(mode="after")
    def _one_role(self) -> "HttpTool":
        if self.sensitive and self.proves:
            raise ValueError("a tool that proves who calls cannot wait for that proof. Drop `sensitive` or `proves`.")
        return self

    @field_validator("parameters")
    @classmethod
    def _object(cls, schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            raise ValueError('the JSON schema must be of an object. Write { type = "object", properties = { ... } }.')
        return schema


class McpServer(Section):
    """A server of the Model Context Protocol: reached at `url`, or started with `command`. `tools`: those the agent may
    use, none for all; `sensitive`: those that run only for a caller who has proven who he is."""

    name: str = Field(min_length=1)
    url: HttpUrl | None = None
    command: list[str] = []
    headers: dict[str, Secret] = {}
    tools: list[str] = []
    sensitive: list[str] = []

    @model_validator(mode="after")
    def _one_way(self) -> "McpServer":
        if (self.url is None) == (not self.command):
            raise ValueError("an MCP server has a url or a command. Give one of them.")
        return self


class ExtractedField(Section):
    """A field that is filled in after a call, when it was said. `type`: "string", "integer", "number", "boolean", "date", or a list: one of these
    words; `description`: what the language model is told of it."""

    type: str | list[str] = "string"
    description: str = Field(min_length=1, max_length=300)

    @field_validator("type", mode="before")
    @classmethod
    def _known(cls, given: object) -> object:
        if isinstance(given, list):
            words = [word for word in given if isinstance(word, str) and word.strip()]
            if len(words) < 2 or len(words) < len(given) or len(set(words)) < len(words):
                raise ValueError("a list is of the words to choose from, two or more, none twice. Write them.")
        elif given not in PLAIN_TYPES:
            raise ValueError(f"no such type. Write one of {', '.join(PLAIN_TYPES)}, or a list of words to choose from.")
        return given


class AgentConfig(Section):
    """One agent. Texts are by language; English and French have defaults.

    `kind`: "llm", or "echo", a line test in which the caller hears himself; `voice_activity`: run it in an echo
    call too. `numbers`: called numbers it answers (none: all that no other agent answers). `tools`: names of Allô's
    own, or "module:function". `instructions`: the text, or "file:prompt.txt", for all languages or by language. `greeting` ... `openers`: what the call says without
    asking the agent. `opener_ms`: silence after the caller's last word before one of the openers begins a reply whose words are not
    there yet (no openers: none does); `filler_ms`: ... before a filler, once a tool was called. `cut_in`: said to a caller
    who leaves no pause for an answer. `hold_music`: heard while a tool takes long, a sound file of which 12 s are used, "soft" (our own)
    or "none". `keypad`: tools to
    ask the caller for keys and to press some. `emotion`: what it is told when the caller sounds so, by the emotions of `models.emotion`, for all languages or by language; `sentiment`: what each of
    the caller's turns says is counted as negative, neutral or positive (`models.sentiment`); `follow_caller`: what another voice in the room says, than that
    which spoke first, is left out (`models.speaker`); `known_callers`: it is told whose voice the caller's is like, of those whom `allo voices`
    has enrolled, once that is sure. `analyse`: a recorded call has an analysis beside its dump
    soon after it ended; `extract`: fields that are filled in then, by name. `silence_prompt_s`, `silence_hangup_s`: silence of both parties before the prompt, before hanging up.
    """

    name: str = Field(min_length=1)
    numbers: list[str] = []
    kind: Literal["llm", "echo"] = "llm"
    voice_activity: bool = False
    languages: list[Language] = Field(["en", "fr"], min_length=1)
    instructions: Text | dict[Language, Text] = (
        "You answer the telephone. Reply in the caller's language, in one or two short spoken sentences."
    )
    greeting: Annotated[dict[Language, str], _over(phrases.GREETING)] = {}
    prompt: Annotated[dict[Language, str], _over(phrases.PROMPT)] = {}
    goodbye: Annotated[dict[Language, str], _over(phrases.GOODBYE)] = {}
    apology: Annotated[dict[Language, str], _over(phrases.APOLOGY)] = {}
    fillers: Annotated[dict[Language, list[str]], _over(phrases.FILLERS)] = {}
    openers: Annotated[dict[Language, list[str]], _over(phrases.OPENERS)] = {}
    cut_in: Annotated[dict[Language, str], _over(phrases.CUT_IN)] = {}
    hold_music: Sound = "soft"
    voices: dict[Language, TtsSettings] = {}
    tools: list[Tool] = []
    http_tools: list[HttpTool] = []
    mcp_servers: list[McpServer] = []
    tool_timeout_s: Seconds = 8.0
    opener_ms: Milliseconds = 350
    filler_ms: Milliseconds = 1_500
    transfer_number: str = ""
    keypad: bool = False
    emotion: dict[str, Text | dict[Language, Text]] = {}
    sentiment: bool = False
    follow_caller: bool = False
    known_callers: bool = False
    analyse: bool = False
    extract: dict[FieldName, ExtractedField] = Field({}, max_length=20)
    hot_words: list[str] = []
    max_call_s: Seconds = 600.0
    silence_prompt_s: Seconds = 8.0
    silence_hangup_s: Seconds = 20.0

    @property
    def tells_voices(self) -> bool:
        """Whether its calls have a model for voices."""
        return self.follow_caller or self.known_callers

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: object) -> object:
        if isinstance(given, dict) and "analyze" in given:
            raise ValueError(
                "`analyze` is called `voice_activity` now. Rename it; to have recorded calls analysed, write `analyse`."
            )
        return given

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: list[str]) -> list[str]:
        if len(set(languages)) < len(languages):
            raise ValueError("a language is named twice. Name it once.")
        return languages

    @model_validator(mode="after")
    def _complete(self) -> "AgentConfig":
        for key in ("greeting", "prompt", "goodbye", "apology", "fillers"):
            if lacking := [language for language in self.languages if not getattr(self, key).get(language)]:
                raise ValueError(f"`{key}` has no text in {', '.join(lacking)}. Add {key} = {{ {lacking[0]} = ... }}.")
        if self.silence_hangup_s <= self.silence_prompt_s:
            raise ValueError("`silence_hangup_s` must be above `silence_prompt_s`. Raise the one or lower the other.")
        return self


def plain_number(number: str) -> str:
    """A called number without its dress: "sip:+1 (555) 010-0@host" is "+15550100"."""
    user = re.sub(r"^(sips?|tel):", "", number.strip().lower()).partition("@")[0].partition(";")[0]
    return re.sub(r"[\s().-]", "", user)


def example_agent() -> AgentConfig:
    """The receptionist of a medical practice, in English and French."""
    return AgentConfig(
        name="receptionist",
        greeting=phrases.EXAMPLE_GREETING,
        instructions=texts.INSTRUCTIONS,
        tools=["clinic"],
        sentiment=True,
        transfer_number="+15550199",
    )
