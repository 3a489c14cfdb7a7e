"""The models that can be named in a configuration: those of `models.toml`, and those of manifests of the user's own."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pipelines.errors import ModelError
from pipelines.models.card import ModelCard

SHIPPED = Path(__file__).with_name("models.toml")


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    models: list[ModelCard]


class Registry:
    """Model cards by name, in the order of the manifests."""

    def __init__(self, cards: Iterable[ModelCard]) -> None:
        self._cards = {card.name: card for card in cards}

    @classmethod
    def load(cls, manifests: Iterable[Path] = ()) -> "Registry":
        """The shipped models, then those of `manifests`; a name given twice is the later one. Raises ModelError."""
        return cls(card for path in (SHIPPED, *manifests) for card in _read(path))

    def __getitem__(self, name: str) -> ModelCard:
        """The card of a model; raises ModelError, with a guess, if there is none of that name."""
        try:
            return self._cards[name]
        except KeyError:
            guess = difflib.get_close_matches(name, self._cards, n=1, cutoff=0.5)
            mend = f"Did you mean {guess[0]}?" if guess else f"Known: {', '.join(self._cards)}."
            raise ModelError(f"no model is called {name!r}. {mend}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._cards

    def __iter__(self) -> Iterator[ModelCard]:
        return iter(self._cards.values())


def _read(path: Path) -> list[ModelCard]:
    try:
        with path.open("rb") as stream:
            return msgspec.convert(tomllib.load(stream), _Manifest).models
    except OSError as error:
        raise ModelError(f"model manifest {path}: {error.strerror}. Mend the path in models.manifests.") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"model manifest {path}: {error}. See {SHIPPED.name} of this package for the form.") from error
