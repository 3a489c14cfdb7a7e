"""How well the embedded model plays the clinic's receptionist: scripted callers, judged by rules, with times.

    python -m tests.load.agent_eval [--only NAME] [--quiet]

A dialogue passes when every turn did: the right tools with the right arguments, the row in the database, words in the
caller's language, nothing unspeakable. Decoding is greedy, so a run repeats itself on one machine.
"""

import argparse
import asyncio
import os
import re
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.factory import AgentFactory
from pipelines.events import Event, HangUpRequested, ReplyDelta, ToolStarted, TransferRequested
from server.examples.clinic.texts import INSTRUCTIONS
from server.tools.toolbox import Toolbox

NOW = datetime(2026, 11, 24, 8, 40)  # a Tuesday
MODELS = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser()
WEIGHTS = MODELS / "qwen2.5-coder-1.5b-instruct-q4_k_m" / "model.gguf"
GREETING = {
    "en": "Riverside Medical Practice, how can I help you?",
    "fr": "Cabinet médical Riverside, que puis-je faire pour vous ?",
}
_FRENCH = re.compile(r"\b(le|la|les|vous|je|est|pour|à|un|une|votre|nous|de|au|merci|quel|quelle|bien|du)\b", re.I)
_ENGLISH = re.compile(r"\b(the|you|is|are|for|to|a|an|your|we|what|which|of|and|thank|thanks|have|i)\b", re.I)


@dataclass
class Heard:
    """One reply."""

    events: list[Event] = field(default_factory=list)
    first_s: float = 0.0
    total_s: float = 0.0

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, ReplyDelta)).strip()

    @property
    def tools(self) -> list[tuple[str, str]]:
        return [(e.tool, e.arguments) for e in self.events if isinstance(e, ToolStarted)]


Rule = Callable[[Heard, sqlite3.Connection], bool]


def calls(tool: str, arguments: str = "") -> Rule:
    """That tool was called, its arguments (JSON) matching the pattern."""
    return lambda heard, _: any(t == tool and re.search(arguments, a, re.I) for t, a in heard.tools)


def says(pattern: str) -> Rule:
    return lambda heard, _: bool(re.search(pattern, heard.text, re.I))


def no_tool(*names: str) -> Rule:
    """None of these tools was called (no name: no tool at all)."""
    return lambda heard, _: not any(not names or t in names for t, _ in heard.tools)


def booked(start: str, name: str) -> Rule:
    def rule(_: Heard, db: sqlite3.Connection) -> bool:
        row = db.execute("SELECT name FROM slots WHERE start = ?", (start,)).fetchone()
        return bool(row and row[0] and re.search(name, row[0], re.I))

    return rule


def message(pattern: str) -> Rule:
    return lambda _, db: any(re.search(pattern, text, re.I) for (text,) in db.execute("SELECT text FROM messages"))


def hung_up(heard: Heard, _: sqlite3.Connection) -> bool:
    return any(isinstance(e, HangUpRequested) for e in heard.events)


def transferred(heard: Heard, _: sqlite3.Connection) -> bool:
    return any(isinstance(e, TransferRequested) for e in heard.events)


Script = list[tuple[str, list[Rule]]]
DIALOGUES: dict[str, tuple[str, Script]] = {
    "hours": ("en", [("Hello, when are you open tomorrow?", [calls("opening_hours"), says("tomorrow.*9 AM")])]),
    "hours_general": (
        "en",
        [
            ("Hi, what are your opening hours?", [calls("opening_hours"), says("Monday to Friday|5 PM")]),
            ("And are you open on Saturday?", [calls("opening_hours", "saturday"), says("closed")]),
            ("Okay, thank you, bye.", [hung_up]),
        ],
    ),
    "hours_follow_up": (
        "en",
        [
            ("Hello, what are your opening hours?", [calls("opening_hours")]),
            ("Sorry wait and on Saturday.", [says("Saturday.*closed")]),
        ],
    ),
    "slots_follow_up": (
        "en",
        [
            ("Have you got anything free on Thursday?", [calls("find_slots", "thursday")]),
            ("And on Friday?", [calls("find_slots", "friday")]),
        ],
    ),
    "hours_follow_up_fr": (
        "fr",
        [
            ("Bonjour, vous êtes ouverts quand ?", [calls("opening_hours")]),
            ("Pardon, et le samedi.", [says("samedi.*ferm")]),
        ],
    ),
    "book": (
        "en",
        [
            ("I'd like to make an appointment for tomorrow morning, please.", [calls("find_slots"), says("tomorrow")]),
            ("Nine thirty would be good.", [no_tool("hang_up", "transfer_to_person"), says("name|9:30")]),
            (
                "My name is Alice Martin.",
                [calls("book_slot"), booked("2026-11-25T09:30", "Alice Martin"), says("booked")],
            ),
            ("No, that's all. Goodbye.", [hung_up]),
        ],
    ),
    "book_vague": (
        "en",
        [
            ("Hello, I need to see a doctor.", [no_tool("book_slot", "hang_up"), says(r"\?")]),
            ("On Thursday, if possible.", [calls("find_slots"), says("thursday")]),
            ("I'll take ten o'clock. The name is John Smith.", [booked("2026-11-26T10:00", "Smith")]),
        ],
    ),
    "book_at_once": (
        "en",
        [
            (
                "Can I book an appointment on Friday at 2 PM? My name is Maria Lopez.",
                [calls("book_slot", "friday"), booked("2026-11-27T14:00", "Lopez")],
            )
        ],
    ),
    "person": ("en", [("Could I speak to a real person, please?", [calls("transfer_to_person"), transferred])]),
    "message": (
        "en",
        [
            ("I'd like to leave a message for the doctor.", [no_tool("hang_up"), says(r"\?")]),
            ("My prescription has run out. This is Anna Smith.", [calls("take_message"), message("prescription")]),
        ],
    ),
    "goodbye": ("en", [("Sorry, wrong number. Goodbye.", [hung_up, says("bye")])]),
    "smalltalk": ("en", [("Hello, can you hear me?", [no_tool(), says(r"yes|hear|help|hello")])]),
    "horaires": (
        "fr",
        [
            ("Bonjour, quels sont vos horaires d'ouverture ?", [calls("opening_hours"), says("9 heures")]),
            ("Et samedi, vous êtes ouverts ?", [calls("opening_hours", "samedi"), says("fermés")]),
            ("Merci, au revoir.", [hung_up, says("au revoir")]),
        ],
    ),
    "reserver": (
        "fr",
        [
            ("Bonjour, je voudrais un rendez-vous demain matin.", [calls("find_slots"), says("demain")]),
            ("Neuf heures, c'est parfait.", [no_tool("hang_up", "transfer_to_person"), says("nom|9 heures")]),
            (
                "Je m'appelle Claire Dubois.",
                [calls("book_slot"), booked("2026-11-25T09:00", "Dubois"), says("réservé")],
            ),
            ("Non merci, c'est tout. Au revoir.", [hung_up]),
        ],
    ),
    "reserver_mardi": (
        "fr",
        [
            ("Avez-vous une place jeudi après-midi ?", [calls("find_slots"), says("jeudi.*(14|15|16)")]),
            ("À quatorze heures, au nom de Marc Petit.", [booked("2026-11-26T14:00", "Petit")]),
        ],
    ),
    "personne": (
        "fr",
        [("Je voudrais parler à quelqu'un, s'il vous plaît.", [calls("transfer_to_person"), transferred])],
    ),
    "message_fr": (
        "fr",
        [
            ("Je voudrais laisser un message au docteur.", [no_tool("hang_up"), says(r"\?")]),
            ("Je dois renouveler mon ordonnance, je suis Luc Bernard.", [calls("take_message"), message("ordonnance")]),
        ],
    ),
}


