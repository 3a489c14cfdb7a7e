"""Stand-ins for the carriers' REST APIs on loopback: they check a request as the vendors' pages say, and place the call themselves.

Twilio: https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource. jambonz:
https://docs.jambonz.org/reference/rest-call-control/calls/create-call and validateCreateCall in jambonz-api-server lib/routes/api/accounts.js.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

ACCOUNT = "AC" + "0" * 32
SECRET = "auth-token-auth-token"
SID = "CA" + "1" * 32
JAMBONZ_ACCOUNT, JAMBONZ_APPLICATION, JAMBONZ_KEY = "acc-1", "app-1", "key-of-jambonz"
JAMBONZ_SID = "0b5cf8a5-1f0b-4f4e-9a5e-000000000001"


class CarrierApis:
    """What both were asked for. `status`: they refuse with it, when set."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 0
        self.url = ""

    async def twilio(self, request: web.Request) -> web.Response:
        basic = "Basic " + base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != basic or request.match_info["account"] != ACCOUNT:
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        form = dict(await request.post())
        self.asked.append(form)
        if self.status:
            return web.json_response(
                {"code": 21210, "message": form["From"], "status": self.status}, status=self.status
            )
        for field, code in (("To", 21201), ("From", 21213), ("Url", 21205)):
            if not form.get(field):
                return web.json_response({"code": code, "message": f"No {field}", "status": 400}, status=400)
        return web.json_response({"sid": SID, "status": "queued", "to": form["To"], "from": form["From"]}, status=201)

    async def jambonz(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {JAMBONZ_KEY}":
            return web.Response(status=401)
        body = await request.json()
        self.asked.append(body)
        if self.status:
            return web.json_response({"msg": body["from"]}, status=self.status)
        to = body.get("to") or {}
        named = {"phone": "number", "sip": "sipUri", "user": "name"}.get(to.get("type", ""))
        if not body.get("from") or named is None or not to.get(named):
            return web.json_response({"msg": "missing from or to"}, status=400)
        if body.get("application_sid") != JAMBONZ_APPLICATION or not isinstance(body.get("tag", {}), dict):
            return web.json_response({"msg": "application_sid not found"}, status=400)
        return web.json_response({"sid": JAMBONZ_SID}, status=201)


@asynccontextmanager
async def carrier_apis() -> AsyncIterator[CarrierApis]:
    apis = CarrierApis()
    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{account}/Calls.json", apis.twilio)
    app.router.add_post(f"/v1/Accounts/{JAMBONZ_ACCOUNT}/Calls", apis.jambonz)
    async with TestServer(app) as server:
        apis.url = str(server.make_url("")).rstrip("/")
        yield apis


class TwilioOnLoopback(TwilioHttpClient):
    """The library's own HTTP, sent to a stand-in instead of api.twilio.com."""

    base = ""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        assert url.startswith("https://api.twilio.com/")
        return super().request(method, url.replace("https://api.twilio.com", self.base), *args, **kwargs)
