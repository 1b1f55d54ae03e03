"""The wallet's own network: a mini-app's calls and its package go to the mall's origin and nowhere else.

Redirects are not followed, proxies not asked, and neither cookies nor other headers of the browser go along.
"""

import re
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from alipayhk.simulator.clients import Client

PATIENCE_SECONDS = 20.0
LARGEST_ANSWER = 2_000_000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FILE_TYPES = {
    "js": "text/javascript; charset=UTF-8",
    "css": "text/css; charset=UTF-8",
    "html": "text/html; charset=UTF-8",
}
_FILE = re.compile(r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(js|css|html)")
_TARGET = re.compile(r"/[!-~]*")
_HEADER = re.compile(r"[ -~]{0,4096}")
_PASSED = ("authorization", "content-type", "accept", "accept-language", "x-http-method-override")


class Elsewhere(Exception):
    """A mini-app may call nothing but its own mall."""


class Unreachable(Exception):
    """The mall did not answer."""


@dataclass(frozen=True)
class Answer:
    """What the mall said."""

    status: int
    headers: dict[str, str]
    body: bytes


def call(client: Client, *, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
    """One request of a mini-app; `url` must begin with the origin under which the mall is registered."""
    mall, address = urlsplit(client.mall_url), _split(url)
    target = address.path + (f"?{address.query}" if address.query else "")
    is_ours = (address.scheme, address.netloc) == (mall.scheme, mall.netloc)
    if not is_ours or method not in METHODS or not _TARGET.fullmatch(target):
        raise Elsewhere
    return _exchange(mall, method, target, passed(headers), body)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Elsewhere from error


def passed(headers: dict[str, str]) -> dict[str, str]:
    """Of a mini-app's headers those that a wallet hands on."""
    named = {name.lower(): value for name, value in headers.items()}
    return {name: named[name] for name in _PASSED if name in named and _HEADER.fullmatch(named[name])}


def file_type(name: str) -> str | None:
    """The content type of a file that a mini-app's package may have; None for any other name."""
    found = _FILE.fullmatch(name)
    return FILE_TYPES[found[1]] if found else None


def package_file(client: Client, name: str) -> Answer:
    """One file of the mini-app as the mall publishes it."""
    mall = urlsplit(client.mall_url)
    return _exchange(mall, "GET", f"{mall.path.rstrip('/')}/static/miniapp/{name}", {}, None)


def _exchange(
    mall: SplitResult, method: str, target: str, headers: dict[str, str], body: bytes | None
) -> Answer:
    kind = HTTPSConnection if mall.scheme == "https" else HTTPConnection
    line = kind(mall.hostname or "", mall.port, timeout=PATIENCE_SECONDS)
    try:
        line.request(method, target, body=body, headers=headers | {"Connection": "close"})
        answer = line.getresponse()
        content = answer.read(LARGEST_ANSWER + 1)
    except (OSError, HTTPException) as error:
        raise Unreachable from error
    finally:
        line.close()
    if len(content) > LARGEST_ANSWER:
        raise Unreachable
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
