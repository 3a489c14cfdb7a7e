"""How much audio context Whisper gets for an utterance, and when to doubt what it said.

Whisper was trained on 30 s, but its encoder takes less, in proportionally less time. Given an utterance with nothing
behind it, it loses words and repeats itself; with some silence behind it, it does not. Whisper base int8, telephone
band (8 kHz mu-law), word error rate in % on 80 English prompts, 55 clips of read books, 40 sentences of learners of
English and 100 French descriptions; ms of encoder + decoder for a prompt (2.4 s, median of 20) on two cores, the
fastest of several runs:

    context        beam   prompts   books   learners   French      ms
    30 s              1       6.6    12.5       37.2     38.2   389 + 65
    30 s              5       6.6    11.1       37.8     32.3   356 + 92
    + 5 s             1       7.3    13.0       39.1     39.9    38 + 35   partials
    + 5 s             5       8.2    14.5       35.5     34.6    38 + 50   says things twice
    + 6 s             5       7.1    11.5       37.5     33.8    37 + 48
    + 8 s             1       7.3    12.7       37.5     37.5    46 + 36
    + 8 s             2       6.6    11.0       41.1     32.9    46 + 45
    + 8 s             5       6.9     9.9       36.5     30.9    46 + 49
      second look     5       6.9     9.9       36.5     30.3              finals (1 in 39 looks twice)
    + 10 s            5       7.1    10.7       35.9     32.3    60 + 51

Most finals need no beam: the greedy words are kept when they are likely enough, and the beam searches in what is encoded already. Error
rates on a part of the same clips (80, 40, 40 and 100), and how many needed the beam; another machine (AMD EPYC), where
for a prompt the encoder takes 126 ms, the greedy decoder 80 and a beam of 5 131:

    the beam is asked when    prompts       books        learners     French
    always                    8.1 (100 %)   13.4 (100)   32.1 (100)   42.7 (100)
    the mean is below -0.2    7.9  (22 %)   13.9  (60)   32.1  (72)   42.7  (94)
                      -0.4    7.9  (11 %)   13.7  (20)   32.1  (52)   43.2  (79)
                      -0.5    7.9   (8 %)   14.4   (8)   33.6  (45)   44.3  (68)
    never                     7.9   (0 %)   14.4   (0)   35.4   (0)   45.7   (0)

A model that was taught to do with less (`context.json`, `training/whisper`) has partials with what it says, and finals with three times that. `whisper-base-short`,
which says 1 s, finals of 110 clips of speakers that it never heard (20 of books, 30 of each other set), and processor seconds for all of them on a busy Intel Xeon:

    margin     books   learners   prompts   French    all    processor s
    1 s         10.3       28.2       5.1    101.6
    2 s         11.8       26.7       5.6     95.1   19.1       32
    3 s          9.6       25.1       5.1     98.4   17.8       28
    5 s          9.3       25.1       5.6    100.0   17.9       38
    8 s         11.3       25.6       5.1     91.8   18.3       46
    stock, 8 s   9.8       26.7       4.3     91.8

What it makes of a noise it makes likelier by searching: of 52 pieces of noise and music of 1 to 2 s it heard words in 15, the stock model in 5. So the first look already says that nobody speaks (`mumbles`): 2 and 2, no word
of the 110 clips lost by it, 1 of 54 digits and 1 French word by the stock model. Its two numbers were chosen on these clips. Both tables were counted once; no command prints them.

The words of a partial, given to the decoder as a prefix of the final, make it no faster (282 and 297 ms for a prompt, beam 5): what costs
is to set up five hypotheses, not the steps; and books lose two points.

A call hears less than a recogniser that is given the whole recording, because turns are taken in the middle of read sentences. Word error rates of 64 recordings
of each set, with the difference in points to faster-whisper offline (beam 5, 30 s) and its interval (95 of 100 draws of the clips), by the functions of
`tests.load.words_table`, on an Intel Xeon; the lower half of the first 40 of each:

                        prompts               books                 learners              French                all
    offline             3.0                   14.0                  34.0                  61.5                  21.3
    whole recording     3.0 +0.0 (-2.2, 2.2)  12.8 -1.2 (-2.8, 0.4) 32.1 -1.9 (-5.6, 2.0) 52.7 -8.7 (-22, 1.1)  19.3 -2.0 (-3.9, -0.4)
    a call              3.0 +0.0 (-1.2, 1.2)  14.9 +0.9 (-1.1, 2.9) 35.2 +1.2 (-3.8, 6.4) 50.9 -11 (-24, 0.3)   20.7 -0.6 (-2.6, 1.3)

    offline             3.2                   15.0                  39.1                  56.4                  22.1
    a call              4.0 +0.8 (-0.7, 2.5)  15.8 +0.7 (-2.0, 3.3) 38.8 -0.4 (-5.1, 4.2) 47.5 -8.8 (-20, 2.0)  21.5 -0.6 (-2.8, 1.4)
      as it was before  3.2 +0.0 (-1.7, 1.6)  18.3 +3.2 (0.2, 6.2)  46.9 +7.8 (-0.4, 17)  51.9 -4.4 (-15, 7.5)  24.7 +2.6 (0.0, 5.2)
      never searched    4.0 +0.8 (-0.7, 2.4)                        41.1 +1.9 (-4.9, 10)  59.7 +3.3 (-9.7, 15)

"Before": what goes on before the answer begins was not recognised again as a whole (`turns/hearing.py`; books 21.1 and 18.0 on 25 clips), a first word had 0.32 s
before it instead of 0.5 (348 and 332 errors of the 160), a turn was taken while voice activity was rising, and words that run in a circle up to a full stop were
not looked at again: the beam finds a circle likelier than what was said. Those changes were made with the first 40 of each at hand. The agent of these calls
answers 0.77 s after the last word; on a slower one a caller goes on in time more often. Processor time of a final: 1.02 times what it was (29 finals, side by side).

A ban on repeated n-grams (`no_repeat_ngram_size`) is not used: it cures loops that this margin does not have, and
breaks what callers dictate ("five five five five"). Padded with the utterance's own minimum instead of zero features,
fewer answers are doubtful.
"""

