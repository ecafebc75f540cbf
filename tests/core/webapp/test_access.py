"""Requests under other names and from other origins are refused, and answers contain nothing of this machine."""

import asyncio
import socket
from typing import Any

import pytest

from core.webapp.access import HEADERS, AccessControl


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        for content in scope.get("messages", ()):
            await send({"type": "websocket.send", "bytes": content})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"page"})


def answers(type_: str = "http", messages: tuple[bytes, ...] = (), **headers: str) -> list[Any]:
    """The events that a server sends to a client with these request headers."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": type_, "headers": encoded, "messages": messages}
    asyncio.run(AccessControl(application, ["Page.example"])(scope, send, send))
    return sent


ALLOWED = [
    {"host": "127.0.0.1:8501"},
    {"host": "[::1]:8501"},
    {"host": "192.168.1.7"},
    {"host": "LOCALHOST:1"},
    {"host": "page.example."},
    {"host": socket.gethostname()},
    {"host": "localhost:8501", "origin": "http://localhost:8501"},
    {"host": "page.example", "origin": "https://page.example"},
]
REFUSED = [
    {},
    {"host": ""},
    {"host": "evil.example"},
    {"host": "evil.example:8501", "origin": "http://evil.example:8501"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "[::1"},
    {"host": "localhost:8501", "origin": "http://localhost:3000"},
    {"host": "localhost:8501", "origin": "http://evil.example"},
    {"host": "localhost:8501", "origin": "null"},
]


@pytest.mark.parametrize("headers", ALLOWED)
def test_permitted_requests_are_forwarded(headers: dict[str, str]) -> None:
    start, body = answers(**headers)
    assert (start["status"], body["body"]) == (200, b"page")
    assert start["headers"] == [(b"a", b"b"), *HEADERS]
    assert (b"content-security-policy", b"frame-ancestors 'none'") in HEADERS
    assert answers("websocket", **headers) == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("headers", REFUSED)
def test_other_requests_are_refused(headers: dict[str, str]) -> None:
    start, body = answers(**headers)
    assert start["status"] == 403
    assert body["body"] != b"page"
    assert [event["type"] for event in answers("websocket", **headers)] == ["websocket.close"]


def test_a_refusal_names_the_option_that_permits_the_name() -> None:
    body = answers(host="evil.example")[1]["body"]
    sentence = b"this page is not served under the name 'evil.example': start it with --allowed-host evil.example\n"
    assert body == sentence


def test_messages_contain_no_path_and_no_repository() -> None:
    proto = pytest.importorskip("streamlit.proto.ForwardMsg_pb2")
    session, repository, other = proto.ForwardMsg(), proto.ForwardMsg(), proto.ForwardMsg()
    session.new_session.main_script_path = "/home/someone/main.py"
    session.new_session.name = "main"
    repository.git_info_changed.repository = "someone/private"
    other.page_info_changed.query_string = "a=b"
    messages = tuple(message.SerializeToString() for message in (session, repository, other))
    sent = [event["bytes"] for event in answers("websocket", messages, host="localhost")[1:]]
    assert b"someone" not in b"".join(sent)
    assert proto.ForwardMsg.FromString(sent[0]).new_session.name == "main"
    assert sent[2] == messages[2]
