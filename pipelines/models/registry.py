"""The models that can be named in a configuration: those of `models.toml`, those of manifests of the user's own, and those
that training made and `allo models add` brought into the store."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.models.card import ModelCard

SHIPPED = Path(__file__).with_name("models.toml")


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    models: list[ModelCard]


class Registry:
    """Model cards by name, in the order of the manifests. `added`: names of models of the store's own. `broken`: folders of
    the store that should hold one and do not, with the reason: asked for by name they are refused, and harm no other."""

    def __init__(
        self,
        cards: Iterable[ModelCard],
        added: Iterable[ModelCard] = (),
        broken: Mapping[str, str] | None = None,
    ) -> None:
        added = list(added)
        self._cards = {card.name: card for card in (*cards, *added)}
        self.added = frozenset(card.name for card in added)
        self.broken = dict(broken or {})

    @classmethod
    def load(cls, manifests: Iterable[Path] = (), store: Path | None = None) -> "Registry":
        """The shipped models, then those of `manifests`, then those added to the folder `store`; of a name given twice in
        manifests the later one counts. Raises ModelError for a manifest that cannot be read."""
        cards = {card.name: card for path in (SHIPPED, *manifests) for card in _read(path)}
        added, broken = _added(store, cards) if store is not None else ([], {})
        return cls(cards.values(), added, broken)

    def __getitem__(self, name: str) -> ModelCard:
        """The card of a model; raises ModelError, with a guess, if there is none of that name."""
        if name in self.broken:
            raise ModelError(self.broken[name])
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


def _added(store: Path, others: Mapping[str, ModelCard]) -> tuple[list[ModelCard], dict[str, str]]:
    """The models of the store's own by name, and what is wrong with those that cannot be read."""
    cards, broken = [], {}
    for path in sorted(store.glob(f"[!.]*/{exported.MANIFEST}")):
        name = path.parent.name
        try:
            card = exported.read_manifest(path.parent)
            if card.name != name:
                raise ModelError(
                    f"{path} is of a model called {card.name}. Run `allo models remove {name}`, and add {card.name} again."
                )
            if name in others:
                raise ModelError(
                    f"{name} was added to {store}, but a manifest has that name too. Rename that one, or run "
                    f"`allo models remove {name}`."
                )
            cards.append(card)
        except ModelError as error:
            broken[name] = str(error)
    return cards, broken


def _read(path: Path) -> list[ModelCard]:
    try:
        with path.open("rb") as stream:
            return msgspec.convert(tomllib.load(stream), _Manifest).models
    except OSError as error:
        raise ModelError(f"model manifest {path}: {error.strerror}. Mend the path in models.manifests.") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"model manifest {path}: {error}. See {SHIPPED.name} of this package for the form.") from error
