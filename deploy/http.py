"""The web application of a role: routers, health, metrics, and a server that stops when it is told to."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from deploy.metrics import PrometheusMetrics


def create_web(routers: list[APIRouter], metrics: PrometheusMetrics, ready: Callable[[], str | None]) -> FastAPI:
    """The application. `ready` answers None, or what the role still waits for."""
    app = FastAPI(title="LiteHeart", version="1", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)

    @app.get("/healthz", tags=["operation"])
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"])
    def readyz() -> JSONResponse:
        """The process can do its work; 503 says what is missing."""
        waiting = ready()
        return JSONResponse(
            {"status": "ok"} if waiting is None else {"waiting_for": waiting}, 200 if not waiting else 503
        )

    @app.get("/metrics", tags=["operation"])
    def exposition() -> Response:
        """Prometheus text format; counts and times only, no identifiers."""
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    for router in routers:
        app.include_router(router)
    return app


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the role, which stops all its parts in order."""
        yield


@contextlib.asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` inside this loop; gives the port (0 asks for a free one). Raises OSError when it is taken."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        lifespan="off",
        ws_max_size=1 << 20,
        timeout_graceful_shutdown=2,
        proxy_headers=False,  # who is on loopback is decided by the socket, never by a header
        server_header=False,
    )
    listener = _bind(host, port)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()
