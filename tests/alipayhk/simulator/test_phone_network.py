"""A mini-app inside the phone reaches its own mall and nothing else, and brings only what the mall publishes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.test_phone import make, tap

CLIENT = "2110200000000377"
HEADERS = {
    "Authorization": "Bearer x",
    "Cookie": "session=1",
    "X-Other": "1",
    "Content-Type": "application/json",
}


class Shop:
    """A mall's web server that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/away"):
            return 302, {"Location": "http://127.0.0.1:9/elsewhere"}, b""
        if path == "/static/miniapp/app.js":
            return 200, {"Content-Type": "application/octet-stream", "Set-Cookie": "a=1"}, b"App({});"
        if path.startswith("/static/"):
            return 404, {}, b"no"
        return 401, {"Content-Type": "application/json"}, '{"error": {"message_zh": "請登入"}}'.encode()


@pytest.fixture(scope="module")
def shop(simulator: Simulator) -> Iterator[Shop]:
    made = Shop()
    document = simulator.document()
    document["alipayhk"]["client_id"] = CLIENT
    simulator.control("POST", "clients", {"register": document, "mall_url": made.url})
    yield made
    made.server.shutdown()
    made.server.server_close()


def ask(simulator: Simulator, url: str, **order: Any) -> dict[str, Any]:
    return tap(simulator, "request", user_id=make(simulator), client_id=CLIENT, url=url, **order)


def test_a_call_goes_to_the_mall_with_its_token_and_body_alone(simulator: Simulator, shop: Shop) -> None:
    shop.asked.clear()

    said = ask(
        simulator, f"{shop.url}/api/me?cursor=a%2Bb", method="post", headers=HEADERS, body='{"a": "積"}'
    )

    [(method, path, headers, body)] = shop.asked
    assert (said["http"], said["status"]) == (200, 401)
    assert (said["body"], said["headers"]["content-type"]) == (
        '{"error": {"message_zh": "請登入"}}',
        "application/json",
    )
    assert (method, path, body.decode()) == ("POST", "/api/me?cursor=a%2Bb", '{"a": "積"}')
    assert headers["authorization"] == "Bearer x"
    assert {"cookie", "x-other", "origin", "referer"} & set(headers) == set()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "{mall}@127.0.0.1:9/",
        "{mall}.example/",
        "https://127.0.0.1/",
        "//127.0.0.1:9/",
        "/api/me",
        "file:///etc/hostname",
        "{mall}",
        "{mall}/a b",
        "{mall}/a\r\nX-Evil: 1",
        "{mall}/積",
        "http://[",
        "",
    ],
)
def test_a_call_elsewhere_is_not_made(simulator: Simulator, shop: Shop, url: str) -> None:
    shop.asked.clear()

    said = ask(simulator, url.format(mall=shop.url))

    assert said["http"] == 403
    assert shop.asked == []


@pytest.mark.parametrize("order", [{"method": "CONNECT"}, {"method": "GET /x"}])
def test_a_strange_method_is_not_sent(simulator: Simulator, shop: Shop, order: dict[str, Any]) -> None:
    shop.asked.clear()

    said = ask(simulator, f"{shop.url}/", **order)

    assert said["http"] == 403
    assert shop.asked == []


def test_a_header_with_a_line_break_is_left_out(simulator: Simulator, shop: Shop) -> None:
    shop.asked.clear()

    ask(simulator, f"{shop.url}/", headers={"Accept": "a\r\nX-Evil: 1", "Authorization": "Bearer y"})

    [(_, _, headers, _)] = shop.asked
    assert (headers["authorization"], "x-evil" in headers) == ("Bearer y", False)


def test_a_redirection_is_told_and_not_followed(simulator: Simulator, shop: Shop) -> None:
    assert ask(simulator, f"{shop.url}/away")["status"] == 302


@pytest.mark.parametrize("order", [{"headers": []}, {"body": {}}])
def test_a_call_of_another_shape_is_refused(simulator: Simulator, shop: Shop, order: dict[str, Any]) -> None:
    assert ask(simulator, f"{shop.url}/", **order)["http"] == 400


def test_a_mall_that_does_not_answer_is_said_to_be_away(simulator: Simulator) -> None:
    document = simulator.document()
    document["alipayhk"]["client_id"] = "2110200000000378"
    simulator.control("POST", "clients", {"register": document, "mall_url": "http://127.0.0.1:9"})

    order = {"client_id": "2110200000000378", "url": "http://127.0.0.1:9/api"}
    said = tap(simulator, "request", user_id=make(simulator), **order)
    file = package(simulator, "app.js", "2110200000000378")

    assert (said["http"], file.status_code) == (502, 502)


def package(simulator: Simulator, name: str, client_id: str = CLIENT) -> requests.Response:
    return requests.get(f"{simulator.url}/phone/miniapp/{name}?client={client_id}", timeout=5)


def test_a_file_of_the_mini_app_comes_from_the_mall_under_our_policy(
    simulator: Simulator, shop: Shop
) -> None:
    answer = package(simulator, "app.js")

    assert (answer.status_code, answer.text) == (200, "App({});")
    assert answer.headers["Content-Type"] == "text/javascript; charset=UTF-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


def test_a_file_that_the_mall_lacks_is_missing(simulator: Simulator, shop: Shop) -> None:
    answer = package(simulator, "screens.js")

    assert (answer.status_code, answer.json()["error"]) == (404, "the mall answers 404")


@pytest.mark.parametrize(
    "name", ["app.json", "App.js", "..%2Fapp.js", "a/b.js", ".js", "a..js", "app.js.map", "app_x.js"]
)
def test_a_file_name_that_no_mini_app_has_is_not_asked_for(
    simulator: Simulator, shop: Shop, name: str
) -> None:
    shop.asked.clear()

    answer = package(simulator, name)

    assert answer.status_code == 404
    assert shop.asked == []


def test_a_mini_app_of_no_mall_is_not_there(simulator: Simulator) -> None:
    assert package(simulator, "app.js", "nobody").status_code == 404


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            shop.asked.append((self.command, self.path, headers, self.rfile.read(length)))
            status, extra, body = shop.answer(self.path)
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    return Handler
