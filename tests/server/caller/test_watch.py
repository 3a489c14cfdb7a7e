"""Following a dump that grows under the reader's eyes."""

import asyncio
import json
from pathlib import Path

from server.caller.watch import find_dump, turns_of


def line(text: str) -> str:
    turn = {"party": "agent", "text": text, "heard": text, "start": 0.0, "end": 1.0}
    return json.dumps({"t": 1, "action": "TurnTaken", "turn": turn}, separators=(",", ":")) + "\n"


async def test_turns_are_told_as_they_come_and_the_end_is_the_transcript(tmp_path: Path) -> None:
    folder = tmp_path / "20261121T081319.123-CA1"
    heard: list[str] = []

    async def watch() -> None:
        async for turn in turns_of(tmp_path, "CA1", lambda: False):
            heard.append(turn.text)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.15)  # no dump yet
    folder.mkdir()
    events = folder / "events.jsonl"
    torn = line("two")
    events.write_text('{"t":0,"event":"CallStarted"}\n' + line("one") + torn[:20])
    await asyncio.sleep(0.3)
    assert heard == ["one"]
    with events.open("a") as file:
        file.write(torn[20:])
    (folder / "transcript.json").write_text("[]")
    await asyncio.wait_for(watching, 5)
    assert heard == ["one", "two"]
    assert find_dump(tmp_path, "CA1") == folder
    assert find_dump(tmp_path, "CA2") is None
