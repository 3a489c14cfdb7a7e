"""A conversation as a real call: a server of its own, a carrier's protocol, a voice for the caller, and all models in between.

It is judged when it is over, from the server's recording of it and the database as it is then; dates are those of this machine's clock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from pipelines import events as ev
from pipelines.actions import Turn
from pipelines.errors import AlloError
from pipelines.models.ports import TextToSpeech
from pipelines.replay.dump import Dump, read_dump
from pipelines.replay.sealed import Keys
from server.caller.conversation import hear_out
from server.caller.ear import Pcm
from server.caller.host import Host
from server.caller.line import Line, resample
from server.caller.script import Listen
from server.caller.twilio import TwilioLine
from server.caller.watch import find_dump, turns_of
from server.config import Config
from server.engines import load_voice
from server.inference.voicing import finished_pieces
from server.recording_keys import keys_of
from server.simulate.callers import Caller, Played, Scripted, asked
from server.simulate.rules import Exchange, Judge, Run
from server.simulate.suite import Scenario, Suite
from server.simulate.text import TextMode, agent_of, exchange_of

_LISTEN = Listen(least=1.2, quiet=1.5)  # what is shorter is an opener: the answer is still to come
_BREATH_S = 0.3
_GOODBYE_S = 8.0  # until an agent that says goodbye has hung up
_WORDS_S = 3.0  # until the recording has what was heard
_NEAR_US = 400_000  # by which the recording and the caller's own clock may differ
_POLL_S = 0.1


class Spoken(msgspec.Struct, frozen=True):
    """What the caller said; when its first and last sounds left his mouth, in microseconds of the stream."""

    text: str
    start: int
    end: int


class VoiceMode:
    """Plays scenarios as calls. Use as an async context manager."""

    def __init__(
        self,
        config: Config,
        suite: Suite,
        *,
        path: Path | None,
        dumps: Path | None,
        judging: bool,
        progress: Callable[[str], None],
    ) -> None:
        """`path`: the file that `config` was read from; `dumps`: where the calls' recordings are kept, None: nowhere."""
        self._keys = keys_of(config)
        self._config, self._suite, self._path, self._dumps = config, suite, path, dumps
        self._agent = agent_of(config, suite)
        self._judging, self._progress = judging, progress
        self._voices: dict[str, TextToSpeech] = {}
        self._models = TextMode(config, suite, parallel=1, judging=judging, progress=progress)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "VoiceMode":
        store = self._config.store()
        for language in sorted({scenario.language for scenario in self._suite.scenario}):
            self._progress(f"the callers' voice for {language}")
            settings = self._suite.voices.get(language) or self._config.voice(self._agent, language)
            self._voices[language] = await asyncio.to_thread(load_voice, store, settings, language)
        if self._judging or any(scenario.goal for scenario in self._suite.scenario):
            await self._stack.enter_async_context(self._models)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def play(self, scenario: Scenario, run: int) -> Run:
        """One call."""
        exchanges: list[Exchange] = []
        verdicts, fault, greeting = [], "", ""
        with TemporaryDirectory(prefix="allo-simulate-") as data:
            try:
                dump, spoken = await self._call(scenario, run, Path(data))
                greeting = _between(dump.turns(), 0, spoken[0].start if spoken else dump.duration_us)
                exchanges = exchanges_of(dump, spoken)
                database = Path(data) / self._suite.database if self._suite.database else None
                judge = Judge(self._suite, scenario, database, datetime.now().date())
                for number, exchange in enumerate(exchanges):
                    verdicts += judge.of_answer(number, exchange)
                verdicts += judge.of_call(exchanges)
                if self._judging:
                    verdicts += await asked(scenario.asks, greeting, exchanges, self._models.judge)
            except AlloError as error:
                fault = str(error)
            except OSError as error:
                fault = f"the call did not come through: {error}"
        return Run(scenario.name, scenario.language, run, greeting, tuple(exchanges), tuple(verdicts), fault)

    async def _call(self, scenario: Scenario, run: int, data: Path) -> tuple[Dump, list[Spoken]]:
        dumps = self._dumps or data / "dumps"
        dumps.mkdir(parents=True, exist_ok=True)
        arguments = ["--port", "0", "--dumps", str(dumps), *(["--config", str(self._path)] if self._path else [])]
        secret = self._config.twilio.auth_token
        called = self._agent.numbers[0] if self._agent.numbers else "+15550199"
        async with Host(arguments, log=data / "server.log", environment={"ALLO_DATA": str(data)}) as host:
            base = await host.ready()
            token = secret.get_secret_value() if secret else ""
            line = await TwilioLine.dial(f"{base}/twilio/voice", caller=scenario.caller, called=called, token=token)
            caller: Caller = Played(scenario, self._models.caller, run) if scenario.goal else Scripted(scenario)
            turns: list[Turn] = []
            following = asyncio.create_task(_follow(dumps, line, turns, self._keys))
            try:
                spoken = await talk(line, caller, self._speaker(scenario.language, line), turns)
                await following
            finally:
                following.cancel()
            folder = find_dump(dumps, line.call_id)
            if folder is None:
                raise AlloError('the server left no recording of the call: recording.consent must not be "never"')
            return await asyncio.to_thread(read_dump, folder, self._keys), spoken

    def _speaker(self, language: str, line: Line) -> Callable[[str], Awaitable[Pcm]]:
        voice = self._voices[language]

        def speak(text: str) -> Pcm:
            pieces = list(finished_pieces(voice, text, language))
            pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
            return resample(pcm, voice.sample_rate, line.mouth.rate)

        return lambda text: asyncio.to_thread(speak, text)


