"""A reply's text, as it is written, into chunks that can be spoken: first a short one, to start early, then a middling one, which a
slow voice can make while the first is heard, then sentences.

Words are taken one by one as their end is seen, so the chunks depend on the text alone, never on how it was cut into
deltas. A chunk ends between words only: what is written without a space (9:30, 1,200, 3.5, an address) cannot be split.
What is no speech is left out: markdown, emojis, and what small models let slip of their tool calls."""

import re
import unicodedata

_EAGER_WORDS = (3, 5)  # the first chunk, and the second, end at a comma from here on
_EAGER_CHARACTERS = (12, 28)  # ... or from here on
_FIRST_LINK = 7  # ... before a linking word from here on
_FIRST_FULL = 10  # ... anywhere it does not hurt from here on
_FIRST_HARD = 14  # ... and wherever it is, numbers apart
_LONGEST = 200  # characters of a chunk


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LINKING = {
    "en": _set(
        "and or but because so if when while with without for from to at on in before after between which who that"
    ),
    "fr": _set(
        "et ou mais donc car si quand lorsque avec sans pour par à au aux en dans de du des avant après entre qui que"
    ),
}
_LEANING = {  # words that nobody pauses after
    "en": _LINKING["en"]
    | _set("a an the my your his her our their this these is are was be will can of no not very mr. mrs. ms. dr."),
    "fr": _LINKING["fr"]
    | _set("le la les un une mon ma mes ton ta votre vos notre nos son sa ses leur ce cette ces est sont ne pas très")
    | _set("m. mme mlle dr."),
}
# Full stops that end no sentence.
_TITLES = _set(
    "dr. mr. mrs. ms. mme. mlle. pr. prof. st. ste. bd. av. tel. tél. ext. vs. approx. env. p.ex. ex. e.g. i.e. fig."
)
_INITIAL = re.compile(r"[A-ZÀ-Ý]\.")
# Full stops that end one only when a capital follows.
_MAYBE = re.compile(r"(?:[a-z]\.){2,}|etc\.|inc\.|ltd\.|min\.|max\.|jr\.|sr\.", re.IGNORECASE)
_NUMBER_SIGN = re.compile(r"(?:no|nos|nr|art)\.", re.IGNORECASE)  # "No. 5", but also "No."

_CLOSING = "\"'”’»)]"
_TAG = re.compile(r"<\|?/?[a-z_]+\|?>", re.IGNORECASE)
_LINK = re.compile(r"\]\([^)\s]*\)")
_BULLET = re.compile(r"[-+>•–—]+|#{1,6}")
_RULE = re.compile(r"[-=_|:]{3,}")
_EDGE_UNDERSCORES = re.compile(r"^_+|_+(?=\W*$)")
_JSON = re.compile(r"\{(?=[\"'{}]|$)")
_LETTER = re.compile(r"\w")


