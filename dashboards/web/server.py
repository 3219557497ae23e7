"""Serving the page of one run on this machine, until Ctrl-C."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from coordinator.redis_server import living_server
from coordinator.run_folder import RunFolder
from dashboards.reading import reading, redis_of
from dashboards.usage import UsageError
from dashboards.web.app import create_app
from dashboards.web.feed import Feed

ADDRESS = "127.0.0.1"


def serve(path: Path, redis: str | None, port: int) -> int:
    """Serve until stopped. Raises what RunFolder.open raises, and UsageError where the port is taken."""
    run = RunFolder.open(path)
    url = redis or redis_of(run)
    feed = Feed(
        open=lambda: reading(path, redis),
        lives=lambda: url is not None or living_server(run.redis) is not None,
    )
    listener = _listen(port)
    port = listener.getsockname()[1]
    hosts = {f"{ADDRESS}:{port}", f"localhost:{port}"}
    server: uvicorn.Server
    app = create_app(feed, hosts, stopping=lambda: server.should_exit)
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    print(f"{run.path.name}: http://{ADDRESS}:{port}  (Ctrl-C stops)", flush=True)
    with suppress(KeyboardInterrupt):  # uvicorn shuts down in order, then raises the signal again
        server.run(sockets=[listener])
    return 0


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        raise UsageError(f"--port {port}: {error.strerror}; choose another, or 0 for any free one") from error
    return listener
