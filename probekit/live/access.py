"""Who may talk to the local server: this machine's browser with the address that the command printed, nobody else."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_REFUSED = b"Forbidden: use the address that the command printed.\n"


def is_allowed(path: str, headers: Mapping[str, list[str]], token: str, port: int) -> bool:
    """Whether a request comes from the page or the address bar of a browser on this machine.

    A foreign host in the request is a name that somebody else points here (DNS rebinding); a foreign origin is another
    site's page.

    Args:
        path: path of the request; it begins with the token.
        headers: values by lower-case name; `host` must be there once, `origin` at most once.
        token: secret part of the address.
        port: port of the server.
    """
    given = path.split("/")[1] if path.startswith("/") else ""
    hosts = {f"{name}:{port}" for name in _NAMES}
    host, origin = headers.get("host", []), headers.get("origin", [])
    known = len(host) == 1 and host[0] in hosts
    own = not origin or (len(origin) == 1 and known and origin[0] == f"http://{host[0]}")
    return known and own and hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


class Guard:
    """Answers 403 in place of an application where a request is not allowed.

    Args:
        app: application.
        token: secret part of the address.
        port: port of the server.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it; before a websocket is accepted, closing it is a 403."""
        headers: dict[str, list[str]] = {}
        for name, value in scope.get("headers", []):
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        if is_allowed(scope.get("path", ""), headers, self._token, self._port):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "forbidden"})
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": plain})
            await send({"type": "http.response.body", "body": _REFUSED})
