"""What the model should write for a clip, in the way that Whisper writes.

A reference in lower case without punctuation, as the published corpora have it, teaches the words and unteaches the writing: after a few hundred
such labels Whisper writes no full stop any more, and the endpointing, which reads the full stop and the question mark as signs of a finished turn, goes
blind. So:

* A reference with a capital or a punctuation mark is taken as it is.
* Another one is replaced by what the unchanged model writes when it has plenty of context, if that has the same words.
* Else it gets a capital and a full stop. In which clips the words differ is no accident (they are the hard ones), so these
  cannot be left out: the model would learn from its successes alone.
* With `own_words`, it is what the unchanged model writes in that case too. Then the labels are what it says itself, and training changes nothing
  but the context it needs. References of learners and children are what they should have read: taught as labels, they teach to hear what is
  not said (measured: WER of read books at 30 s went from 9.8 to 15.5 %, and clips ran away).
* Speech that nobody wrote down can be labelled by the unchanged model too (an option): good for what this trains, which is to hear the same
  with less context, and no help towards better words.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from pipelines.adapters.stt import context
from pipelines.adapters.stt.context import Plan
from pipelines.adapters.stt.whisper import Whisper
from training.common import audio
from training.common.manifests import Clip
from training.common.measures import normalize
from training.whisper.frames import context_frames

_MARGIN_S = 10.0
_TOKENS = 200


class Writer:
    """The unchanged model: how it writes what it hears, with 10 s behind the utterance.

    That loses no words against 30 s (the table in `pipelines/adapters/stt/context.py`) and takes a third of the time.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """`folder`: a model for CTranslate2; `threads`: 0 for all. Raises ModelError."""
        self._whisper = Whisper(folder, threads=threads, device="auto", compute="auto")

    def write(self, clip: Clip) -> str:
        """The transcript of a clip, greedy; "" when it runs away."""
        features = self._whisper.features(audio.load(clip.audio))
        plan = Plan(context_frames(features.shape[1], _MARGIN_S), 1, _TOKENS)
        decoded = self._whisper.decode(self._whisper.encode(features, plan.frames), plan, clip.language or "en")
        runs_away = len(decoded.tokens) >= _TOKENS or context.repetitive(decoded.text)
        return "" if runs_away else decoded.text


def is_written(text: str) -> bool:
    """Whether a reference has capitals or punctuation of its own."""
    return text != text.lower() or re.search(r"[.,;:?!]", text) is not None


def sentence(text: str) -> str:
    """A bare reference with a capital and a full stop."""
    text = " ".join(text.split())
    text = re.sub(r"\bi\b(?=$|[ '])", "I", text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def choose(reference: str, written: str, language: str) -> str:
    """The label for a clip with that bare reference, of which the unchanged model wrote `written`."""
    if written and normalize(written, language) == normalize(reference, language):
        return written
    return sentence(reference)


def label(
    clips: Iterable[Clip],
    write: Callable[[Clip], str],
    *,
    unwritten: bool = False,
    own_words: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[Clip]:
    """The same clips with labels for texts. `unwritten`: whether clips without a text are labelled by `write`; otherwise they are left out, as
    are those of which it makes nothing. `own_words`: whether bare references are too, even if the words differ."""
    labelled: list[Clip] = []
    for clip in clips:
        if not clip.text and not unwritten:
            continue
        if is_written(clip.text):
            labelled.append(clip)
            continue
        written = write(clip)
        text = choose(clip.text, written, clip.language) if clip.text and not own_words else written
        if text:
            labelled.append(msgspec.structs.replace(clip, text=text))
        else:
            say(f"left out: {clip.audio}: nothing sure is heard in it.")
    return labelled


def remembered(write: Callable[[Clip], str], file: Path) -> Callable[[Clip], str]:
    """`write`, which keeps what it wrote in a JSON-lines file and does not listen to a clip twice."""
    known: dict[str, str] = {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            known.update(msgspec.json.decode(line, type=dict[str, str]))

    def recall(clip: Clip) -> str:
        key = str(clip.audio)
        if key not in known:
            known[key] = write(clip)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as stream:
                stream.write(msgspec.json.encode({key: known[key]}) + b"\n")
        return known[key]

    return recall
