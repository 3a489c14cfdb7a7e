"""Errors that cross a module's border. Each message says what is wrong and what to do next."""


class AlloError(Exception):
    """Base of all errors that a person is meant to read."""


class WireError(AlloError):
    """A carrier's message breaks its protocol. The call that sent it is refused or ended; no other call notices."""


class ModelError(AlloError):
    """A model's weights are missing, broken or refused, or the model failed."""


class ConfigError(AlloError):
    """The configuration cannot be used; lists every problem at once, each with its key and its mend."""


class DumpError(AlloError):
    """A call dump cannot be read."""
