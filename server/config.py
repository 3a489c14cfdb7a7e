"""The configuration: one TOML file, every key optional, checked as a whole before anything starts.

The reference, with every key and its default, is `deploy/allo.example.toml`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator

from pipelines.errors import ConfigError
from pipelines.models.card import Port
from pipelines.models.registry import Registry
from pipelines.models.store import Store, default_root
from pipelines.problems import explain, listed, read_table
from pipelines.replay.sealed import Keys
from pipelines.turns.policy import CallSettings
from pipelines.units import MS, SECOND
from server.agent_config import (
    AgentConfig,
    HttpTool,
    HttpUrl,
    McpServer,
    Milliseconds,
    Section,
    TtsSettings,
    example_agent,
    plain_number,
)
from server.config_problems import clashes
from server.model_config import ModelSettings
from server.reference import FilePath, Secret, shaped

__all__ = ["AgentConfig", "Config", "HttpTool", "McpServer", "TtsSettings", "TurnSettings", "load"]

_POLICY = CallSettings()

HttpsUrl = Annotated[str, shaped(r"https://[^\s/?#]+(/[^\s?#]*)?", "carriers need an encrypted address, https://host")]
_TOKEN_LENGTH = 16


class ServerSettings(Section):
    """`public_url`: what the carrier reaches us by (none: it follows each request). `trusted_proxies`: networks whose
    X-Forwarded-* headers are believed. `metrics_token`: what `/metrics` asks for (none: loopback only). `api_token`: what
    `POST /api/calls` and `/feelings` ask for (none: no calls are placed, and feelings are for loopback), `api_calls_per_minute`: how often. `max_calls`: more are refused. `drain_seconds`: how long calls may go on after a stop was asked for.

    The operators' console: `console_token`: what signs them in; `console_user_header`: the header in which a trusted proxy says who is
    signed in already (neither: loopback only); `console_port`: a port of its own, on `console_host` (none: the carriers' port);
    `console_audit`: the file that keeps who did what."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    public_url: HttpsUrl | None = None
    trusted_proxies: list[IPvAnyNetwork] = Field([])
    metrics_token: Secret | None = None
    api_token: Secret | None = None
    api_calls_per_minute: int = Field(30, ge=1, le=10_000)
    max_calls: int = Field(200, ge=1)
    drain_seconds: float = Field(30.0, ge=0)
    console_token: Secret | None = None
    console_user_header: (
        Annotated[str, shaped(r"[A-Za-z0-9-]{1,64}", "a header's name is letters and hyphens")] | None
    ) = None
    console_port: int | None = Field(None, ge=0, le=65_535)
    console_host: str = "127.0.0.1"
    console_audit: FilePath | None = None

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    @field_validator("console_token")
    @classmethod
    def _long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < _TOKEN_LENGTH:
            raise ValueError(f"is shorter than {_TOKEN_LENGTH} characters. Make a longer one: openssl rand -hex 24.")
        return token

    @model_validator(mode="after")
    def _proxied(self) -> "ServerSettings":
        if self.console_user_header and not self.trusted_proxies:
            raise ValueError("`console_user_header` is believed from trusted proxies only. Add trusted_proxies.")
        if self.console_port is not None and self.console_port and self.console_port == self.port:
            raise ValueError("`console_port` is the carriers' port. Take another, or leave it out.")
        return self


class RecordingSettings(Section):
    """Call dumps. `max_age_days`, `max_gigabytes`: 0 for no limit. `consent`: "hook" asks `consent_url` at each
    call. `training_consent`: who says that callers agree to training, written into each dump; "" when nobody does. `redact`: card
    numbers, spoken or keyed, are taken out of a dump as soon as its call is over. `key`: seals dumps and what is made of them; with several, the first seals
    and all open."""

    enabled: bool = False
    dir: FilePath | None = None
    max_age_days: float = Field(30.0, ge=0)
    max_gigabytes: float = Field(10.0, ge=0)
    consent: Literal["always", "never", "hook"] = "always"
    consent_url: HttpUrl | None = None
    training_consent: str = ""
    redact: bool = True
    key: Secret | None = None

    @property
    def keys(self) -> Keys:
        return Keys.read(self.key.get_secret_value()) if self.key is not None else Keys()

    @field_validator("key")
    @classmethod
    def _is_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            try:
                Keys.read(key.get_secret_value())
            except ConfigError:
                raise ValueError("is not 64 hexadecimal digits. Make a key: openssl rand -hex 32.") from None
        return key

    @model_validator(mode="after")
    def _complete(self) -> "RecordingSettings":
        if self.consent == "hook" and self.consent_url is None:
            raise ValueError('`consent = "hook"` needs an address to ask. Add consent_url.')
        return self


class TracingSettings(Section):
    """Traces for OpenTelemetry. `endpoint`: a collector's address for OTLP over HTTP, with its path (none: no traces); `headers`: for it, as secrets;
    `words`: what caller and agent said goes into them too."""

    endpoint: HttpUrl | None = None
    headers: dict[str, Secret] = Field({})
    words: bool = False

    @field_validator("endpoint")
    @classmethod
    def _installed(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and find_spec("opentelemetry.sdk") is None:
            raise ValueError("OpenTelemetry is not installed. Install allo[tracing], or drop it.")
        return endpoint


class TwilioSettings(Section):
    """`auth_token`: signs webhooks; also for REST unless `api_key` and `api_secret` are given. `webhook_shared_keys`:
    the newer SHA-256 signatures' keys, by key id."""

    account_sid: Annotated[str, shaped(r"(AC\w+)?", "an account SID begins with AC")] = ""
    auth_token: Secret | None = None
    api_key: Annotated[str, shaped(r"(SK\w+)?", "an API key's SID begins with SK")] = ""
    api_secret: Secret | None = None
    webhook_shared_keys: dict[str, Secret] = Field({})
    edge: str | None = None
    region: str | None = None

    @model_validator(mode="after")
    def _paired(self) -> "TwilioSettings":
        if bool(self.api_key) != (self.api_secret is not None):
            raise ValueError("`api_key` and `api_secret` belong together. Give both or neither.")
        return self


class JambonzSettings(Section):
    """`webhook_secret`: signs HTTP webhooks; `username`, `password`: of the websockets' basic authentication;
    `sample_rate`: of the audio, in Hz, both ways. To place calls: `api_url` and `api_key` of its REST API, `account_sid`,
    and `application_sid`: the application whose call hook leads here."""

    webhook_secret: Secret | None = None
    username: str = ""
    password: Secret | None = None
    sample_rate: Literal[8_000, 16_000, 24_000] = 16_000
    api_url: HttpUrl | None = None
    api_key: Secret | None = None
    account_sid: Annotated[str, shaped(r"[A-Za-z0-9-]{0,64}", "a SID is letters, digits and hyphens")] = ""
    application_sid: Annotated[str, shaped(r"[A-Za-z0-9-]{0,64}", "a SID is letters, digits and hyphens")] = ""

    @model_validator(mode="after")
    def _paired(self) -> "JambonzSettings":
        if bool(self.username) != (self.password is not None):
            raise ValueError("`username` and `password` belong together. Give both or neither.")
        rest = (self.api_url, self.api_key, self.account_sid, self.application_sid)
        if any(rest) and not all(rest):
            raise ValueError(
                "`api_url`, `api_key`, `account_sid` and `application_sid` belong together. Give all or none."
            )
        return self


class PhoneSettings(Section):
    """The phone in the browser, at `/phone`: for loopback, or with `server.api_token` for who signs in with it. `ice_servers`: STUN and TURN
    servers by which browsers elsewhere find the way for WebRTC (none: they must reach this machine's own addresses), with `ice_username`
    and `ice_credential`."""

    enabled: bool = True
    ice_servers: list[Annotated[str, shaped(r"(stun|turn)s?:[^\s]+", "stun:host:port or turn:host:port")]] = Field([])
    ice_username: str = ""
    ice_credential: Secret | None = None


class TurnSettings(Section):
    """When a caller is heard as speaking, as done, as interrupting. `vad_*`: probabilities of speech; `lead_ms`: how
    far playout runs ahead of the caller's ear; `endpoint_ms` (`endpoint_sure_ms`, `endpoint_max_ms`): silence that ends a
    turn (that is a question or a known answer; that goes on by its words or its sound); `speculate`: prepare an answer before
    that, which is dropped when the caller goes on; `interruption_ms` (`interruption_sure_ms`): speech over the agent that
    interrupts, if it is no backchannel (whatever it is); `hold`: fall silent at its first word already, and go on if it was nothing; `faint_db`:
    a voice over the agent that is so much quieter than the caller stops nothing, 0: any may; `monologue_s` (`turn_limit_s`): speech without a pause for an answer
    after which the agent cuts in at a dip (dip or not)."""

    vad_start: float = Field(_POLICY.speech_on, gt=0, lt=1)
    vad_stop: float = Field(_POLICY.speech_off, gt=0, lt=1)
    min_speech_ms: Milliseconds = _POLICY.min_speech_us // MS
    min_silence_ms: Milliseconds = _POLICY.min_silence_us // MS
    endpoint_ms: Milliseconds = _POLICY.endpoint_us // MS
    endpoint_sure_ms: Milliseconds = _POLICY.endpoint_sure_us // MS
    endpoint_max_ms: Milliseconds = _POLICY.endpoint_unsure_us // MS
    speculate: bool = _POLICY.speculate
    interruption_ms: Milliseconds = _POLICY.interruption_us // MS
    hold: bool = _POLICY.hold
    faint_db: float = Field(10.0, ge=0, le=60)
    interruption_sure_ms: Milliseconds = _POLICY.interruption_sure_us // MS
    monologue_s: int = Field(_POLICY.monologue_us // SECOND, ge=1)
    turn_limit_s: int = Field(_POLICY.turn_limit_us // SECOND, ge=1)
    lead_ms: int = Field(_POLICY.lead_us // MS, ge=40, le=200)

    @model_validator(mode="after")
    def _ordered(self) -> "TurnSettings":
        if self.vad_stop > self.vad_start:
            raise ValueError("`vad_stop` must not be above `vad_start`. Raise the one or lower the other.")
        if self.endpoint_max_ms < self.endpoint_ms:
            raise ValueError("`endpoint_max_ms` must not be below `endpoint_ms`. Raise the one or lower the other.")
        if self.endpoint_sure_ms > self.endpoint_ms:
            raise ValueError("`endpoint_sure_ms` must not be above `endpoint_ms`. Lower the one or raise the other.")
        return self


class Config(Section):
    server: ServerSettings = ServerSettings()
    recording: RecordingSettings = RecordingSettings()
    tracing: TracingSettings = TracingSettings()
    twilio: TwilioSettings = TwilioSettings()
    jambonz: JambonzSettings = JambonzSettings()
    phone: PhoneSettings = PhoneSettings()
    models: ModelSettings = ModelSettings()
    turns: TurnSettings = TurnSettings()
    agents: list[AgentConfig] = Field(default_factory=lambda: [example_agent()], min_length=1)

    def agent_for(self, called: str) -> AgentConfig:
        """Who answers the called number: the agent that lists it, else the one that lists none, else the first."""
        number = plain_number(called)
        for agent in self.agents:
            if number in map(plain_number, agent.numbers):
                return agent
        return next((agent for agent in self.agents if not agent.numbers), self.agents[0])

    def agent_named(self, name: str) -> AgentConfig | None:
        return next((agent for agent in self.agents if agent.name == name), None)

    def voice(self, agent: AgentConfig, language: str) -> TtsSettings:
        """How an agent speaks a language: its own voice, or everybody's."""
        return agent.voices.get(language) or self.models.tts[language]

    def wanted_models(self) -> list[tuple[str, Port, str, str]]:
        """What of the model store is used: (key of the configuration, port, kind of adapter or "" for what the model's card
        says, name or "")."""
        models = self.models
        talking = [(i, agent) for i, agent in enumerate(self.agents) if agent.kind == "llm"]
        wanted: list[tuple[str, Port, str, str]] = []
        if talking or any(agent.voice_activity for agent in self.agents):
            wanted.append(("models.vad.model", "vad", "", models.vad.model))
        if talking:
            wanted.append(("models.stt.model", "stt", models.stt.kind or "", models.stt.model))
            if models.stt.quick:
                wanted.append(("models.stt.partials", "stt", "", models.stt.quick))
            if models.stt.fallback is not None:
                wanted.append(("models.stt.fallback", "stt", "", models.stt.fallback))
            if models.denoise.model != "none":
                wanted.append(("models.denoise.model", "denoise", "", models.denoise.model))
            if models.turn.model != "none":
                wanted.append(("models.turn.model", "turn", "", models.turn.model))
            if models.overlap.model != "none":
                wanted.append(("models.overlap.model", "overlap", "", models.overlap.model))
            if models.emotion.model != "none" and any(agent.emotion for _, agent in talking):
                wanted.append(("models.emotion.model", "emotion", "", models.emotion.model))
            if models.speaker.model != "none" and any(agent.tells_voices for _, agent in talking):
                wanted.append(("models.speaker.model", "speaker", "", models.speaker.model))
            if models.sentiment.model != "none" and any(agent.sentiment for _, agent in talking):
                wanted.append(("models.sentiment.model", "sentiment", "", models.sentiment.model))
            for key, llm in (("llm", models.llm), ("llm_fallback", models.llm_fallback)):
                if llm is not None and llm.kind == "embedded":
                    wanted.append((f"models.{key}.model", "llm", "gguf", llm.model))
        for i, agent in talking:
            for language in agent.languages:
                key = f"agents[{i}].voices.{language}" if language in agent.voices else f"models.tts.{language}"
                voice = agent.voices.get(language) or models.tts.get(language)
                if voice is not None:
                    wanted.append((f"{key}.model", "tts", voice.kind, voice.model))
                    if voice.fallback is not None:
                        wanted.append((f"{key}.fallback.model", "tts", voice.fallback.kind, voice.fallback.model))
        return list(dict.fromkeys(wanted))

    def model_names(self) -> list[str]:
        """Names in the model store of all that this configuration uses, without repetition."""
        return list(dict.fromkeys(name for *_, name in self.wanted_models() if name))

    def store(self) -> Store:
        """The model store as configured. Raises ModelError for a manifest that cannot be read."""
        models = self.models
        return Store(models.dir, models.order, folder=models.folder, registry=self.registry())

    def registry(self) -> Registry:
        """The models that can be named here. Raises ModelError for a manifest that cannot be read."""
        return Registry.load(self.models.manifests, self.models.dir or default_root())


def load(path: Path | None, *, check: bool = True) -> Config:
    """The configuration in a TOML file; None: the defaults, the example agent on loopback. Raises ConfigError with
    every problem. `check`: also those between parts; left out where a model that is named and not there is being brought."""
    if path is None:
        return Config()
    table = read_table(path, error=ConfigError, mend="Mend the path given to --config.")
    try:
        config = Config.model_validate(table, context=path.parent)
    except pydantic.ValidationError as error:
        # `from None`: what pydantic holds on to may include a secret
        raise ConfigError(listed(path, explain(error, Config))) from None
    if check and (problems := clashes(config)):
        raise ConfigError(listed(path, problems))
    return config
