"""A script being acted out on a line, and what the ear measured meanwhile."""

import asyncio

import msgspec

from server.caller.line import Line
from server.caller.script import AwaitHangUp, Clip, HangUp, Interrupt, Listen, Over, Press, Say, Script

_POLL_S = 0.05
_KEY_S = 0.25
_NO_GAP_US = 50_000  # less than this after the caller's last sound is no answer: the agent was speaking all along
_BREATH_S = 0.2  # between a caller's decision to speak and his first word


class Said(msgspec.Struct, frozen=True):
    """A clip that was said: when its first and last sounds left the mouth, in microseconds of the stream, and the step
    that it was."""

    step: int
    clip: Clip
    start: int
    end: int


class Acted(msgspec.Struct, frozen=True):
    """A step that was acted, from `start` to `end` in microseconds of the stream. `fault`: what went wrong, "" when
    nothing did. `yielded`: of an interruption, the microseconds from the caller's first sound until the agent was
    silent."""

    step: int
    start: int
    end: int
    fault: str = ""
    yielded: int | None = None


class Conversation:
    """One caller following one script. `line` is open; `act` returns when the call has ended."""

    def __init__(self, line: Line, script: Script) -> None:
        self.line, self.script = line, script
        self.said: list[Said] = []
        self.over: list[Said] = []
        """Sounds over the agent that ask for nothing."""
        self.acted: list[Acted] = []
        self._clips = script.clips()

    async def act(self) -> None:
        """Every step in order; those left when the call ends early are skipped. Hangs up if nobody has."""
        for number, step in enumerate(self.script.step):
            if self.line.ended_at is not None and not isinstance(step, AwaitHangUp):
                break
            start = self.line.now
            fault = await self._do(number, step, start)
            self.acted.append(Acted(number, start, self.line.now, fault or "", self._yielded(number, step)))
        if self.line.ended_at is None:
            await self.line.hang_up()

    def gap(self, at: int) -> int | None:
        """The response gap, in the caller's ear, of what was audible at `at`: from his last sound before it to the
        agent's first after that. None when he has not spoken, or the agent was never silent in between."""
        before = [said.end for said in self.said if said.end <= at]
        if not before:
            return None
        first = self.line.ear.audible_from(before[-1], self.line.now)
        return None if first is None or first - before[-1] < _NO_GAP_US else first - before[-1]

    async def _do(self, number: int, step: object, start: int) -> str | None:
        match step:
            case Listen():
                return await hear_out(self.line, step, start)
            case Say(clip=name):
                await asyncio.sleep(_BREATH_S)
                await self._say(number, name, step.gain_db)
            case Interrupt():
                return await self._interrupt(number, step, start)
            case Over():
                return await self._sound_over(number, step, start)
            case Press(digits=digits):
                for digit in digits:
                    self.line.press(digit)
                    await asyncio.sleep(_KEY_S)
            case HangUp():
                await self.line.hang_up()
            case AwaitHangUp(within=within):
                if not await self.line.wait_ended(within):
                    return f"the agent did not hang up within {within:g} s"
                if self.line.left:
                    return "the agent did not hang up: the caller had"
        return None

    async def _say(self, number: int, name: str, gain_db: float) -> None:
        self.said.append(await self._sound(number, name, gain_db))

    async def _sound(self, number: int, name: str, gain_db: float) -> Said:
        clip = self._clips[name]
        start, end = self.line.say(clip.at(self.line.mouth.rate, gain_db))
        await self.line.wait_ended((end - self.line.now) / 1e6)
        return Said(number, clip, start, end)

    async def _interrupt(self, number: int, step: Interrupt, start: int) -> str | None:
        if not await audible(self.line, start, step.after, step.within):
            return (
                f"the agent did not speak for {step.after:g} s within {step.within:g} s: there was nothing to interrupt"
            )
        await self._say(number, step.clip, step.gain_db)
        return None

    async def _sound_over(self, number: int, step: Over, start: int) -> str | None:
        if not await audible(self.line, start, step.after, step.within):
            return (
                f"the agent did not speak for {step.after:g} s within {step.within:g} s: there was nothing to go over"
            )
        self.over.append(await self._sound(number, step.clip, step.gain_db))
        return None

    def _yielded(self, number: int, step: object) -> int | None:
        if not isinstance(step, Interrupt) or not self.said or self.said[-1].step != number:
            return None
        said = self.said[-1]
        last = self.line.ear.audible_until(said.start, said.end)
        return None if last > said.end - _NO_GAP_US else last - said.start


async def hear_out(line: Line, step: Listen, start: int) -> str | None:
    """Until the agent has finished what it says after `start`; what was wrong with that, or None."""
    ear = line.ear
    if not await audible(line, start, 0.0, step.within):
        return f"the agent said nothing within {step.within:g} s"
    while line.ended_at is None:
        now = line.now
        wanted = step.quiet if ear.heard(start, now) >= step.least * 1e6 else max(step.patience, step.quiet)
        since = int(now - wanted * 1e6)
        if since > start and ear.audible_from(since, now) is None:
            return None
        await asyncio.sleep(_POLL_S)
    return None


async def audible(line: Line, start: int, least: float, within: float) -> bool:
    """Until the agent was audible for more than `least` seconds after `start`; False when `within` passes, or the call
    ends, first."""
    while line.now < start + within * 1e6 and line.ended_at is None:
        if line.ear.heard(start, line.now) > least * 1e6:
            return True
        await asyncio.sleep(_POLL_S)
    return False
