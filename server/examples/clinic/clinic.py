"""The tools of the clinic's receptionist. They answer in whole sentences of the caller's language (`Spoken`), and ask
themselves for what a small model forgot to ask."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from agents import FunctionTool, RunContextWrapper
from pydantic import Field

from pipelines.adapters.agent.context import CallContext, Spoken
from server.examples.clinic.diary import Diary
from server.examples.clinic.moments import plain, read_day, read_time, say_day, say_time
from server.examples.clinic.texts import SAYINGS
from server.tools.functions import function_as_tool, reads_only

Context = RunContextWrapper[CallContext]
Day = Annotated[str, Field(max_length=40)]
Name = Annotated[str, Field(max_length=60)]

_OFFERED = 3


async def open_clinic(path: Path, today: date) -> tuple[Diary, list[FunctionTool]]:
    """The diary at `path` (close it at the end) and the tools that work on it."""
    diary = await Diary.open(path, today)
    return diary, clinic_tools(diary)


def clinic_tools(diary: Diary) -> list[FunctionTool]:
    """`opening_hours`, `find_slots`, `book_slot`, `take_message`."""

    @reads_only
    async def opening_hours(context: Context, day: Day = "") -> str:
        """when the practice is open"""
        call = context.context
        asked = _meant(day, call) if day else read_day(call.dialogue[-1][1], call.now.date())
        if asked is None:
            return _say(call, "week")
        return _say(call, "open" if _is_open(asked) else "closed", day=asked)

    @reads_only
    async def find_slots(context: Context, day: Day, part_of_day: Literal["morning", "afternoon", ""] = "") -> str:
        """free appointments"""
        call = context.context
        asked = _meant(day, call)
        if asked is None:
            return _say(call, "which_day")
        return await _offer(diary, call, asked, part_of_day, "free")

    async def book_slot(context: Context, day: Day, time: Annotated[str, Field(max_length=20)], name: Name) -> str:
        """book, once the caller has given day, time and name"""
        call = context.context
        asked, at = _meant(day, call), read_time(time)
        if asked is None:
            return _say(call, "which_day")
        if at is None:
            return _say(call, "which_time")
        if not _was_said(name, call):
            return _say(call, "which_name")
        start = datetime.combine(asked, at)
        if start > call.now.replace(tzinfo=None) and await diary.book(start, name, call.caller):
            return _say(call, "booked", day=asked, time=say_time(at, _language(call)), name=name)
        return await _offer(diary, call, asked, "", "taken")

    async def take_message(context: Context, text: Annotated[str, Field(max_length=300)], name: Name = "") -> str:
        """a message for the doctor, in the caller's words"""
        call = context.context
        if len(plain(text).split()) < 2 or (_announces(text) and not _has_asked(call, "which_message")):
            return _say(call, "which_message")
        await diary.take_message(call.now, call.caller, name if _was_said(name, call) else "", text)
        return _say(call, "message")

    return [function_as_tool(function) for function in (opening_hours, find_slots, book_slot, take_message)]


async def _offer(diary: Diary, call: CallContext, asked: date, part_of_day: str, saying: str) -> Spoken:
    """Some free times of that day; where it has none, of the next day that has."""
    now = call.now.replace(tzinfo=None)
    first, last = {"morning": (0, 12), "afternoon": (12, 24)}.get(part_of_day, (0, 24))
    midnight = datetime.combine(asked, datetime.min.time())
    found = await diary.free(max(now, midnight), midnight + timedelta(days=40))
    fitting = [start for start in found if first <= start.hour < last]
    if not fitting:
        return _say(call, "nothing")
    day = fitting[0].date()
    language = _language(call)
    times = [say_time(start.time(), language) for start in _spread([s for s in fitting if s.date() == day])]
    spoken = f" {SAYINGS[language]['or']} ".join(part for part in (", ".join(times[:-1]), times[-1]) if part)
    if day != asked:
        return _say(
            call,
            "full" if _is_open(asked) else "shut",
            day=asked,
            other=say_day(day, language, call.now.date()),
            times=spoken,
        )
    return _say(call, saying, day=asked, times=spoken)


def _is_open(day: date) -> bool:
    return day.weekday() < 5


def _spread(starts: list[datetime]) -> list[datetime]:
    """A few of them, from the first to the last."""
    if len(starts) <= _OFFERED:
        return starts
    return [starts[n * (len(starts) - 1) // (_OFFERED - 1)] for n in range(_OFFERED)]


def _meant(day: str, call: CallContext) -> date | None:
    """The day the caller means: the model's, if one of the two has named it; else the one named last in the call. Small
    models fill in a day (often today's weekday) when they should have asked."""
    today = call.now.date()
    given = read_day(day, today)
    named = [found for _, words in call.dialogue if (found := read_day(words, today))]
    return given if given in named else named[-1] if named else None


def _announces(message: str) -> bool:
    """Whether it says that there is a message, which small models take for the message."""
    return "message" in plain(message)


def _has_asked(call: CallContext, saying: str) -> bool:
    """Whether the agent has said that before."""
    return any(party == "agent" and SAYINGS[_language(call)][saying] in words for party, words in call.dialogue)


def _was_said(name: str, call: CallContext) -> bool:
    """Whether the caller has said that name: small models invent one rather than ask."""
    heard = plain(" ".join(words for party, words in call.dialogue if party == "caller"))
    return bool(name.strip(" .")) and any(len(part) > 1 and part in heard for part in plain(name).split())


def _language(call: CallContext) -> str:
    return call.language if call.language in SAYINGS else "en"


def _say(call: CallContext, saying: str, *, day: date | None = None, **parts: str) -> Spoken:
    language = _language(call)
    if day is not None:
        parts["day"] = say_day(day, language, call.now.date())
    text = (
        SAYINGS[language][saying].format(**parts).replace("On tomorrow", "Tomorrow").replace("on tomorrow", "tomorrow")
    )
    text = text.replace("On today", "Today").replace("on today", "today")
    return Spoken(text[0].upper() + text[1:])