async def _follow(dumps: Path, line: Line, turns: list[Turn], keys: Keys) -> None:
    async for turn in turns_of(dumps, line.call_id, lambda: line.ended_at is not None, keys):
        turns.append(turn)


async def talk(
    line: Line,
    caller: Caller,
    speak: Callable[[str], Awaitable[Pcm]],
    turns: Sequence[Turn],
    listen: Listen = _LISTEN,
    goodbye_s: float = _GOODBYE_S,
) -> list[Spoken]:
    """Let `caller` talk on an open line until he has nothing more to say or the agent ends the call. `turns`: the recording's, which grows
    meanwhile: only a played caller needs to know what was said. `goodbye_s`: how long the agent has to hang up first."""
    spoken: list[Spoken] = []
    since = 0
    while True:
        await hear_out(line, listen, since)  # an agent that says nothing is judged by that, not waited for
        if line.ended_at is not None:
            break
        if not isinstance(caller, Scripted):
            await _known(line, turns, since)
        greeting = _between(turns, 0, spoken[0].start if spoken else line.now)
        exchanges = [
            Exchange(one.text, _between(turns, one.start, spoken[n + 1].start if n + 1 < len(spoken) else line.now))
            for n, one in enumerate(spoken)
        ]
        said = await caller.next(greeting, exchanges)
        if not said:
            break
        pcm = await speak(said)
        await asyncio.sleep(_BREATH_S)
        start, end = line.say(pcm)
        spoken.append(Spoken(said, start, end))
        await line.wait_ended((end - line.now) / 1e6)
        since = line.now
    if line.ended_at is not None or (spoken and await line.wait_ended(goodbye_s)):
        await line.wait_ended(_GOODBYE_S)  # for the carrier's own last steps
    else:
        await line.hang_up()
    return spoken


async def _known(line: Line, turns: Sequence[Turn], since: int) -> None:
    """Until the recording has the turn that was just heard, or does not get it."""
    deadline = line.now + _WORDS_S * 1e6
    while line.now < deadline and not _between(turns, since, line.now):
        if await line.wait_ended(_POLL_S):
            return


def _between(turns: Sequence[Turn], start: int, end: int) -> str:
    """What the caller heard of the agent from `start` to `end`, microseconds."""
    first, last = (start - _NEAR_US) / 1e6 if start else -1.0, (end - _NEAR_US) / 1e6
    return " ".join(turn.heard for turn in turns if turn.party == "agent" and first <= turn.start < last).strip()


def exchanges_of(dump: Dump, spoken: Sequence[Spoken]) -> list[Exchange]:
    """A recorded call as exchanges. An answer is what was heard, with the word that it began with; of an interrupted one, what had been said."""
    found = []
    for n, one in enumerate(spoken):
        end = spoken[n + 1].start if n + 1 < len(spoken) else dump.duration_us + _NEAR_US
        events = [
            event
            for at, event in dump.events(ev.ToolStarted, ev.HangUpRequested, ev.TransferRequested)
            if one.start <= at < end
        ]
        gaps = [
            turn.gap for turn in dump.turns() if turn.gap is not None and one.end <= turn.start * 1e6 + _NEAR_US < end
        ]
        exchange = exchange_of(one.text, events, gaps[0] if gaps else 0.0)
        found.append(msgspec.structs.replace(exchange, answer=_between(dump.turns(), one.start, end)))
    return found