import zlib
from collections.abc import Sequence

import msgspec

FRAMES_PER_SECOND = 100
FULL = 30 * FRAMES_PER_SECOND
"""Feature frames of the context Whisper was trained on; more cannot be given."""

_FINAL_MARGIN = 8 * FRAMES_PER_SECOND
_PARTIAL_MARGIN = 5 * FRAMES_PER_SECOND
_FINAL_TIMES = 3
_TOKENS_PER_SECOND = 7  # what the fastest of those clips has
_TOKENS_SPARE = 10
_PARTIAL_SPARE = (
    4  # more would only let a first syllable run on: 0.2 s of speech then took twice as long to be heard as 0.3 s
)
_MAX_COMPRESSION = 2.2
_LIKELY_LOG_PROB = -0.4
_MIN_LOG_PROB = -1.0
_FEW_TOKENS = 6  # a short answer scores low however right it is: on single digits the full context is no better
_ECHO = 4
_STOPS = (".", "!", "?", "…")
# With both, finals lose none of 214 single digits (half of them in noise at 15 dB) and drop 77 of 78 pieces of plain
# noise.
_P_NO_SPEECH = 0.6
_SURE_LOG_PROB = -0.5
_P_LITTLE_SPEECH = 0.3
_MUMBLED_LOG_PROB = -1.2
# What the training subtitles say when nobody speaks, and no caller does.
_CREDITS = ("sous-titr", "subtitle", "amara.org", "thanks for watching", "thank you for watching", "d'avoir regardé")


class Plan(msgspec.Struct, frozen=True):
    """One try: `frames` of features (10 ms each; the utterance, then silence), `beam` hypotheses, at most `max_tokens`
    out; words whose mean log probability is not above `likely` are looked at again."""

    frames: int
    beam: int
    max_tokens: int
    likely: float = float("-inf")


