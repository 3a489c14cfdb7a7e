"""The voice book: the people whose voices an operator has had enrolled, in one file that its owner alone may read.

It holds nothing but what was given to `allo voices enroll`: a name, the sum of the voice's directions (`pipelines.speakers.enrolment`), how much
speech that was, and the numbers the person calls from, hashed unless they are wanted plain. It is read again at each question, so that somebody
who was forgotten is not known a moment later, and written whole or not at all, so that nothing of him is left in it.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pipelines.errors import AlloError
from pipelines.speakers.enrolment import Person, Verdict, Voice, identify, joined
from server.agent_config import plain_number
from server.folders import data_dir

_WORK = 1 << 13  # scrypt's: 20 ms a number, so that trying all numbers of a country takes years


class BookError(AlloError):
    """The voice book cannot be read or written, or knows nobody of that name; says the mend."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person, and the numbers he calls from: as they are, or "scrypt:..."; none: he may call from anywhere."""

    person: Person
    numbers: tuple[str, ...] = ()


class _Pages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    salt: str
    people: tuple[Entry, ...] = ()


class VoiceBook:
    """Every method reads or writes the file, and may take some 20 ms for each number: not for an event loop. All raise BookError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> tuple[Entry, ...]:
        """Everybody, by name."""
        return self._read().people

    def enrol(self, person: Person, numbers: Iterable[str] = (), *, plain: bool = False) -> Entry:
        """Add a person, or what was heard in another call of one who is there (then ModelError if by another encoder). `plain`: keep his
        numbers readable."""
        pages = self._read()
        others = tuple(entry for entry in pages.people if entry.person.name != person.name)
        before = next((entry for entry in pages.people if entry.person.name == person.name), Entry(person=person))
        new = [plain_number(number) if plain else _hashed(number, pages.salt) for number in numbers]
        entry = Entry(
            person=joined(before.person, person) if len(others) < len(pages.people) else person,
            numbers=tuple(dict.fromkeys((*before.numbers, *new))),
        )
        everybody = sorted((*others, entry), key=lambda one: one.person.name)
        self._write(msgspec.structs.replace(pages, people=tuple(everybody)))
        return entry

    def forget(self, name: str) -> None:
        """Remove a person, and all that is kept of him."""
        pages = self._read()
        left = tuple(entry for entry in pages.people if entry.person.name != name)
        if len(left) == len(pages.people):
            raise BookError(f"{self.path}: nobody is called {name!r}. `allo voices list` has the names.")
        self._write(msgspec.structs.replace(pages, people=left))

    def candidates(self, number: str, encoder: str) -> list[Person]:
        """Who may be calling from `number` ("": withheld): those enrolled with it, and those with no number. By voices of this `encoder`."""
        pages = self._read()
        people = [entry for entry in pages.people if entry.person.encoder == encoder]
        forms = set()
        if number and any(entry.numbers for entry in people):
            forms = {plain_number(number), _hashed(number, pages.salt)}
        return [entry.person for entry in people if not entry.numbers or forms.intersection(entry.numbers)]

    def _read(self) -> _Pages:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Pages)
        except FileNotFoundError:
            return _Pages(salt=secrets.token_hex(16))
        except OSError as error:
            raise BookError(f"{self.path}: {error.strerror}. Mend the path or its rights.") from None
        except msgspec.MsgspecError as error:
            raise BookError(f"{self.path}: no voice book ({error}). Name another as models.speaker.book.") from None

    def _write(self, pages: _Pages) -> None:
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(pages))
            partial.replace(self.path)
        except OSError as error:
            raise BookError(f"{self.path}: {error.strerror}. Mend the path or its rights.") from None


class KnownCallers:
    """The book, as one call asks it."""

    def __init__(self, book: VoiceBook, encoder: str, threshold: float, number: str) -> None:
        """`encoder`: the model's name; `threshold`: cosine from which somebody is known; `number`: the call comes from, "" when withheld."""
        self._book, self._encoder, self._threshold, self._number = book, encoder, threshold, number

    def find(self, voice: Voice) -> Verdict | None:
        """Who it is, if anybody is known by that voice. Blocks. Raises BookError."""
        found = identify(self._book.candidates(self._number, self._encoder), voice, self._threshold)
        return found if found is not None and found.known else None


def open_book(path: Path | None) -> VoiceBook:
    """The book at `path`, None for the usual place; it need not be there yet."""
    return VoiceBook(path or data_dir() / "voices.json")


def _hashed(number: str, salt: str) -> str:
    digest = hashlib.scrypt(plain_number(number).encode(), salt=bytes.fromhex(salt), n=_WORK, r=8, p=1, dklen=16)
    return f"scrypt:{digest.hex()}"
