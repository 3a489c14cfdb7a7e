"""The clock of a load test: every call's next frame, on time."""

import asyncio
import time

from tests.load.raw_call import PTIME_S, RawCall

_SLOTS = 20


class Generator:
    """All calls of a run, driven by one timer that fires every millisecond."""

    def __init__(self) -> None:
        self._slots: list[list[RawCall]] = [[] for _ in range(_SLOTS)]
        self._loop = asyncio.get_running_loop()
        self._first = time.monotonic()  # not the loop's time: uvloop counts that in milliseconds
        self._turn = 0
        self._stopped = False
        self.own: list[float] = []
        """By how much each slot was late."""
        self._fire()

    @property
    def calls(self) -> list[RawCall]:
        return [call for slot in self._slots for call in slot]

    def add(self, call: RawCall) -> None:
        """Let a call speak from now on, in the emptiest slot."""
        min(self._slots, key=len).append(call)

    def remove(self, call: RawCall) -> None:
        """Let a call fall silent."""
        for slot in self._slots:
            if call in slot:
                slot.remove(call)

    def stop(self) -> None:
        """Let all fall silent, for good."""
        self._stopped = True

    def _fire(self) -> None:
        if self._stopped:
            return
        due = self._first + self._turn * PTIME_S / _SLOTS
        self.own.append(time.monotonic() - due)
        for call in self._slots[self._turn % _SLOTS]:
            call.send_frame(due)
        self._turn += 1
        self._loop.call_later(max(0.0, self._first + self._turn * PTIME_S / _SLOTS - time.monotonic()), self._fire)