class Decoded(msgspec.Struct, frozen=True):
    """What a try gave. `mean_log_prob`: natural logarithm, over the tokens and the end; `p_no_speech`: 0 to 1."""

    text: str
    tokens: Sequence[int]
    mean_log_prob: float
    p_no_speech: float


def plans(frames: int, *, final: bool, beam: int, margin: int | None = None) -> list[Plan]:
    """Tries for an utterance of `frames` feature frames, in order: the next is made only if the one before is
    not `settled`.

    A partial has one try, greedy: it is heard again soon. `margin`: frames behind the utterance that suffice a model which was
    taught to do with them, of which finals get three times as many; None for a stock one.
    """
    tokens = frames * _TOKENS_PER_SECOND // FRAMES_PER_SECOND
    if not final:
        return [Plan(min(frames + (margin or _PARTIAL_MARGIN), FULL), 1, tokens + _PARTIAL_SPARE)]
    max_tokens = tokens + _TOKENS_SPARE
    short = min(frames + (_FINAL_TIMES * margin if margin else _FINAL_MARGIN), FULL)
    greedy = [Plan(short, 1, max_tokens, _LIKELY_LOG_PROB)] if beam > 1 else []
    searched = dict.fromkeys((Plan(short, beam, max_tokens), Plan(FULL, beam, max_tokens)))
    return [*greedy, *searched]


def runs_away(decoded: Decoded, plan: Plan) -> bool:
    """It did not end by itself, or says one thing again and again, be it up to a full stop: a circle makes words likely, and a beam prefers it."""
    tokens = decoded.tokens[:-1] if decoded.text.endswith(_STOPS) else decoded.tokens
    return len(decoded.tokens) >= plan.max_tokens or echo(tokens) > 0 or repetitive(decoded.text)


def repetitive(text: str) -> bool:
    """It says the same so often that it can be packed to less than half."""
    raw = text.encode()
    return len(raw) > 0 and len(raw) / len(zlib.compress(raw)) > _MAX_COMPRESSION


def settled(decoded: Decoded, plan: Plan) -> bool:
    """Whether no other try is worth its time."""
    return decoded.mean_log_prob > plan.likely and not doubtful(decoded, plan)


def doubtful(decoded: Decoded, plan: Plan) -> bool:
    """Worth a longer look: it runs away, or a whole phrase has little probability."""
    unsure = decoded.mean_log_prob < _MIN_LOG_PROB and len(decoded.tokens) >= _FEW_TOKENS
    return runs_away(decoded, plan) or unsure


def better(one: Decoded, other: Decoded, plan: Plan) -> Decoded:
    """The one to keep of two tries."""
    return max(one, other, key=lambda decoded: (not runs_away(decoded, plan), decoded.mean_log_prob))


def echo(tokens: Sequence[int]) -> int:
    """How many tokens at the end only repeat what stands right before them; 0 when fewer than four.

    "call me call me call me call" has an echo of 5. A caller may well say "five five five five five": this is a reason
    to look again, not to cut.
    """
    n = len(tokens)
    for period in range(1, n - _ECHO + 1):
        length = 0
        while length < n - period and tokens[n - 1 - length] == tokens[n - 1 - length - period]:
            length += 1
        if length >= _ECHO:
            return length
    return 0


def speechless(decoded: Decoded) -> bool:
    """Whisper heard no speech, and its words ("Thank you.", "you", the credits of a film) are what it says to
    silence."""
    text = decoded.text.lower()
    return (
        (decoded.p_no_speech > _P_NO_SPEECH and decoded.mean_log_prob < _SURE_LOG_PROB)
        or mumbles(decoded)
        or any(words in text for words in _CREDITS)
    )


def mumbles(decoded: Decoded) -> bool:
    """Its words are so unlikely, and it is so little sure that anybody speaks, that searching longer would only find likelier ones for a noise."""
    return decoded.p_no_speech > _P_LITTLE_SPEECH and decoded.mean_log_prob < _MUMBLED_LOG_PROB
