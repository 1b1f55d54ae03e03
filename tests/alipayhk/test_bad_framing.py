"""What only the web server itself can show: doubled headers, odd framing, hidden requests, floods (B008 to B163).

Slow and idle connections, and ambiguous lengths (B052, B058, B059), are in `tests/loyalty/test_gunicorn.py`.
"""

import time

import pytest

from tests import factories, live
from tests.alipayhk import web
from tests.alipayhk.wallet import STRANGER, SUCCESS, TOO_MANY
from tests.alipayhk.web import Web, request

Pairs = list[tuple[str, str]]


@pytest.fixture(scope="module")
def site(live_installation: live.Installation) -> Web:
    return web.opened(live_installation)


@pytest.fixture
def path(site: Web) -> str:
    return site.alipayhk.path("BILL")


def test_a_genuine_message_is_taken_and_kept(site: Web, path: str) -> None:
    body, before = site.bill(), site.notices()

    answer = site.send(request(path, body, site.signed(body)))

    assert answer.verdict == SUCCESS
    assert site.notices() == before + 1


def test_b008_a_folded_header_is_refused(site: Web, path: str) -> None:
    body, before = site.bill(), site.notices()
    headers = site.signed(body)
    headers["Signature"] = headers["Signature"].replace(",signature", ",\r\n signature")

    answer = site.send(request(path, body, headers))

    assert (answer.status, answer.is_signed) == (400, False)
    assert site.notices() == before


@pytest.mark.parametrize("name", ["Signature", "Client-Id", "Request-Time"])
def test_b012_b021_b041_a_header_given_twice_is_a_strangers(site: Web, path: str, name: str) -> None:
    body, before = site.bill(), site.notices()
    headers = site.signed(body)

    answer = site.send(request(path, body, [*headers.items(), (name, headers[name])]))

    assert answer.verdict == STRANGER
    assert site.notices() == before


def test_b013_a_signature_of_10_kb_is_refused_before_it_is_looked_at(site: Web, path: str) -> None:
    body = site.bill()
    headers = site.signed(body)
    headers["Signature"] += "A" * 10_240

    answer = site.send(request(path, body, headers))

    assert (answer.status, answer.is_signed) in {(431, False), (400, False)}


def test_b024_a_client_id_with_an_underscore_counts_as_missing(site: Web, path: str) -> None:
    body, before = site.bill(), site.notices()
    headers = site.signed(body)
    headers["Client_Id"] = headers.pop("Client-Id")

    answer = site.send(request(path, body, headers))

    assert answer.verdict == STRANGER
    assert site.notices() == before


def test_b024_an_underscore_beside_the_right_name_changes_nothing(site: Web, path: str) -> None:
    body = site.bill()

    answer = site.send(request(path, body, site.signed(body) | {"Client_Id": "another"}))

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "SCRIPT-NAME", "PATH-INFO", "REMOTE_ADDR"])
def test_b026_no_header_changes_the_routing(site: Web, path: str, name: str) -> None:
    body = site.bill()

    answer = site.send(request(path, body, site.signed(body) | {name: "/x"}))

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_b031_an_absolute_target_is_refused(site: Web, path: str, host: str) -> None:
    body, before = site.bill(), site.notices()

    answer = site.send(request(f"http://{host}{path}", body, site.signed(body)))

    assert (answer.status, answer.is_signed) == (400, False)
    assert site.notices() == before


HOSTS: dict[str, tuple[str | None, Pairs]] = {
    "foreign": ("evil.example", []),
    "missing": (None, []),
    "doubled": ("localhost", [("Host", "localhost")]),
    "foreign one first": ("evil.example", [("Host", "localhost")]),
    "empty": ("", []),
    "with a path": ("localhost/x", []),
}


@pytest.mark.parametrize(("host", "more"), HOSTS.values(), ids=HOSTS.keys())
def test_b032_a_host_that_is_not_ours_is_refused(site: Web, path: str, host: str | None, more: Pairs) -> None:
    body, before = site.bill(), site.notices()

    answer = site.send(request(path, body, [*more, *site.signed(body).items()], host=host))

    assert (answer.status, answer.is_signed) == (400, False)
    assert site.notices() == before


CHUNKED = {
    "B053 well-formed": (b"%x\r\n%b\r\n0\r\n\r\n", {411}),
    "B055 size not hexadecimal": (b"zz\r\n%.0s%b\r\n0\r\n\r\n", {400, 411}),
    "B055 with trailers": (b"%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n", {400, 411}),
}


@pytest.mark.parametrize(("form", "statuses"), CHUNKED.values(), ids=CHUNKED.keys())
def test_a_chunked_body_is_refused_and_never_taken_for_an_empty_one(
    site: Web, path: str, form: bytes, statuses: set[int]
) -> None:
    body, before = site.bill(), site.notices()
    headers = site.signed(body) | {"Transfer-Encoding": "chunked"}
    chunks = form.replace(b"%x", b"%x" % len(body)).replace(b"%.0s", b"").replace(b"%b", body)

    answer = site.send(request(path, chunks, headers, length=None))

    assert answer.status in statuses
    assert not answer.is_signed
    assert site.notices() == before


def test_b055_a_chunked_body_without_its_last_chunk_is_refused_at_once(site: Web, path: str) -> None:
    body = site.bill()
    headers = site.signed(body) | {"Transfer-Encoding": "chunked"}

    answer = site.send(request(path, b"%x\r\n%b\r\n" % (len(body), body), headers, length=None))

    assert answer.status in {400, 411}
    assert answer.seconds < 3