def flaws(heard: Heard, language: str) -> list[str]:
    """What no reply may be."""
    found = []
    text = heard.text
    if not text:
        found.append("silent")
    if re.search(r"[*#`{}\[\]<>|_]|\n", text):
        found.append("unspeakable")
    if len(text) > 300:
        found.append("long")
    french, english = len(_FRENCH.findall(text)), len(_ENGLISH.findall(text))
    if (language == "fr" and english > french) or (language == "en" and french > english):
        found.append("wrong language")
    return found


async def play(
    factory: AgentFactory, language: str, script: Script, database: Path, show: Callable[[str], None]
) -> tuple[bool, list[Heard]]:
    agent = factory.open("eval", "+15550100", "+15550101", language, NOW)
    agent.remember(0, GREETING[language])
    replies, passed = [], True
    with sqlite3.connect(database) as db:
        for number, (said, rules) in enumerate(script, start=1):
            heard, start = Heard(), time.perf_counter()
            async for event in agent.reply(number, said, language):
                heard.first_s = heard.first_s or time.perf_counter() - start
                heard.events.append(event)
            heard.total_s = time.perf_counter() - start
            agent.remember(number, heard.text)
            await agent.settled()
            broken = [n for n, rule in enumerate(rules) if not rule(heard, db)]
            bad = flaws(heard, language)
            passed &= not broken and not bad
            show(f"  > {said}")
            for tool, arguments in heard.tools:
                show(f"    {tool} {arguments}")
            verdict = f"  FAILED {broken} {bad}" if broken or bad else ""
            show(f"  < {heard.text}   [{heard.first_s:.2f} s, {heard.total_s:.2f} s]{verdict}")
            replies.append(heard)
    return passed, replies


async def evaluate(only: str, show: Callable[[str], None]) -> float:
    """The share of dialogues that pass."""
    start = time.perf_counter()
    engine = await EmbeddedEngine.start(WEIGHTS)
    show(f"loaded in {time.perf_counter() - start:.1f} s")
    results: dict[str, bool] = {}
    replies: list[Heard] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, (language, script) in DIALOGUES.items():
                if only and name != only:
                    continue
                box = await Toolbox.open(
                    ["clinic"], transfer_number="+15550199", data=Path(folder) / name, today=date(2026, 11, 24)
                )
                factory = AgentFactory(engine, instructions=INSTRUCTIONS, examples=box.examples, tools=box.tools)
                if not results:
                    start = time.perf_counter()
                    await factory.warm(["en", "fr"], NOW)
                    show(f"both prefixes warmed in {time.perf_counter() - start:.1f} s")
                show(f"{name} ({language})")
                results[name], heard = await play(
                    factory, language, script, Path(folder) / name / "clinic.sqlite", show
                )
                replies += heard
                await factory.close()
                await box.close()
    finally:
        await engine.close()
    firsts = sorted(h.first_s for h in replies)
    totals = sorted(h.total_s for h in replies)
    failed = ", ".join(name for name, passed in results.items() if not passed)
    print(f"passed {sum(results.values())} of {len(results)}; failed: {failed or 'none'}")
    print(f"first event: median {statistics.median(firsts):.2f} s, worst {firsts[-1]:.2f} s")
    print(f"whole reply: median {statistics.median(totals):.2f} s, worst {totals[-1]:.2f} s")
    return sum(results.values()) / len(results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="one dialogue")
    parser.add_argument("--quiet", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(evaluate(arguments.only, (lambda _: None) if arguments.quiet else print))
