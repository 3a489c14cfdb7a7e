"""What the bench of endpointing counts, on turns written by hand; and that it hears pauses where they are."""

import numpy as np
import pytest

from pipelines.models.ports import Audio
from pipelines.units import ms_to_samples
from tests.helpers.hearing import ScriptedStt
from tests.helpers.replay import Loudness
from tests.load import cut_offs, endpointing
from tests.load.cut_offs import Pause, Turn


def turn(*lasted: float, pause_wait: float = 1_200, end_wait: float = 400) -> Turn:
    """Plain silence of 480 ms, and words that wait longer in pauses than at ends."""
    pauses = tuple(Pause(ms, {"silence": 480, "words": pause_wait}) for ms in lasted)
    return Turn("en_some", pauses, {"silence": 480, "words": end_wait})


TURNS = [turn(250, 900), turn(1_500), turn(), turn(150, 6_000)]  # the last has no pause that counts


def test_a_pause_is_cut_when_it_outlasts_the_wait_and_counts_between_two_tenths_and_five_seconds() -> None:
    assert cut_offs.pauses_cut(TURNS, "silence") == pytest.approx(2 / 3)
    assert cut_offs.pauses_cut(TURNS, "words") == pytest.approx(1 / 3)
    assert cut_offs.turns_cut(TURNS, "silence") == 2 / 4
    assert np.isnan(cut_offs.pauses_cut(TURNS[2:], "words"))


def test_policies_are_compared_at_the_same_latency() -> None:
    assert cut_offs.latency(TURNS, "words") == 400
    assert cut_offs.cut_at(TURNS, "silence", 240) == 1  # waits 240 ms everywhere
    assert cut_offs.cut_at(TURNS, "silence", 900) == pytest.approx(1 / 3)
    assert cut_offs.cut_at(TURNS, "words", 200) == pytest.approx(2 / 3)  # 600 ms in pauses
    assert cut_offs.cut_at(TURNS, "words", 600) == 0  # 1 800 ms in pauses


def test_latency_at_a_share_of_cut_pauses() -> None:
    assert cut_offs.latency_at(TURNS, "silence", 0.05) == pytest.approx(1_500)
    assert cut_offs.latency_at(TURNS, "words", 0.05) == pytest.approx(400 * 1_500 / 1_200)
    assert cut_offs.latency_at(TURNS, "silence", 0.34) == pytest.approx(900)


def test_a_set_without_pauses_has_no_figures() -> None:
    shown = cut_offs.table([TURNS[2]])
    assert next(iter(shown.columns[5].cells)) == "-"


class Doubtful:
    """Hears everywhere that he goes on."""

    def p_end(self, audio: Audio) -> float:
        return 0.1


def talk(*spans: tuple[float, float]) -> Audio:
    """Four seconds of line, loud in those spans, in seconds."""
    line = np.zeros(4 * 16_000, np.float32)
    for first, last in spans:
        line[int(first * 16_000) : int(last * 16_000)] = 0.5
    return line


def test_a_turn_has_the_pauses_of_its_recording_and_waits_by_the_words_before_each() -> None:
    stt = ScriptedStt(lambda audio, final: "and" if audio.size < 24_000 else "That is all.")
    line = talk((0.5, 1.0), (2.0, 2.5))
    spoken = endpointing.listen(line, Loudness())
    assert spoken is not None
    counted = endpointing.turn("en_some", "en", line, spoken, ms_to_samples(160), stt, None)
    (pause,) = counted.pauses
    assert pause.lasted == pytest.approx(1_000, abs=64)
    assert pause.waits == {"silence": 400, "words": 1_200}  # "and": he goes on
    assert counted.waits == {"silence": 400, "words": 400}
    judged = endpointing.turn("en_some", "en", line, spoken, ms_to_samples(160), stt, Doubtful())
    assert judged.waits == {"silence": 400, "words": 400, "and sound": 1_200}


def test_the_sound_is_judged_at_the_end_in_pauses_and_in_a_dip() -> None:
    line, tail = talk((0.5, 1.0), (1.1, 1.5), (2.0, 2.5)), ms_to_samples(160)
    spoken = endpointing.listen(line, Loudness())
    assert spoken is not None
    found = {one.kind: one.heard.size / 16_000 for one in endpointing.silences("Yes", line, spoken, tail)}
    since = spoken.first / 16_000
    assert found == pytest.approx({"end": 2.66 - since, "pause": 1.66 - since, "dip": 1.16 - since}, abs=0.04)
    kinds = [
        one.kind for one in endpointing.silences("Yes. No", line, spoken, tail)
    ]  # the pause may be a sentence's end
    assert kinds == ["end", "dip"]


def test_a_line_without_speech_is_no_turn() -> None:
    assert endpointing.listen(talk(), Loudness()) is None