class Chunker:
    """Chunks of one reply in `language` (ISO 639-1; "en" or "fr", others are cut by their punctuation alone).

    Joined with spaces, the chunks are the text, apart from marks left out and white space."""

    def __init__(self, language: str) -> None:
        self._linking = _LINKING.get(language, frozenset())
        self._leaning = _LEANING.get(language, frozenset())
        self._word = ""  # still being written
        self._words: list[str] = []  # of the chunk being made
        self._made = 0  # chunks
        self._line_start = True
        self._unsure = ""  # a last word that ends a sentence or not, by what follows
        self._braces = 0  # depth inside JSON

    def push(self, text: str) -> list[str]:
        """Take the next piece of text; returns the chunks that are now complete (often none)."""
        chunks: list[str] = []
        for part in re.split(r"(\s)", text):
            if not part.isspace():
                self._word += part
                continue
            self._end_word(chunks)
            if part == "\n":
                self._cut(len(self._words), chunks)
                self._line_start = True
        return chunks

    def finish(self) -> list[str]:
        """No more text comes: returns what is left."""
        chunks: list[str] = []
        self._end_word(chunks)
        self._cut(len(self._words), chunks)
        return chunks

    def _end_word(self, chunks: list[str]) -> None:
        written, self._word = self._word, ""
        word = self._clean(written) if written else ""
        if not word:
            return
        self._line_start = False
        if self._ends_before(word):
            self._cut(len(self._words), chunks)
        elif (size := self._forced(word)) > 0:
            self._cut(size, chunks)
        while len(word) > _LONGEST:  # no language has such words
            self._words.append(word[:_LONGEST])
            word = word[_LONGEST:]
            self._cut(len(self._words), chunks)
        self._words.append(word)
        self._unsure = ""
        if self._ends_with(word):
            self._cut(len(self._words), chunks)

    def _cut(self, size: int, chunks: list[str]) -> None:
        """End the chunk after its first `size` words. Marks alone are no chunk: they go with the words that follow."""
        words = self._words[:size]
        if any(_LETTER.search(word) for word in words):
            chunks.append(" ".join(words))
            self._words = self._words[size:]
            self._made += 1

    # ---- where a chunk ends

    def _ends_with(self, word: str) -> bool:
        """Whether the chunk is complete with `word`, its last."""
        core = word.rstrip(_CLOSING)
        mark = core[-1:]
        if mark == ".":
            lower = core.lower().lstrip("([\"'«“‘")
            if lower in _TITLES or _INITIAL.fullmatch(core) or (len(self._words) == 1 and core[:-1].isdigit()):
                return False
            if _MAYBE.fullmatch(lower) or _NUMBER_SIGN.fullmatch(lower):
                self._unsure = lower
                return False
            return True
        if mark in "!?…" and mark:
            return True
        if self._made < len(_EAGER_WORDS) and (mark in ",;:" or word in "–—"):
            words, characters = self._spoken(self._words), len(" ".join(self._words))
            enough = words >= _EAGER_WORDS[self._made] or (words > 1 and characters >= _EAGER_CHARACTERS[self._made])
            return enough and not core[:-1][-1:].isdigit()
        return False

    def _ends_before(self, word: str) -> bool:
        """Whether a full stop that could be an abbreviation's was a sentence's, now that the next word is known."""
        if not self._unsure:
            return False
        if _NUMBER_SIGN.fullmatch(self._unsure):
            return not word[0].isdigit()
        return word.lstrip("([\"'«“‘")[:1].isupper()

    def _forced(self, word: str) -> int:
        """How many words of an unfinished clause to speak before `word` because it grows too long; 0: go on."""
        words = self._words
        if not words:
            return 0
        if sum(map(len, words)) + len(words) + len(word) > _LONGEST:
            return self._best_place(word)
        count = self._spoken(words)
        if not self._made and count >= _FIRST_LINK and _may_part(words[-1], word):
            good = words[-1].lower() not in self._leaning
            if (good and (word.lower() in self._linking or count >= _FIRST_FULL)) or count >= _FIRST_HARD:
                return len(words)
        return 0

    def _best_place(self, word: str) -> int:
        """The last comma in the second half of the words, else the last place that parts no number, else the end."""
        after = [*self._words[1:], word]
        allowed = [n for n, (a, b) in enumerate(zip(self._words, after, strict=True), 1) if _may_part(a, b)]
        commas = [n for n in allowed if self._words[n - 1][-1] in ",;:" and 2 * n > len(self._words)]
        return (commas or allowed or [len(self._words)])[-1]

    @staticmethod
    def _spoken(words: list[str]) -> int:
        return sum(1 for word in words if _LETTER.search(word))

    # ---- what is no speech

    def _clean(self, word: str) -> str:
        """`word` without marks that are not spoken; "" when nothing of it is."""
        word = self._without_json(word)
        word = _LINK.sub("", _TAG.sub("", word)).replace("[", "").replace("]", "")
        word = word.replace("*", "").replace("`", "").replace("~~", "")
        if _RULE.fullmatch(word) or (self._line_start and _BULLET.fullmatch(word)):
            return ""
        word = _EDGE_UNDERSCORES.sub("", word.replace("|", ""))
        return "".join(c for c in word if not _is_picture(c))

    def _without_json(self, word: str) -> str:
        if not self._braces:
            start = _JSON.search(word)
            if start is None:
                return word.replace("{", "").replace("}", "")
            return word[: start.start()] + self._inside_json(word[start.start() :])
        return self._inside_json(word)

    def _inside_json(self, word: str) -> str:
        """What follows the closing brace, if it is in `word`."""
        for n, character in enumerate(word):
            self._braces += (character == "{") - (character == "}")
            if self._braces == 0:
                return self._without_json(word[n + 1 :])
        return ""


def _may_part(word: str, following: str) -> bool:
    """Whether a pause between the two hurts no number, hour or amount ("06 12", "9 h 30", "5 pm", "No. 5")."""
    if word[-1].isdigit() or following[0].isdigit() or _NUMBER_SIGN.fullmatch(word):
        return False
    return _LETTER.search(following) is not None


def _is_picture(character: str) -> bool:
    """Emojis, dingbats and arrows, with the invisible characters that shape them. Letters, "°" and "™" are none."""
    code = ord(character)
    return (
        (code >= 0x2190 and unicodedata.category(character) in ("So", "Sm"))
        or 0x1F3FB <= code <= 0x1F3FF
        or code in (0x200D, 0x20E3, 0xFE0E, 0xFE0F)
        or 0xE0020 <= code <= 0xE007F
    )
