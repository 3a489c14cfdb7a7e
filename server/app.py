"""The HTTP face of a server: carriers' routes, health, metrics."""

import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from server import auth
from server.console.app import add_console
from server.console.gate import Gate
from server.console.responses import PHONE
from server.house import House
from server.routes.calls import CallRoutes
from server.routes.door import Door
from server.routes.feelings import FeelingRoutes
from server.routes.jambonz import JambonzRoutes
from server.routes.phone import PhoneRoutes
from server.routes.twilio import TwilioRoutes

_BODY_LIMIT = 64 * 1024


def create_app(house: House) -> web.Application:
    """All routes of one server. `/metrics` asks for the configured token; without one it serves loopback only, since the
    port is the one that carriers reach."""
    door = Door(house)
    # On a port of its own the console is for others than the carriers' port: a browser that is signed in there is a stranger here.
    operators = Gate(door, time.monotonic) if house.config.server.console_port is None else None
    token = house.config.server.metrics_token

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        """200 once calls can be taken: models loaded and warmed, and not shutting down."""
        return web.json_response(
            {"ready": house.ready, "calls": len(house.sessions)}, status=200 if house.ready else 503
        )

    async def metrics(request: web.Request) -> web.Response:
        if token is None:
            if not door.on_loopback(request):
                door.count_refusal("metrics_not_loopback")
                text = "metrics are served on loopback only: set server.metrics_token\n"
                return web.Response(status=403, text=text)
        elif not auth.bearer_authorized(request.headers.get("Authorization", ""), token.get_secret_value()):
            door.count_refusal("metrics_token")
            return web.Response(status=401, text="unauthorized\n", headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=generate_latest(house.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=_BODY_LIMIT)
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    app.add_routes(TwilioRoutes(house).routes())
    app.add_routes(JambonzRoutes(house).routes())
    app.add_routes(CallRoutes(house).routes())
    if house.config.phone.enabled:
        phone = PhoneRoutes(house, operators)
        app.add_routes(phone.routes())
        app.on_shutdown.append(phone.close)
    app.add_routes(FeelingRoutes(house, operators).routes())
    if operators is not None:
        app[PHONE] = house.config.phone.enabled
        add_console(app, house, operators)
    return app
