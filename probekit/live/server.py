"""The local server of `probekit watch`: one page and one connection per tab, on 127.0.0.1, behind a secret address."""

import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from probekit.errors import UserError
from probekit.live.access import HOST, Guard
from probekit.live.viewer import Show, Viewer

_TOKEN_BYTES: Final = 24
_NONCE_BYTES: Final = 16
_LARGEST_MESSAGE: Final = 2**20
_SECONDS_TO_END: Final = 3
_WEBSOCKETS: Final = "websockets-sansio"


class LiveServer:
    """Serves a page and its connections until it is interrupted; the socket is open once this is made.

    Args:
        page: page as HTML for a nonce, without which a browser runs none of its scripts.
        show: makes what a new connection generates; called in the worker.
        port: port; 0 takes a free one.

    Attributes:
        address: what the user opens.
        viewers: connections that are open.

    Raises:
        UserError: the port is taken.
    """

    def __init__(self, page: Callable[[str], str], show: Callable[[], Show], port: int = 0) -> None:
        self._page = page
        self._show = show
        self._socket = _listening(port)
        number = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.address = f"http://{HOST}:{number}/{token}/"
        self.viewers: set[Viewer] = set()
        self._worker = ThreadPoolExecutor(1, "rollouts")
        routes = [Route(f"/{token}/", self._send_page), WebSocketRoute(f"/{token}/socket", self._serve)]
        self._server = uvicorn.Server(
            uvicorn.Config(
                Guard(Starlette(routes=routes), token, number),
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws=_WEBSOCKETS,
                ws_max_size=_LARGEST_MESSAGE,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=_SECONDS_TO_END,
            )
        )

    def run(self) -> None:
        """Serve until Ctrl-C, or `stop` in another thread; open connections are closed then."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._worker.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """End `run`."""
        self._server.should_exit = True

    async def _send_page(self, request: Request) -> HTMLResponse:
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        return HTMLResponse(self._page(nonce), headers=_headers(nonce, request.url.netloc))

    async def _serve(self, connection: WebSocket) -> None:
        await connection.accept()
        viewer = Viewer(connection, self._show, self._worker)
        self.viewers.add(viewer)
        try:
            with suppress(WebSocketDisconnect):
                await viewer.serve()
        finally:
            self.viewers.discard(viewer)


def _listening(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
        opened.listen()
    except OSError as error:
        opened.close()
        raise UserError(f"The port {port} cannot be used: {error.strerror}.", "Leave --port out.") from error
    return opened


def _headers(nonce: str, host: str) -> dict[str, str]:
    """Headers with which the page reaches nothing but its own server, and nobody can frame or cache it."""
    allowed = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": f"'nonce-{nonce}'",
        "img-src": "data: blob:",
        "connect-src": f"ws://{host}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in allowed.items()),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
