"""Everything one server process shares between its calls: models, agents, recorder, metrics, tokens."""

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import structlog

from pipelines import events as ev
from pipelines.call import Call, CallSettings
from pipelines.models.ports import Agent
from pipelines.replay.dump import Meta
from server.agents import Agents
from server.analysis.analyst import Analyst
from server.auth import Tokens
from server.config import Config
from server.console.archive import Archive
from server.engines import Engines, chunked
from server.feelings import Feelings
from server.models import CallModels
from server.observe.live import Live
from server.observe.metrics import Metrics
from server.observe.recorder import Limits, Recorder, Recording
from server.observe.redaction import redact_apart
from server.observe.stalls import StallWatch
from server.placed import Placed, PlacedCalls
from server.session import Control, Session, Socket, Wire
from server.settings import call_settings, outbound_settings

if TYPE_CHECKING:
    from server.observe.tracing import Tracing

log = structlog.get_logger()

Progress = Callable[[str], None]

_CONSENT_TIMEOUT_S = 5.0


class House:
    """Opened once with `await House.open(config)`, closed once."""

    def __init__(self, config: Config, metrics: Metrics, source: Path | None = None) -> None:
        """`source`: the file that the configuration was read from, for who must read it again."""
        self.config, self.metrics, self.source = config, metrics, source
        metrics.calls_limit.set(config.server.max_calls)
        self.tokens = Tokens(time.monotonic)
        self.placed = PlacedCalls(time.monotonic)
        self.ready = False
        self.sessions: dict[Session, Live] = {}
        """Every call under way, and what is to be seen of it."""
        self.archive: Archive | None = None
        """The recorded calls, where there are any."""
        self.forgetful: list[Callable[[str], None]] = []
        """Who keeps something of recorded calls, and is told the name of the folder of each that is removed."""
        self.feelings: Feelings  # once open
        self._quiet = asyncio.Event()  # no call is under way
        self._quiet.set()
        self._stack = AsyncExitStack()
        self._engines: Engines | None = None
        self._agents: Agents | None = None
        self._recorder: Recorder | None = None
        self._analyst: Analyst | None = None
        self._tracing: Tracing | None = None
        self._errands: set[asyncio.Task[None]] = set()

    async def open(self, progress: Progress = lambda what: None) -> None:
        """Load and warm every model that the configured agents need. Raises AlloError when one cannot be had."""
        config, keys = self.config, self.config.recording.keys
        if config.recording.enabled and config.recording.dir is not None:
            limits = Limits(
                max_age_s=config.recording.max_age_days * 86_400.0,
                max_bytes=int(config.recording.max_gigabytes * (1 << 30)),
            )
            self._recorder = Recorder(
                config.recording.dir,
                limits,
                lambda what: self.metrics.recorder.labels(what).inc(),
                (lambda folder: redact_apart(folder, keys)) if config.recording.redact else None,
                keys,
            )
            self._stack.push_async_callback(asyncio.to_thread, self._recorder.close)
        if config.recording.dir is not None and config.recording.dir.is_dir():
            self.archive = Archive(config.recording.dir, self._recorded_now, self._call_removed, keys)
            self._stack.push_async_callback(self.archive.close)
        if config.tracing.endpoint is not None:
            self._tracing = self._trace()
            self._stack.push_async_callback(asyncio.to_thread, self._tracing.close)
        self._engines = await Engines.open(config, self.metrics.worker, progress)
        self._stack.push_async_callback(self._engines.close)
        self.feelings = Feelings(self._engines)
        self._agents = await Agents.open(config, progress)
        self._stack.push_async_callback(self._agents.close)
        if self._recorder is not None and any(agent.analyse for agent in config.agents):
            self._analyst = Analyst(
                self._agents.llm,
                config.models.llm.model,
                self._quiet,
                lambda outcome: self.metrics.analyses.labels(outcome).inc(),
                keys,
            )
            self._stack.push_async_callback(self._analyst.aclose)
        for agent in config.agents:
            progress(f"what the tools of {agent.name} say")
            said = [chunk for text, language in self._agents.phrases(agent) for chunk in chunked(text, language)]
            await self._engines.warm(agent, said)
        watch = asyncio.create_task(self.metrics.watch_loop(), name="loop-watch")
        self._stack.callback(watch.cancel)
        self._stack.push_async_callback(asyncio.to_thread, StallWatch(self.metrics.stall).close)
        # What is loaded now stays: without this each full collection walks half a million objects of libraries, and all calls
        # wait for it (0.2 s measured).
        gc.collect()
        gc.freeze()
        self.ready = True
        self.metrics.ready.set(1)

    async def close(self) -> None:
        """Let calls go on for the configured time, then end them and everything else."""
        self.ready = False
        self.metrics.ready.set(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.server.drain_seconds):
                await self._quiet.wait()
        for session in list(self.sessions):
            session.stop()
        await self._quiet.wait()
        await self._stack.aclose()

    def _recorded_now(self) -> set[str]:
        """Folders of calls that are being recorded."""
        return {live.dump for live in self.sessions.values()}

    def _call_removed(self, name: str) -> None:
        for forget in self.forgetful:
            forget(name)

    @property
    def full(self) -> bool:
        """Whether another call would be one too many."""
        return len(self.sessions) >= self.config.server.max_calls

    async def take_call(
        self,
        carrier: str,
        wire: Wire,
        socket: Socket,
        control: Control,
        started: ev.CallStarted,
        placed: Placed | None = None,
        *,
        agent_name: str = "",
        live: Live | None = None,
    ) -> str:
        """Drive one call to its end; returns why it ended. `placed`: it is one of those that we placed; `agent_name`: who answers,
        where the number called does not tell; `live`: who watches it from the first event on."""
        named = self.config.agent_named(placed.agent if placed is not None else agent_name)
        chosen = named or self.config.agent_for(started.called)
        settings = self._engines.measured(call_settings(self.config, chosen))
        if placed is not None:
            settings = outbound_settings(settings, placed)
        call = Call(settings)
        live = live or Live()
        live.agent = chosen.name
        observers = [self.metrics.observe, live]
        recording = self._record(carrier, chosen.name, settings, started)
        if recording is not None:
            observers.append(recording.write)
            live.dump = recording.path.name
        if self._tracing is not None:
            observers.append(self._tracing.call(started.call_id, carrier, chosen.name))
        session = Session(call, wire, socket, control, observers)
        models = CallModels(
            self._engines, chosen, started.outbound, settings.languages, session.deliver, started.caller
        )
        agent: Agent | None = None if chosen.kind == "echo" else self._agents.of(chosen, started)
        self.sessions[session] = live
        self._quiet.clear()
        if self._analyst is not None:
            self._analyst.call_begins()
        self.metrics.calls_active.inc()
        log.info("call_started", call_id=started.call_id, carrier=carrier, agent=chosen.name)
        reason = "failed"
        try:
            reason = await session.run(started, models, agent)
        finally:
            self.sessions.pop(session, None)
            if not self.sessions:
                self._quiet.set()
            self.metrics.calls_active.dec()
            self.metrics.call_ended(carrier, reason)
            self._count_frames(call)
            if recording is not None:
                recorded = recording.close()
                if self.archive is not None:
                    self.archive.take(recording.path.name, recorded)
                if chosen.analyse and self._analyst is not None:
                    self._analyst.take(recorded, chosen)
            log.info("call_ended", call_id=started.call_id, reason=reason)
        return reason

    def _trace(self) -> "Tracing":
        from server.observe.tracing import Tracing, to_collector  # OpenTelemetry is an extra

        settings, llm = self.config.tracing, self.config.models.llm
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        exporter = to_collector(settings.endpoint, headers)
        return Tracing(exporter, version("allo"), model=llm.model, words=settings.words)

    def _record(self, carrier: str, agent: str, settings: CallSettings, started: ev.CallStarted) -> Recording | None:
        """Start recording, if calls are recorded. Where consent is asked for, what was written is deleted on a refusal."""
        if self._recorder is None or self.config.recording.consent == "never":
            return None
        meta = Meta(
            call_id=started.call_id,
            carrier=carrier,
            agent=agent,
            inbound=started.inbound,
            outbound=started.outbound,
            settings=settings,
            started=datetime.now(UTC),
            caller=started.caller,
            called=started.called,
            allo=version("allo"),
            consent=self.config.recording.training_consent,
        )
        recording = self._recorder.open(meta)
        if self.config.recording.consent == "hook":
            task = asyncio.create_task(self._ask_consent(recording, meta), name="consent")
            self._errands.add(task)
            task.add_done_callback(self._errands.discard)
        return recording

    async def _ask_consent(self, recording: Recording, meta: Meta) -> None:
        """POST the call to `consent_url`; only `{"record": true}` keeps the recording."""
        question = {"call_id": meta.call_id, "caller": meta.caller, "called": meta.called, "agent": meta.agent}
        granted = False
        try:
            timeout = aiohttp.ClientTimeout(total=_CONSENT_TIMEOUT_S)
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.post(self.config.recording.consent_url, json=question) as response,
            ):
                granted = response.status == 200 and (await response.json()).get("record") is True
        except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError) as error:
            log.warning("consent_not_known", call_id=meta.call_id, error=type(error).__name__)
        if not granted:
            recording.discard()

    def _count_frames(self, call: Call) -> None:
        for fate in ("lost", "late", "duplicated", "reordered"):
            count = getattr(call.inbound, fate)
            if count:
                self.metrics.frames.labels(fate).inc(count)
