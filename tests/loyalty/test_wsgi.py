"""Webhooks pass no middleware; everything else passes all of it."""

import io
from typing import Any

from loyalty import wsgi


def test_webhooks_pass_no_middleware() -> None:
    status, headers = _answer("/no-such-mall/points/nothing")

    assert status.startswith("404")
    assert "Content-Security-Policy" not in headers
    assert "Set-Cookie" not in headers


def test_other_pages_pass_the_staff_middleware() -> None:
    status, headers = _answer("/healthz")

    assert status.startswith("200")
    assert "Content-Security-Policy" in headers


def _answer(path: str) -> tuple[str, dict[str, str]]:
    answered: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        answered.append((status, dict(headers)))

    list(wsgi.application(environ, start_response))
    return answered[0][0], answered[0][1]
