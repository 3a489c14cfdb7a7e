"""Many recorded calls put through the machine again, and what came out otherwise: a regression suite.

Without other settings each call is given its own events, and every decision is compared (`pipelines/replay/driver.py`). Only where one
differs is the rest of the call worked out anew, and its figures compared with the recording's. With other settings both sides are
worked out anew, with the settings that it had and with the others, so that they differ by nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from pipelines.analysis.compare import MEASURES, Change, Measures, changes, measure, together
from pipelines.errors import ConfigError, DumpError
from pipelines.replay import driver
from pipelines.replay.diff import brief, describe, first_difference, seconds
from pipelines.replay.dump import META, Dump, read_dump
from pipelines.replay.policy import changed
from pipelines.replay.recorded import RecordedAnswers
from pipelines.replay.sealed import PLAIN, Keys
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings
from server.config import Config, load
from server.settings import call_settings

Settings = Callable[[Dump], CallSettings]
"""The settings that a recorded call is to have."""


class Compared(msgspec.Struct, frozen=True):
    """One call. `differs`: whether what was asked for came out otherwise: a figure by more than is allowed, or, where nothing is allowed, any decision.
    `difference`: the first decision that differs, for people; `guessed`: answers that the recording did not know, by kind; `error`: why
    it could not be replayed."""

    dump: str
    call_id: str = ""
    before: Measures | None = None
    after: Measures | None = None
    changes: tuple[Change, ...] = ()
    differs: bool = False
    difference: str = ""
    guessed: dict[str, int] = {}
    error: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """The whole suite."""

    calls: tuple[Compared, ...]
    same: int
    changed: int
    failed: int
    before: Measures
    after: Measures

    @property
    def status(self) -> int:
        """0 the same, 1 changed, 2 a call could not be replayed."""
        return 2 if self.failed else 1 if self.changed else 0


def folders_of(paths: Sequence[Path]) -> list[Path]:
    """The calls' folders that are named, or lie in what is named. Raises DumpError."""
    found: list[Path] = []
    for path in paths:
        inside = [path] if (path / META).exists() else sorted(meta.parent for meta in path.glob(f"*/{META}"))
        if not inside:
            raise DumpError(f"{path}: neither a call's folder nor a folder of them")
        found += inside
    return found


def settings_of(path: Path | None, assignments: Sequence[str]) -> Settings:
    """As recorded, or as the configuration at `path` says, with `assignments` ("endpoint_ms=200") in place. What hangs on the call and on models that
    are not asked stays as recorded: whom we called, what is left on a machine, thresholds measured for a model. Raises ConfigError."""
    config = load(path) if path is not None else None
    changed(CallSettings(), assignments)  # a key that is wrong is said before the first call

    def settings(dump: Dump) -> CallSettings:
        own = dump.meta.settings
        return changed(own if config is None else _configured(config, dump.meta.agent, own), assignments)

    return settings


def _configured(config: Config, agent: str, own: CallSettings) -> CallSettings:
    return msgspec.structs.replace(
        call_settings(config, config.agent_named(agent) or config.agents[0]),
        outbound=own.outbound,
        message=own.message,
        emotion_sure=own.emotion_sure,
        voice_same=own.voice_same,
        voice_other=own.voice_other,
    )


def tolerances(texts: Sequence[str]) -> dict[str, float]:
    """ "gap=0.05" and the like: by how much a figure may change, either way. Raises ConfigError."""
    limits = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in MEASURES or name == "ended":
            known = ", ".join(known for known in MEASURES if known != "ended")
            raise ConfigError(f"--allow {text}: there is no figure {name!r}. Choose one of {known}.")
        try:
            limits[name] = abs(float(value))
        except ValueError:
            raise ConfigError(f"--allow {text}: say by how much it may change, such as gap=0.05.") from None
    return limits


def compare(
    folder: Path,
    before: Settings | None,
    after: Settings | None,
    allowed: Mapping[str, float] | None = None,
    keys: Keys = PLAIN,
) -> Compared:
    """One recorded call under two settings; None on both sides: the recording and this version of the machine."""
    try:
        dump = read_dump(folder, keys)
        return (
            _relived(folder, dump, allowed)
            if before is None and after is None
            else _rerun(folder, dump, before, after, allowed)
        )
    except DumpError as error:
        return Compared(folder.name, error=str(error))


def _relived(folder: Path, dump: Dump, allowed: Mapping[str, float] | None) -> Compared:
    outcome = driver.replay(dump)
    then = measure(dump)
    if outcome.divergence is None:
        return Compared(folder.name, dump.meta.call_id, then, then)
    now, guessed, error = _run(dump, dump.meta.settings)
    after = measure(now) if now is not None else then
    found = tuple(changes(then, after, allowed))
    differs = bool(found) or not allowed or bool(error)
    difference = describe(outcome.divergence)
    return Compared(folder.name, dump.meta.call_id, then, after, found, differs, difference, guessed, error)


def _rerun(
    folder: Path, dump: Dump, before: Settings | None, after: Settings | None, allowed: Mapping[str, float] | None
) -> Compared:
    runs, guessed, error = [], {}, ""
    for settings in (before, after):
        now, guessed, error = _run(dump, settings(dump) if settings else dump.meta.settings)
        if now is None:
            return Compared(folder.name, dump.meta.call_id, guessed=guessed, error=error)
        runs.append(now)
    one, other = map(measure, runs)
    found = tuple(changes(one, other, allowed))
    return Compared(folder.name, dump.meta.call_id, one, other, found, bool(found), _parting(*runs), guessed)


def _run(dump: Dump, settings: CallSettings) -> tuple[Dump | None, dict[str, int], str]:
    answers = RecordedAnswers(dump)
    try:
        return run(dump, answers, settings), answers.guessed, ""
    except Exception as error:  # a machine that raises is what a replay is for
        return None, answers.guessed, f"the machine raised {type(error).__name__}: {error}"


def _parting(one: Dump, other: Dump) -> str:
    """The first decision on which two runs differ."""
    for left, right in zip(one.steps, other.steps, strict=False):
        if left.at != right.at or left.event != right.event:
            happened = min((left, right), key=lambda step: step.at)
            return f"at {seconds(happened.at)}: {brief(happened.event)} in one of the two only"
        differs = first_difference(left.actions, right.actions)
        if differs is not None:
            then, now = (
                brief(step.actions[differs]) if differs < len(step.actions) else "nothing" for step in (left, right)
            )
            return f"at {seconds(left.at)}, after {brief(left.event)}: before {then}, now {now}"
    return ""


def outcome_of(calls: Sequence[Compared]) -> Outcome:
    """All calls together."""
    failed = sum(bool(call.error) for call in calls)
    changed_ = sum(call.differs and not call.error for call in calls)
    whole = [call for call in calls if not call.error and call.before is not None and call.after is not None]
    return Outcome(
        tuple(calls),
        len(calls) - failed - changed_,
        changed_,
        failed,
        together([call.before for call in whole]),
        together([call.after for call in whole]),
    )
