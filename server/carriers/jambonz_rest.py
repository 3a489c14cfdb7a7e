"""jambonz' REST API, as far as it places calls: createCall, `POST /v1/Accounts/{sid}/Calls`.

Sources: docs.jambonz.org/reference/rest-call-control/calls/create-call; jambonz/jambonz-api-server lib/routes/api/accounts.js
(validateCreateCall). Once the call is answered jambonz asks the application's hook what to do (jambonz-feature-server lib/tasks/rest_dial.js),
and brings our `tag` back as `customerData`.
"""

import aiohttp

from server.carriers import CarrierError
from server.config import JambonzSettings

_TIMEOUT = aiohttp.ClientTimeout(total=8)


class JambonzRest:
    """The REST API of one account; `usable` is False without credentials."""

    def __init__(self, settings: JambonzSettings) -> None:
        base = (settings.api_url or "").rstrip("/").removesuffix("/v1")
        self._url = f"{base}/v1/Accounts/{settings.account_sid}/Calls"
        self._application = settings.application_sid
        self._key = settings.api_key.get_secret_value() if settings.api_key else ""
        self.usable = bool(base and self._key)

    async def create(self, to: str, from_: str, tag: dict[str, str]) -> str:
        """Place a call; the application's call hook, which leads to us, answers for it. Its SID. Raises CarrierError. Never tried again: the
        first may have been placed."""
        target = {"type": "sip", "sipUri": to} if to.startswith("sip") else {"type": "phone", "number": to}
        body = {"application_sid": self._application, "from": from_, "to": target, "tag": tag}
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.post(self._url, json=body, headers=headers, allow_redirects=False) as response,
            ):
                if response.status != 201:
                    raise CarrierError(f"jambonz refused to place the call: HTTP {response.status}")
                answer = await response.json(content_type=None)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise CarrierError(f"jambonz could not be reached: {type(error).__name__}") from None
        sid = answer.get("sid") if isinstance(answer, dict) else None
        if not isinstance(sid, str) or not sid:
            raise CarrierError("jambonz did not say which call it placed")
        return sid
