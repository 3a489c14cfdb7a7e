"""The operator's door: POST /api/calls places a call."""

import time
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
import pydantic
import structlog
from aiohttp import web
from pydantic import Field, field_validator

from pipelines.problems import explain
from server import auth
from server.agent_config import AgentConfig, Language, Section, plain_number
from server.carriers import CarrierError, twilio
from server.carriers.jambonz_rest import JambonzRest
from server.house import House
from server.placed import Pace, Placed
from server.reference import shaped
from server.routes.door import Door

log = structlog.get_logger()

_MESSAGE_LIMIT = 2_000  # characters: two minutes and a half
# No short numbers: they are emergency services, or dear.
NUMBER = r"\+[1-9][0-9]{6,14}|sips?:[^\s<>\"']{3,200}"
Number = Annotated[str, shaped(NUMBER, "a number is written +33123456789, or as a SIP address")]


class CallRequest(Section):
    """What is asked for. `from`: the number that the callee sees, by default the agent's first; `agent`: by default the first; `carrier`: by
    default the one that is configured to place calls, Twilio if both are; `message`: what is left on a machine, "" to hang up on it; `language`: in
    which the agent begins and the message is spoken, by default the agent's first."""

    to: Number
    from_: Number | None = Field(None, alias="from")
    agent: str | None = None
    carrier: Literal["twilio", "jambonz"] | None = None
    message: str = Field("", max_length=_MESSAGE_LIMIT)
    language: Language | None = None

    @field_validator("message")
    @classmethod
    def _words(cls, message: str) -> str:
        message = " ".join(message.split())
        if message and not any(c.isalnum() for c in message):
            raise ValueError("has no words. Write some, or leave it out.")
        return message


class CallRoutes:
    """Every request must bring `server.api_token`; without one configured no calls are placed."""

    def __init__(self, house: House) -> None:
        self._house, self._door = house, Door(house)
        settings = house.config.server
        self._token = settings.api_token.get_secret_value() if settings.api_token else ""
        self._public = settings.public_url
        self._pace = Pace(settings.api_calls_per_minute, time.monotonic)
        self._twilio = twilio.rest_of(house.config.twilio)
        self._jambonz = JambonzRest(house.config.jambonz)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/calls", self.place)]

    async def place(self, request: web.Request) -> web.Response:
        """202 with `call_id`, `carrier` and `agent`; else `errors`, each with its mend."""
        if not self._token:
            return self._refuse(403, "api_off", "no calls are placed here. Set server.api_token.")
        if not auth.bearer_authorized(request.headers.get("Authorization", ""), self._token):
            return self._refuse(
                401, "api_token", "the token is not the configured one. Send Authorization: Bearer <server.api_token>."
            )
        wanted = self._read(await request.read())
        if isinstance(wanted, list):
            return _errors(400, *wanted)
        agent = self._agent(wanted)
        caller_id = wanted.from_ or next(map(plain_number, agent.numbers if agent else []), "")
        carrier = wanted.carrier or ("jambonz" if self._jambonz.usable and not self._twilio.usable else "twilio")
        if problems := self._problems(wanted, agent, caller_id, carrier):
            return _errors(400, *problems)
        if not self._door.has_room():
            return _errors(503, "there is no room for another call. Try again later, or raise server.max_calls.")
        parameters = (
            self._house.placed.keep(Placed(agent.name, wanted.message, wanted.language or ""))
            if self._pace.admit()
            else None
        )
        if parameters is None:
            return self._refuse(
                429, "api_pace", "too many calls at once. Try again in a minute, or raise server.api_calls_per_minute."
            )
        try:
            call_id = await self._create(carrier, wanted.to, caller_id, parameters)
        except CarrierError as error:
            self._house.placed.forget(parameters)
            log.warning("call_not_placed", carrier=carrier, error=str(error))
            return _errors(502, f"{error}. Look in the carrier's console, and mend [{carrier}] or the numbers.")
        log.info("call_placed", call_id=call_id, carrier=carrier, agent=agent.name)
        return web.json_response({"call_id": call_id, "carrier": carrier, "agent": agent.name}, status=202)

    def _read(self, body: bytes) -> CallRequest | list[str]:
        """The request, or all that is wrong with it."""
        try:
            fields = msgspec.json.decode(body, type=dict)
        except (ValueError, RecursionError):
            return ['the body is no JSON object. Send {"to": "+33123456789", "agent": "..."}.']
        try:
            return CallRequest.model_validate(fields)
        except pydantic.ValidationError as error:
            return explain(error, CallRequest)

    def _agent(self, wanted: CallRequest) -> AgentConfig | None:
        config = self._house.config
        return config.agents[0] if wanted.agent is None else config.agent_named(wanted.agent)

    def _problems(self, wanted: CallRequest, agent: AgentConfig | None, caller_id: str, carrier: str) -> list[str]:
        """What does not go together with the configuration."""
        problems = []
        if agent is None:
            names = ", ".join(agent.name for agent in self._house.config.agents)
            problems.append(f"agent: there is none of that name. Take one of {names}.")
        elif not caller_id:
            problems.append("from: is missing, and the agent has no number. Add it, or give the agent numbers.")
        if agent is not None and wanted.language is not None and wanted.language not in agent.languages:
            problems.append(f"language: the agent speaks {', '.join(agent.languages)}. Take one of them.")
        if carrier == "jambonz" and not self._jambonz.usable:
            problems.append(
                "carrier: jambonz cannot place calls. Set jambonz.api_url, api_key, account_sid and application_sid."
            )
        if carrier == "twilio" and not self._twilio.usable:
            problems.append("carrier: Twilio cannot place calls. Set twilio.account_sid and twilio.auth_token.")
        elif carrier == "twilio" and not self._public:
            problems.append("carrier: Twilio could not reach this server. Set server.public_url.")
        return problems

    async def _create(self, carrier: str, to: str, from_: str, parameters: dict[str, str]) -> str:
        if carrier == "jambonz":
            return await self._jambonz.create(to, from_, parameters)
        return await self._twilio.create(to, from_, f"{self._public}/twilio/voice?{urlencode(parameters)}")

    def _refuse(self, status: int, cause: str, error: str) -> web.Response:
        self._door.count_refusal(cause)
        return _errors(status, error)


def _errors(status: int, *errors: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "60"} if status in (429, 503) else {}
    return web.json_response({"errors": errors}, status=status, headers=headers)
