"""`allo train turn`, `turn-table`: is the caller done, or pausing?"""


def turn() -> None: ...


def turn_table() -> None: ...
