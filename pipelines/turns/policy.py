"""Every number and phrase that decides how a call behaves, as one frozen value that travels with the dump."""

import msgspec

from pipelines.units import MS, SECOND


class Phrases(msgspec.Struct, frozen=True):
    """What the call says without asking the agent, in one language."""

    greeting: str
    prompt: str
    goodbye: str
    apology: str
    fillers: tuple[str, ...]
    cut_in: str = ""
    """Said to a caller who does not stop talking; "" lets him talk until `turn_limit_us`."""
    openers: tuple[str, ...] = ()
    """What a reply may begin with while its words are not there yet, as people do: the first after a question ("Let's see."), the
    others by turns after anything else ("Okay."). None: silence instead."""

    def opener(self, asked: str, turn: int) -> str:
        """The opener of an answer to `asked`, the `turn`-th of the call."""
        first, *others = self.openers
        return first if asked.endswith("?") or not others else others[turn % len(others)]

    def is_aside(self, text: str) -> bool:
        """Whether it says nothing: an opener or a filler, heard but never remembered."""
        return text in self.openers or text in self.fillers


class CallSettings(msgspec.Struct, frozen=True):
    """How one call behaves. Times in microseconds of call time, probabilities 0 to 1."""

    languages: tuple[str, ...] = ("en",)
    phrases: dict[str, Phrases] = {}
    transfer_number: str = ""

    echo: bool = False
    """A line test: the caller hears himself; no model but voice activity takes part."""
    analyze: bool = True
    """Run voice activity at all."""

    # hearing
    speech_on: float = 0.5
    speech_off: float = 0.35
    min_speech_us: int = 64 * MS
    dip_us: int = 64 * MS
    """So short a silence may be the end already: the words are asked for, and an answer is prepared."""
    min_silence_us: int = 192 * MS
    preroll_us: int = 500 * MS
    """Audio before the first speech window that is transcribed with it: soft first consonants, and silence, after which Whisper hears a first word better."""
    partial_every_us: int = 600 * MS
    segment_us: int = 14 * SECOND
    """Longest stretch given to the recogniser at once."""
    monologue_us: int = 25 * SECOND
    """A caller who leaves no pause for an answer is cut in on at his first dip after this long."""
    p_language: float = 0.8
    """Probability from which a detected language is believed: below it the call goes on in the one it was in."""
    turn_limit_us: int = 40 * SECOND
    """A caller who never stops, not even for a dip, is answered after this long."""

    # taking turns
    speculate: bool = True
    """Prepare the answer at a dip or a pause, to be heard only if the turn ends there."""
    judge_turns: bool = False
    """Ask a model, by the sound, whether he has finished."""
    endpoint_us: int = 400 * MS
    endpoint_sure_us: int = 320 * MS
    endpoint_unsure_us: int = 1_200 * MS
    p_end_unsure: float = 0.3
    """Below this probability that he has finished, by the sound, he is given more time."""
    speech_on_over: float = 0.15
    """As `speech_on`, while the agent is heard: a caller who begins softly is listened to early, and his words decide."""
    interruption_us: int = 192 * MS
    """A caller still speaking over the agent this long after voice activity fired interrupts, if his words say so by then."""
    interruption_sure_us: int = 1_000 * MS
    """... and this long, whatever his words."""
    overlap_look_us: int = 50 * MS
    """How often his words over the agent are looked at, at most: a look begins when the last one is told."""
    hold: bool = True
    """Fall silent at the first word with which people begin to interrupt, and go on if it was none."""
    judge_overlaps: bool = False
    """Ask a model too, by the sound of his first syllables, whether he interrupts."""
    overlap_listen_us: int = 600 * MS
    """How long from the onset of speech over the agent that model is asked; later his words are known."""
    p_interruption: float = 0.9
    """Its probability from which the agent falls silent, and goes on if it was none."""
    p_begins: float = 0.6
    """... from which a first word with which people interrupt silences it too."""
    p_murmur: float = 0.4
    """... below which a single word is taken for a murmur that the recogniser has dressed up."""
    faint_db: float = 0.0
    """A voice over the agent whose loudest window is so far under the mean of the caller's is somebody else's, and stops nothing; 0: every voice may."""
    digits_gap_us: int = 1_500 * MS
    digits_asked_us: int = 4_000 * MS
    """Longest pause between two keys, of themselves and when the agent asked for them."""

    # who speaks
    follow: bool = False
    """Ask a model for the voice of each stretch of speech, and leave out what is not said by the caller: by who spoke first."""
    identify: bool = False
    """Have the caller's voice compared with those of people who are enrolled."""
    voice_same: float = 0.5
    voice_other: float = 0.3
    """Cosine with the caller's voice from which a voice is his, and teaches what he sounds like; below which it is another's."""

    # feeling
    feel: bool = False
    """Ask a model, by the sound of each stretch of speech, how the caller feels."""
    appraise: bool = False
    """Ask a model for the sentiment of each of his turns."""
    emotion_sure: dict[str, float] = {}
    """Probability from which the agent is told of an emotion; of those that are not named it is told nothing."""

    @property
    def perceives(self) -> bool:
        """Whether a model is asked about the sound of each stretch of speech."""
        return self.feel or self.follow or self.identify

    # speaking
    lead_us: int = 160 * MS
    mark_every_us: int = 200 * MS
    """0 on a wire without marks."""
    mark_grace_us: int = 500 * MS
    """How long after the ear should have played everything its last mark is waited for."""
    chunks_ahead: int = 2
    opener_after_us: int = 350 * MS
    """From the caller's last word to an opener, if the turn was taken by then and nothing else is ready to be said."""
    filler_after_us: int = 1_500 * MS
    """From the caller's last word to a filler, once a tool has been called and nothing is being said; a reply without a tool has
    `filler_slow_us` from its start."""
    filler_slow_us: int = 2_000 * MS
    filler_again_us: int = 4_000 * MS

    hold_music: bool = False
    """Play music after the second filler and each one that follows."""

    # calling out
    outbound: bool = False
    """We placed the call: nothing is said before it is known who answered."""
    message: str = ""
    """What is left on a machine, in the first of `languages`; "": it is hung up on."""
    keypad: bool = False
    """The agent may press keys: it goes on when a menu answers."""
    answer_short_us: int = 1_500 * MS
    """Somebody who spoke for so long and no longer has said hello."""
    answer_pause_us: int = 700 * MS
    """... and waits for us after this silence. After more speech twice that is wanted."""
    answer_silence_us: int = 2_500 * MS
    """So long a silence ends any greeting; with nothing said at all, somebody is listening."""
    answer_machine_us: int = 4_500 * MS
    """Only a machine speaks on for so long, pauses of `answer_pause_us` apart."""
    answer_limit_us: int = 12_000 * MS
    """By then it is decided who answered."""
    beep_silence_us: int = 3_000 * MS
    """A machine that has been silent for so long records, beep or not."""
    beep_limit_us: int = 60 * SECOND
    """A machine that has neither beeped nor fallen silent is given up after this long."""

    # limits
    silence_prompt_us: int = 8 * SECOND
    silence_hangup_us: int = 20 * SECOND
    max_call_us: int = 600 * SECOND
    vad_failures: int = 30
    """Windows in a row that voice activity may fail before the call apologises."""
    stt_attempts: int = 2
    agent_attempts: int = 2
    tts_attempts: int = 2
    """Tries of each model before the call apologises: first, retry, and a third where a fallback is configured."""
