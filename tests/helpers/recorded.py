"""Recorded calls on disk, and many of them in an index."""

import random
from pathlib import Path

import msgspec

from pipelines.replay.dump import Dump, folder_name
from server.console.entries import Entry
from server.observe.redaction import write_dump
from tests.helpers.replay import two_parties

OUTCOMES = ("caller", "agent", "transfer", "silence", "lost")
WORDS = (
    "appointment Tuesday morning",
    "bonjour, je voudrais un rendez-vous",
    "opening hours on Saturday",
    "thank you goodbye",
)


def save(root: Path, dump: Dump | None = None, **about: object) -> Path:
    """The folder of a call below `root`; `about`: fields of its meta."""
    dump = dump or two_parties()
    dump = msgspec.structs.replace(dump, meta=msgspec.structs.replace(dump.meta, **about))
    folder = root / folder_name(dump.meta)
    write_dump(folder, dump)
    return folder


def entries(count: int, seed: int = 0) -> list[Entry]:
    """Calls as the index keeps them, one each ten minutes since 2026-11-01, with words."""
    chance = random.Random(seed)
    made = []
    for n in range(count):
        day, minutes = divmod(n * 10, 24 * 60)
        gap = chance.uniform(0.3, 1.2)
        made.append(
            Entry(
                name=f"202611{day + 1:02d}T{minutes // 60:02d}{minutes % 60:02d}00.000-CA{n:032x}",
                stamp=n,
                started=1_793_491_200.0 + n * 600,
                seconds=chance.uniform(10, 300),
                call_id=f"CA{n:032x}",
                carrier=("twilio", "jambonz")[n % 2],
                agent=("front desk", "clinic", "hotel")[n % 3],
                caller=f"+3361234{n % 100:04d}",
                called="+33123456789",
                outcome=OUTCOMES[n % len(OUTCOMES)],
                turns=chance.randrange(2, 40),
                gap=gap,
                longest=gap + chance.uniform(0, 2),
                interruptions=chance.randrange(4),
                complete=n % 50 != 0,
                words="\n".join(chance.choice(WORDS) for _ in range(20)) + f"\nreference {n}",
            )
        )
    return made
