"""`allo replay`: recorded calls put through the machine again, to the letter, with other settings or with other models.

Exit status: 0 the calls come out the same (or a run with models was made), 1 they differ, 2 a dump cannot be replayed or a
model is missing, 130 interrupted.
"""

import json as json_
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines import actions as do
from pipelines.errors import AlloError, DumpError
from pipelines.models.ports import SpeechToText, VoiceActivity
from pipelines.replay import driver
from pipelines.replay.answers import AgentPart, FixedPace, Judges, ModelAnswers, RecordedAgent, Speak, recorded_speech
from pipelines.replay.audio_files import caller_dump, read_caller
from pipelines.replay.diff import Divergence, brief, describe, side_by_side
from pipelines.replay.dump import META, Dump, Meta, read_dump
from pipelines.replay.sealed import Keys
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings
from pipelines.units import SECOND
from server.config import load
from server.observe.listen import write_wav
from server.observe.timeline import write_picture
from server.progress import CallsProgress, ReplayProgress
from server.recording_keys import keys_of
from server.replay_suite import Settings, compare, folders_of, outcome_of, settings_of, tolerances
from server.replay_table import as_json, show

SAME, DIFFERS, UNREADABLE = 0, 1, 2

_console = Console(highlight=False)


class ReplayModels(msgspec.Struct, frozen=True):
    """What `--models` takes from a server's configuration: its settings for calls, and its models, loaded."""

    settings: CallSettings
    voice_activity: VoiceActivity
    speech_to_text: SpeechToText
    speak: Speak
    agent: AgentPart | None = None
    agent_name: str = ""
    hot_words: str = ""
    judges: Judges = Judges()


OpenModels = Callable[[Path | None, Meta, bool, Callable[[str], None]], AbstractContextManager[ReplayModels]]
"""(configuration or None for the example, the call, whether the agent is wanted, told what is loaded) -> models."""

_REALLY = "its shipped tools on a fresh copy of their data; other functions, HTTP and MCP tools are really called"


def make_replay(open_models: OpenModels) -> Callable[..., None]:
    """The typer command, with a way to load models."""

    def replay_command(
        dumps: Annotated[
            list[Path], typer.Argument(help="Calls' folders, folders of such folders, or with --models one sound file.")
        ],
        models: Annotated[
            bool,
            typer.Option(
                "--models", help="Let the real models hear the call again; a sound file is answered by the real agent."
            ),
        ] = False,
        agent: Annotated[
            bool, typer.Option("--agent", help=f"With --models: let the real agent answer too, {_REALLY}.")
        ] = False,
        config: Annotated[
            Path | None,
            typer.Option(
                help="Settings as this file has them, instead of the recorded ones; with --models its models too."
            ),
        ] = None,
        sets: Annotated[
            list[str],
            typer.Option(
                "--set", help="One setting of turn-taking instead, such as endpoint_ms=200.", metavar="KEY=VALUE"
            ),
        ] = [],  # noqa: B006  typer's
        against: Annotated[
            Path | None, typer.Option(help="Compare with the settings in this file, not with the recorded ones.")
        ] = None,
        allow: Annotated[
            list[str],
            typer.Option(help="By how much a figure may change, such as gap=0.05 or words=2.", metavar="FIGURE=AMOUNT"),
        ] = [],  # noqa: B006
        fixed: Annotated[
            bool, typer.Option("--fixed", help="With --models: fixed answer times, so that runs repeat.")
        ] = False,
        listen: Annotated[Path | None, typer.Option(help="Write a WAV: caller left, agent right.")] = None,
        picture: Annotated[Path | None, typer.Option(help="Write a PNG: both voices, turns, gaps.")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
        format: Annotated[str | None, typer.Option(help="Samples without a header are mulaw, alaw or s16le.")] = None,
        rate: Annotated[int | None, typer.Option(help="... at 8000 or 16000 Hz.")] = None,
        channels: Annotated[int, typer.Option(min=1, max=2, help="... in this many channels.")] = 1,
        channel: Annotated[int | None, typer.Option(help="The caller's channel, from 0.")] = None,
        after: Annotated[float, typer.Option(min=0, help="Seconds of silence before a sound file begins.")] = 0.0,
    ) -> None:
        """Run recorded calls through the machine again: as they were, or with other settings, to see what would have changed.

        Exit status 1 when they come out otherwise, 2 when one cannot be replayed or a model is missing.
        """
        if not models and (agent or fixed):
            raise typer.BadParameter("--agent and --fixed go with --models")
        other = bool(sets or against or (config and not models))
        if models and (sets or against or allow):
            raise typer.BadParameter("--set, --against and --allow compare without models; leave out --models")
        dump = dumps[0]
        many = len(dumps) > 1 or (dump.is_dir() and not (dump / META).exists())
        try:
            keys = keys_of(load(config) if config else None)
            if missing := next((path for path in dumps if not path.exists()), None):
                raise DumpError(f"{missing}: there is nothing")
            if many and models:
                raise DumpError(f"{dump}: no call's folder; --models takes one call at a time")
            if many or ((other or allow) and dump.is_dir()):
                if listen or picture:
                    raise typer.BadParameter("--listen and --picture are of one call, as it was recorded")
                before = settings_of(against, ()) if other else None
                after = settings_of(config, sets) if other else None
                raise typer.Exit(_suite(folders_of(dumps), before, after, tolerances(allow), json, keys))
            if dump.is_dir():
                recorded = read_dump(dump, keys)
            elif not models:
                raise DumpError(f"{dump}: a sound file has no decisions to compare: add --models")
            else:
                audio_format, audio = read_caller(dump, format, rate, channel, channels)
                after_us = int(after * SECOND)
                recorded = caller_dump(audio_format, audio, CallSettings(), "", call_id=dump.name, after_us=after_us)
            shown = recorded
            if models:
                sound = not dump.is_dir()  # has neither settings nor an agent of its own
                with (
                    ReplayProgress() as progress,
                    open_models(config, recorded.meta, agent or sound, progress.loading) as opened,
                ):
                    progress.running(recorded.duration_us)
                    caller = as_configured(recorded, opened) if sound or config else recorded
                    shown = run_with(caller, opened, fixed, progress.reached)
                _show_run(None if sound else recorded, shown, json)
            if listen is not None:
                write_wav(shown, listen)
            if picture is not None:
                write_picture(shown, picture)
        except AlloError as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}")
        if not models:
            raise typer.Exit(_compare(recorded, json))

    return replay_command


