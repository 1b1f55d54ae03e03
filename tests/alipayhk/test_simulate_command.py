"""`manage simulate`: prints what the simulator says, and exits by whether it came out as expected."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alipayhk.simulator import scenarios


class Answering(HTTPServer):
    """Stands for a simulator: notes what it is asked and answers what the test says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.ok = True
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, order))
        name = self.path.rpartition("/")[2]
        points = 138 if self.server.ok else 139
        result = {"scenario": name, "expected": {"points": 138}, "actual": {"points": points}}
        content = json.dumps(result | {"ok": self.server.ok}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def simulator() -> Iterator[Answering]:
    server = Answering()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def simulate(*arguments: str) -> str:
    out = StringIO()
    call_command("simulate", *arguments, stdout=out)
    return out.getvalue()


def test_a_scenario_that_comes_out_prints_its_json(simulator: Answering) -> None:
    printed = json.loads(simulate("join_pay", "--simulator", simulator.url, "--json"))

    assert printed == {
        "scenario": "join_pay",
        "expected": {"points": 138},
        "actual": {"points": 138},
        "ok": True,
    }
    assert simulator.asked == [("/control/scenarios/join_pay", {"client_id": None})]


def test_a_scenario_that_does_not_come_out_ends_non_zero(simulator: Answering) -> None:
    simulator.ok = False

    with pytest.raises(SystemExit) as ending:
        simulate("join_pay", "--simulator", simulator.url, "--json")

    assert ending.value.code == 1


def test_without_json_it_speaks_in_sentences(simulator: Answering) -> None:
    assert simulate("join_pay", "--simulator", simulator.url).startswith("join_pay: as expected")


def test_the_mall_to_play_with_can_be_named(simulator: Answering) -> None:
    simulate("join_pay", "--simulator", simulator.url, "--client", "2110200000000045")

    assert simulator.asked[0][1] == {"client_id": "2110200000000045"}


def test_the_list_names_every_scenario_without_a_simulator() -> None:
    printed = simulate("--list")

    assert all(name in printed for name in scenarios.SCENARIOS)
    assert json.loads(simulate("--list", "--json"))["scenarios"] == scenarios.sentences()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name a scenario"),
        (("nonsense",), "no scenario nonsense"),
        (("join_pay", "--simulator", "http://127.0.0.1:9"), "no simulator answers"),
        (("join_pay", "--simulator", "file:///etc"), "must be an http address"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as refusal:
        simulate(*arguments)

    assert refusal.value.returncode == 2