def test_b056_a_request_hidden_behind_another_is_judged_alone(site: Web, path: str) -> None:
    body, hidden, before = site.bill(), site.bill(), site.notices()
    forged = site.signed(hidden) | {"Signature": "algorithm=RSA256,keyVersion=1,signature=AAAA"}

    with site.connected() as client:
        client.sendall(request(path, body, site.signed(body)) + request(path, hidden, forged))
        answers = [web.read(client, path), web.read(client, path)]

    assert [answer.verdict for answer in answers] == [SUCCESS, STRANGER]
    assert site.notices() == before + 1


def test_b056_what_follows_the_announced_body_is_not_part_of_it(site: Web, path: str) -> None:
    body = site.bill()

    answer = site.send(request(path, body + b"and more", site.signed(body), length=len(body)))

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize(
    ("announced", "sent"), [(64 * 1024 + 1, 64 * 1024 + 1), (2**30, 10), (10**30, 10)],
    ids=["64 KB and a byte", "1 GB announced", "more than a number"],
)  # fmt: skip
def test_b057_a_body_too_large_is_refused_at_once(site: Web, path: str, announced: int, sent: int) -> None:
    before, body = site.notices(), b" " * sent

    answer = site.send(request(path, body, site.signed(body), length=announced))

    assert (answer.status, answer.is_signed) == (413, False)
    assert answer.seconds < 3
    assert site.notices() == before


def test_b057_a_body_of_64_kb_is_read(site: Web, path: str) -> None:
    body = site.bill()
    body += b" " * (64 * 1024 - len(body))

    answer = site.send(request(path, body, site.signed(body)))

    assert answer.verdict == SUCCESS


def test_b060_who_sends_only_forgeries_is_soon_not_looked_at_and_others_do_not_notice(
    site: Web, path: str
) -> None:
    body, before = site.bill(), site.notices()
    forged = request(path, body, site.signed(body) | {"Signature": "algorithm=none"})
    genuine = site.bill()

    with site.connected(source="127.0.0.66") as client:
        verdicts = [STRANGER]
        while verdicts[-1] == STRANGER and len(verdicts) < 1000:
            client.sendall(forged)
            verdicts.append(web.read(client, path).verdict)
        other = site.send(request(path, genuine, site.signed(genuine)))

    assert verdicts[-1] == TOO_MANY
    assert other.verdict == SUCCESS
    assert other.seconds < 2
    assert site.notices() == before + 1


def test_b070_expect_100_continue_is_answered(site: Web, path: str) -> None:
    body = site.bill()
    raw = request(path, body, site.signed(body) | {"Expect": "100-continue"})
    head = raw[: -len(body)]

    with site.connected() as client:
        client.sendall(head)
        go_on = client.recv(25)
        client.sendall(body)
        answer = web.read(client, path)

    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("host", ["localhost", None])
def test_b070_http_1_0_is_spoken(site: Web, path: str, host: str | None) -> None:
    body = site.bill()

    answer = site.send(request(path, body, site.signed(body), version="HTTP/1.0", host=host))

    assert answer.verdict == SUCCESS


def test_b070_an_offer_of_http_2_is_passed_over(site: Web, path: str) -> None:
    body = site.bill()
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}

    answer = site.send(request(path, body, site.signed(body) | offer))

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("name", ["Client-Id", "User-Agent", "Request-Time", "Signature"])
@pytest.mark.parametrize(
    "text", ["a\rb", "\x1b[31mred\x1b[0m", "\x9b31m", "x" * 8000], ids=["CR", "ANSI", "CSI", "8 KB"]
)
def test_b163_what_strangers_write_is_one_short_escaped_line(
    site: Web, path: str, name: str, text: str
) -> None:
    before, log = site.notices(), site.log()
    body = site.bill()

    answer = site.send(request(path, body, site.signed(body) | {"Client-Id": "nobody"} | {name: text}))

    time.sleep(0.05)
    lines = site.log().removeprefix(log).splitlines()
    assert answer.status in {400, 401, 431}
    assert all(len(line) <= 256 and line.isprintable() for line in lines)
    assert site.notices() == before


def test_b163_a_header_of_a_megabyte_is_refused(site: Web, path: str) -> None:
    with site.connected() as client:
        try:
            client.sendall(request(path, b"", {"User-Agent": "x" * 2**20}))
        except OSError:
            pass  # refused before all of it was sent
        status = client.recv(12)

    assert status in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")


def test_b017_a_revoked_key_is_refused_at_once_by_every_process_and_a_new_one_taken(
    site: Web, path: str
) -> None:
    """The mall itself was registered while these processes ran."""
    newer = factories.key_pair("ALIPAYHK 2")
    site.register(public_keys=[web.public_key(2, newer)])
    bodies = [site.bill() for _ in range(6)]
    by_newer = [request(path, body, site.alipayhk.sign(path, body, key=newer, version=2)) for body in bodies]

    taken = [site.send(raw).verdict for raw in by_newer[:3]]
    site.register(public_keys=[web.public_key(2, newer) | {"state": "REVOKED"}])
    refused = [site.send(raw).verdict for raw in by_newer]
    body = site.bill()
    by_older = site.send(request(path, body, site.signed(body)))

    assert set(taken) == {SUCCESS}
    assert set(refused) == {STRANGER}
    assert by_older.verdict == SUCCESS
