"""What can be done with a call from a browser beyond its audio: end it."""

from server.carriers import CarrierError


class PhoneControl:
    """Control of one call (server.session.Control)."""

    async def hang_up(self) -> None:
        """The session closes the line, and that is all it takes."""

    async def transfer(self, number: str) -> None:
        raise CarrierError("a browser cannot be transferred to a telephone")

    async def send_digits(self, digits: str) -> None:
        raise CarrierError("there is nobody behind a browser to press keys for")
