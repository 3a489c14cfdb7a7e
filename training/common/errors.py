"""What can be wrong with what a person gives to a training: said with its place and its mend."""

from pipelines.errors import AlloError


class DataError(AlloError):
    """Recordings or their texts cannot be used; names each file and the reason."""


class RecipeError(AlloError):
    """A recipe cannot be used; lists every problem at once, each with its key and its mend."""