def _fail(reason: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(reason, markup=False, soft_wrap=True)
    raise typer.Exit(UNREADABLE)


# ---- the same decisions?


def _compare(dump: Dump, json: bool) -> int:
    outcome = driver.replay(dump)
    if json:
        _print_json({**_outcome(dump, outcome), "turns": msgspec.to_builtins(dump.turns())})
    elif outcome.divergence is None:
        cut = "" if dump.complete else " (the recording is incomplete)"
        _say(f"same decisions: {outcome.steps} events, {outcome.actions} actions{cut}")
    else:
        _say(describe(outcome.divergence))
    return SAME if outcome.same else DIFFERS


def _outcome(dump: Dump, outcome: driver.Replayed) -> dict[str, object]:
    return {
        "call_id": dump.meta.call_id,
        "started": dump.meta.started.isoformat(),
        "seconds": dump.duration_us / SECOND,
        "complete": dump.complete,
        "same": outcome.same,
        "events": outcome.steps,
        "actions": outcome.actions,
        "divergence": _divergence(outcome.divergence) if outcome.divergence else None,
    }


def _divergence(divergence: Divergence) -> dict[str, object]:
    return {
        "step": divergence.step,
        "line": divergence.line,
        "at": divergence.at / SECOND,
        "event": brief(divergence.event),
        "action": divergence.action,
        "expected": [brief(action) for action in divergence.expected],
        "got": [brief(action) for action in divergence.got],
        "error": divergence.error,
    }


# ---- many calls, or other settings


def _suite(
    folders: Sequence[Path],
    before: Settings | None,
    after: Settings | None,
    allowed: dict[str, float],
    json: bool,
    keys: Keys,
) -> int:
    with CallsProgress(len(folders)) as progress:
        calls = []
        for folder in folders:
            progress.at(folder.name)
            calls.append(compare(folder, before, after, allowed, keys))
    outcome = outcome_of(calls)
    if json:
        _print_json(as_json(outcome))
    else:
        show(outcome, _console)
    return outcome.status


# ---- with models


def as_configured(recorded: Dump, models: ReplayModels) -> Dump:
    """The call as the models' configuration would have taken it."""
    meta = msgspec.structs.replace(recorded.meta, agent=models.agent_name, settings=models.settings)
    return msgspec.structs.replace(recorded, meta=meta)


def run_with(caller: Dump, models: ReplayModels, fixed: bool, progress: Callable[[int], None]) -> Dump:
    """The caller of a recorded call, heard and answered by the models; `fixed`: with fixed answer times."""
    live = models.agent and (FixedPace(models.agent) if fixed else models.agent)
    answers = ModelAnswers(
        models.voice_activity,
        models.speech_to_text,
        live or RecordedAgent(caller),
        caller.meta.settings.languages,
        speak=models.speak,
        spoken=recorded_speech(caller),
        clock=None if fixed else _clock,
        hot_words=models.hot_words,
        judges=models.judges,
    )
    return run(caller, answers, progress=progress)


def _clock() -> int:
    return time.perf_counter_ns() // 1_000


def _show_run(recorded: Dump | None, now: Dump, json: bool) -> None:
    """`recorded`: None for a sound file, which has nothing to compare with."""
    then = recorded.turns() if recorded else ()
    if json:
        turns = {"recorded": msgspec.to_builtins(then), "now": msgspec.to_builtins(now.turns())}
        _print_json({"call_id": now.meta.call_id, **turns})
        return
    sides = ("recorded", "", "now", "") if recorded else ("said", "")
    table = Table("", *sides, title=now.meta.call_id, show_lines=True)
    for left, right in side_by_side(then, now.turns()):
        turn = left or right
        table.add_row(turn.party, *(_cells(left) if recorded else ()), *_cells(right))
    _console.print(table)


def _cells(turn: do.Turn | None) -> tuple[Text, str]:
    if turn is None:
        return Text(), ""
    words = turn.heard + (" ‖" if turn.interrupted else "")
    gap = "" if turn.gap is None else f"\ngap {turn.gap:.2f} s"
    return Text(words), f"{turn.start:.2f}-{turn.end:.2f}{gap}"


def _print_json(value: object) -> None:
    typer.echo(json_.dumps(value, ensure_ascii=False))


def _say(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
