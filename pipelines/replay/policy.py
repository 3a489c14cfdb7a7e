"""Settings of a call, changed by name: `endpoint_ms=200`, `speculate=false`."""

from collections.abc import Iterable

import msgspec

from pipelines.errors import ConfigError
from pipelines.turns.policy import CallSettings
from pipelines.units import MS, SECOND

_UNITS = {"_ms": MS, "_s": SECOND}
_FIELDS = {
    field.name: field.type for field in msgspec.structs.fields(CallSettings) if field.type in (bool, int, float, str)
}


def changed(settings: CallSettings, assignments: Iterable[str]) -> CallSettings:
    """`settings` with each `key=value` in place. A key is a field of `CallSettings` that holds one value; one that ends in `_us` may be given in
    `_ms` or `_s` as well. Raises ConfigError that names the key and the mend."""
    values = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}: say which value it is to have, such as endpoint_ms=200.")
        name, unit = _field(key.strip())
        try:
            number = float(value) * unit if unit != 1 else value.strip()
            if unit != 1 and number < 0:
                raise ValueError
            values[name] = msgspec.convert(number if unit == 1 else round(number), _FIELDS[name], strict=False)
        except (ValueError, msgspec.ValidationError):
            wanted = "a time, such as 200" if unit != 1 else f"a value of type {_FIELDS[name].__name__}"
            raise ConfigError(f"--set {assignment}: {key} takes {wanted}.") from None
    return msgspec.structs.replace(settings, **values)


def _field(key: str) -> tuple[str, int]:
    """(the field, what its value is to be multiplied by)"""
    if key in _FIELDS:
        return key, 1
    for ending, unit in _UNITS.items():
        name = key.removesuffix(ending) + "_us"
        if key.endswith(ending) and name in _FIELDS:
            return name, unit
    raise ConfigError(f"--set {key}: there is no such setting. Choose one of {', '.join(sorted(_FIELDS))}.")
