"""Which requests the page answers, and what its answers may contain: a layer around the ASGI application of Streamlit.

A server on this machine is reachable by the scripts of every page that a browser shows. They must not reach it under
another name (DNS rebinding), send requests from another origin, or show the page inside another one.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
"""A scope, event or answer of the ASGI protocol (asgi.readthedocs.io)."""
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers of every answer."""


class AccessControl:
    """ASGI application that forwards the permitted requests to another one.

    Args:
        application: The application of Streamlit.
        hosts: Names under which the page may be requested, besides IP addresses, `localhost` and the name of this
            machine. A script of another page cannot request it under an IP address and remain of the same origin.
    """

    def __init__(self, application: Application, hosts: Sequence[str] = ()) -> None:
        self._application = application
        self._hosts = {name.lower() for name in ("localhost", socket.gethostname(), *hosts)}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or one WebSocket connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
        elif refusal := self._refusal(scope):
            await _refuse(scope, send, refusal)
        else:
            await self._application(scope, receive, _guarded(send))

    def _refusal(self, scope: Message) -> str | None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        name = hostname(f"//{host}")
        if not (name in self._hosts or _is_address(name)):
            return f"this page is not served under the name {name!r}: start it with --allowed-host {name}"
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "this request comes from another page"
        return None


def hostname(address: str) -> str:
    """Return the host of an address without its port, in lower case; empty if there is none."""
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(scope: Message, send: Send, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})


def _guarded(send: Send) -> Send:
    """Return `send` with `HEADERS` in every answer and without facts about this machine in the messages."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        elif message["type"] == "websocket.send" and message.get("bytes"):
            message["bytes"] = _without_facts_about_server(message["bytes"])
        await send(message)

    return send_guarded


def _without_facts_about_server(content: bytes) -> bytes:
    """Return a message of Streamlit without the path of the script and the state of the repository around it."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg.FromString(content)
    if message.HasField("new_session"):
        message.new_session.main_script_path = ""
    elif message.HasField("git_info_changed"):
        message.git_info_changed.Clear()
    else:
        return content
    return bytes(message.SerializeToString())
