"""What the comparison with pipecat counts, on calls written by hand; nothing of pipecat's is needed."""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from pipelines import actions as do
from pipelines import events as ev
from pipelines.frames import TELEPHONE
from pipelines.replay.dump import Dump, Meta, Step
from pipelines.turns.policy import CallSettings, Phrases
from server.caller.conversation import Acted, Conversation, Said
from server.caller.ear import Ear
from server.caller.script import AwaitHangUp, Interrupt, Listen, Say, Script, load_clip, load_script
from tests.load.rival import __main__ as rival
from tests.load.rival import servers
from tests.load.rival.measure import Heard, heard

FILLER = "One moment, please."
SCRIPT = Script(title="a call", step=(Say("en_yes"), Interrupt("en_yes"), Interrupt("en_yes"), Interrupt("en_yes")))


def us(seconds: float) -> int:
    return round(seconds * 1e6)


def conversation(agent: list[tuple[float, float]], said: list[tuple[float, float]], until: float = 10) -> Conversation:
    """The agent and the caller are audible in those spans, in seconds; then the line is at `until`."""
    ear = Ear()
    for start, end in agent:
        ear.receive(np.full(round((end - start) * 8_000), 8_000, np.int16), us(start))
    call = Conversation(SimpleNamespace(ear=ear, now=us(until)), SCRIPT)
    call.said = [Said(0, load_clip("en_yes"), us(start), us(end)) for start, end in said]
    return call


def dump(*spoken: tuple[float, str]) -> Dump:
    """A reply whose chunks, half a second each, were there at those times."""
    asked = tuple(do.Synthesize(1, chunk, text, "en") for chunk, (_, text) in enumerate(spoken))
    steps = [Step(0, ev.DeadlineReached("endpoint"), asked)]
    for chunk, (at, _) in enumerate(spoken):
        steps.append(Step(us(at), ev.SpeechSynthesized(1, chunk, b"\x10" * 4_000), ()))
    phrases = Phrases(greeting="Hi.", prompt="?", goodbye="Bye.", apology="Sorry.", fillers=(FILLER,))
    meta = Meta("CA1", "twilio", "a", TELEPHONE, TELEPHONE, CallSettings(phrases={"en": phrases}), datetime.now(UTC))
    return Dump(meta, tuple(steps))


def test_a_gap_ends_with_the_first_sound_after_the_last_word() -> None:
    result = heard(conversation(agent=[(0, 1), (2.5, 4), (6, 7)], said=[(1.5, 2), (4.5, 5)]))
    assert result.gaps == pytest.approx([0.5, 1.0], abs=0.01)
    assert result.answers == result.gaps
    assert result.unanswered == 0


def test_what_no_silence_and_then_an_answer_follows_has_no_gap() -> None:
    assert heard(conversation(agent=[(0, 1)], said=[(1.5, 2)])).unanswered == 1  # said nothing
    assert heard(conversation(agent=[(0, 3)], said=[(1.5, 2)])).unanswered == 1  # spoke all along
    late = heard(conversation(agent=[(4, 5)], said=[(1, 2), (3, 3.5)]))  # only the second is answered
    assert (late.unanswered, late.gaps) == (1, pytest.approx([0.5], abs=0.01))


def test_a_filler_ends_the_gap_but_is_no_answer() -> None:
    call = conversation(agent=[(3, 3.5), (4, 4.5)], said=[(1, 2)])
    result = heard(call, dump((2.9, FILLER), (3.9, "We are open.")))
    assert result.gaps == pytest.approx([1.0], abs=0.01)
    assert result.answers == pytest.approx([2.0], abs=0.01)


def test_words_right_behind_a_filler_are_the_answer() -> None:
    call = conversation(agent=[(3, 4)], said=[(1, 2)])
    assert heard(call, dump((2.9, FILLER), (3.2, "We are open."))).answers == pytest.approx([1.5], abs=0.01)


def test_a_filler_alone_is_no_answer() -> None:
    result = heard(conversation(agent=[(3, 3.5)], said=[(1, 2)]), dump((2.9, FILLER)))
    assert (len(result.gaps), result.answers, result.unanswered) == (1, [], 1)


def test_interruptions_yield_are_not_heeded_or_find_nobody() -> None:
    call = conversation(agent=[], said=[])
    call.acted = [Acted(0, 0, 1), Acted(1, 1, 2, yielded=us(0.4)), Acted(2, 2, 3), Acted(3, 3, 4, fault="nobody spoke")]
    result = heard(call)
    assert (result.yields, result.held, result.missed) == ([0.4], 1, 1)


def test_calls_add_up() -> None:
    total = Heard()
    total.add(Heard(gaps=[1.0], unanswered=1))
    total.add(Heard(gaps=[2.0], missed=2, others=[0.1]))
    assert total == Heard(gaps=[1.0, 2.0], unanswered=1, missed=2, others=[0.1])


def test_the_table_compares_medians() -> None:
    shown = io.StringIO()
    results = {"pipecat": Heard(gaps=[2.0, 4.0, 3.0]), "Allô": Heard(gaps=[1.0], held=1, others=[0.02])}
    rival.print_table(Console(file=shown, width=120), results)
    ratios = shown.getvalue().splitlines()[-2]
    assert "3.00 / 3.90" in ratios  # 95th percentile of 2, 3, 4: 3.9
    assert ratios.count(" - ") == 2  # neither an answer nor a yield


def test_the_caller_hangs_up_himself_and_speaks_english() -> None:
    ours = load_script("en").step
    theirs = rival.caller("en").step
    assert isinstance(ours[-1], AwaitHangUp)
    assert isinstance(theirs[-1], Listen)
    assert theirs[:-1] == ours[:-1]
    with pytest.raises(SystemExit, match="English voice"):
        rival.caller("fr")


def test_what_is_installed_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = servers.home() / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    wanted = Path(servers.__file__).with_name("requirements.txt")
    (folder / wanted.name).write_bytes(wanted.read_bytes())
    assert servers.install(Console(quiet=True)) == folder / "bin" / "python"
    assert list((folder / "bin").iterdir()) == [folder / "bin" / "python"]


async def test_a_bot_that_does_not_start_says_where_its_log_is(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    with pytest.raises(SystemExit, match=str(log)):
        async with servers._bot(Path(sys.executable), {}, 1, log):  # our Python: without pipecat, and with no order
            pass
    assert "Error" in log.read_text()
