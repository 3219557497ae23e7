"""The page of a run as an ASGI application: static files, and the run's state as server-sent events.

It changes nothing: GET and HEAD are all it answers. A page elsewhere cannot read it (Host and Origin are
checked, so neither a foreign script nor a rebound name gets in), and what a run holds cannot become
script (the page inserts text only, and the policy below allows no inline script).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.web.feed import Feed

STATIC = Path(__file__).parent / "static"
STREAMS = 32
"""Browsers that may listen at a time."""
PAUSE_SECONDS = 1.0
SILENCE = 15
"""Pauses without news after which a comment is sent, so that a vanished browser is noticed."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(
    feed: Feed,
    hosts: Collection[str],
    stopping: Callable[[], bool] = lambda: False,
    pause: float = PAUSE_SECONDS,
) -> ASGIApp:
    """feed: what is shown. hosts: the Host headers that are let in, `127.0.0.1:8765`.

    stopping: says when listeners must be sent away. pause: seconds between two looks at the feed.
    """
    listeners = anyio.CapacityLimiter(STREAMS)

    async def index(request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def page(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(feed.latest))

    async def events(request: Request) -> Response:
        if listeners.available_tokens < 1:
            return PlainTextResponse(f"{STREAMS} browsers listen already", 503)
        return StreamingResponse(stream(), media_type="text/event-stream")

    async def stream() -> AsyncIterator[str]:
        async with listeners:
            last, quiet = "", 0
            while not stopping():
                news = json.dumps(await run_in_threadpool(feed.latest), allow_nan=False)
                if news != last:
                    last, quiet = news, 0
                    yield f"data: {news}\n\n"
                elif (quiet := quiet + 1) % SILENCE == 0:
                    yield ": still here\n\n"
                await anyio.sleep(pause)

    routes = [
        Route("/", index),
        Route("/page.json", page),
        Route("/events", events),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Guard(Starlette(routes=routes), frozenset(hosts))


class Guard:
    """Lets in who may read, and sends the headers that keep a browser strict."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope["method"], Headers(scope=scope))
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        if headers.get("host", "") not in self._hosts:
            return PlainTextResponse("this page is served to this machine only", 421)
        if (origin := headers.get("origin")) and urlsplit(origin).netloc not in self._hosts:
            return PlainTextResponse("this page is read by itself only", 403)
        if method not in ("GET", "HEAD"):
            return PlainTextResponse("this page only shows", 405, {"Allow": "GET, HEAD"})
        return None


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return guarded
