"""What the bench of noisy calls counts, and which denoiser it says has won: by figures that are known."""

import msgspec
import numpy as np
import pytest

from pipelines.replay.dump import read_dump
from tests.golden.behaviours import FOLDER
from tests.load.noise_counts import Counted, Heard, Said, alarms, judge, report, winner
from tests.load.noisy_call import callers, spoken
from training.common.audio import to_int16
from training.common.manifests import Clip
from training.common.measures import Errors


def heard(errors: int = 10, stopped: int = 1, gap: float = 1.0) -> Heard:
    return Heard(Errors(errors, 100), 4, stopped, 0, 0, 0, (gap,) * 3)


def calls(*each: Heard, noise: str = "kitchen") -> list[Counted]:
    return [Counted(str(number), "en", noise, 5.0, one) for number, one in enumerate(each)]


OFF = calls(heard(), heard(12), heard(14), heard(16))


@pytest.mark.parametrize(
    ("other", "wins"),
    [
        (OFF, "off"),  # no better
        (calls(heard(5), heard(6), heard(7), heard(8)), "other"),
        (calls(heard(5, stopped=2), heard(6, stopped=2), heard(7, stopped=2), heard(8, stopped=2)), "off"),
        (calls(heard(stopped=0), heard(12, stopped=0), heard(14, stopped=0), heard(16, stopped=0)), "other"),
        (calls(heard(5, gap=1.2), heard(6, gap=1.2), heard(7, gap=1.2), heard(8, gap=1.2)), "off"),  # too late
        (calls(heard(0), heard(12), heard(15), heard(17)), "off"),  # by chance
    ],
)
def test_off_stays_unless_it_is_beaten_beyond_chance(other: list[Counted], wins: str) -> None:
    assert winner({"off": OFF, "other": other}) == wins


def test_an_answer_that_noise_keeps_back_is_a_false_alarm() -> None:
    kept_back = msgspec.structs.replace(heard(stopped=0), gaps=(1.0,))
    assert (kept_back.unanswered, alarms(kept_back)) == (2, Errors(2, 4))
    assert alarms(msgspec.structs.replace(kept_back, early=2)) == Errors(0, 4)
    assert winner({"off": [*OFF], "other": calls(*[kept_back] * 4)}) == "off"


def test_calls_without_noise_do_not_count_for_the_winner() -> None:
    quiet = calls(*(heard(90) for _ in range(4)), noise="quiet")
    better = calls(heard(5), heard(6), heard(7), heard(8))
    assert winner({"off": OFF, "other": [*better, *quiet]}) == "other"


def test_the_table_shows_every_row() -> None:
    whole, each = report({"off": OFF, "other": OFF}, {"off": 0.0, "other": 12.0})
    assert list(whole.columns[0].cells) == ["off", "other"]
    assert next(iter(whole.columns[4].cells)) == "4 of 16"
    assert list(each.columns[1].cells) == ["13, 4, 1.00"] * 2


def test_what_nobody_said_is_a_false_turn_and_what_stopped_the_agent_a_false_stop() -> None:
    call = read_dump(FOLDER / "interruption")
    turns = [turn for turn in call.turns() if turn.party == "caller"]
    said = [Said(turn.text, turn.start, turn.end) for turn in turns]
    true = judge(call, said, "en")
    assert (true.errors.errors, true.turns, true.left_out, true.stopped) == (0, 0, 0, 0)
    assert all(gap > 0 for gap in true.gaps)
    nobody = judge(call, [Said("far away", 1_000.0, 1_001.0)], "en")
    assert (nobody.turns, nobody.left_out) == (len(turns), 1)
    assert nobody.stopped > 0


def test_a_call_is_sentences_of_one_reader(tmp_path) -> None:
    import soundfile

    tone = np.concatenate([np.zeros(800), 0.3 * np.sin(np.arange(40_000) / 9), np.zeros(1_600)]).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", to_int16(tone), 16_000)
    clips = [
        Clip(audio=tmp_path / "a.flac", text="words", language="en", speaker=speaker, duration=2.65)
        for speaker in ("one", "one", "one", "one", "two", "two")
    ]
    chosen = callers(clips, 3, 2)
    assert [[clip.speaker for clip in own] for own in chosen] == [["one"] * 2, ["two"] * 2, ["one"] * 2]
    line, said = spoken(chosen[0])
    assert said[0].end - said[0].start == pytest.approx(2.5, abs=0.01)
    assert said[1].start - said[0].end == pytest.approx(5.0, abs=0.01)
    inside = line[round(said[0].start * 16_000) : round(said[0].end * 16_000)]
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.08, rel=0.01)
