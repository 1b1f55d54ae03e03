"""One simulator and one fake mall for all tests of this folder: each test brings people of its own."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from alipayhk.simulator import twin
from alipayhk.simulator.server import SimulatorServer
from alipayhk.simulator.twin import Twin
from tests.alipayhk.simulator.fake_mall import FakeMall


@dataclass
class Simulator:
    """A running simulator as its callers see it."""

    url: str
    home: Path
    twin: Twin

    def control(self, method: str, path: str, order: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = requests.request(method, f"{self.url}/control/{path}", json=order, timeout=60)
        content: dict[str, Any] = answer.json()
        return content | {"http": answer.status_code}

    def document(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.home / "register_mall.json").read_text())
        return content


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    home = tmp_path_factory.mktemp("alipayhk home")
    server = SimulatorServer(0)
    alipayhk = twin.open_twin(home, url=server.url, mall_url="http://127.0.0.1:9", ladder_scale=0.0005)
    thread = threading.Thread(target=server.serve, args=(alipayhk,))
    thread.start()
    yield Simulator(url=server.url, home=home, twin=alipayhk)
    server.stop()
    alipayhk.stop()
    thread.join()


@pytest.fixture(scope="session")
def mall(simulator: Simulator) -> Iterator[FakeMall]:
    fake = FakeMall(simulator.document())
    simulator.control("POST", "clients", {"register": simulator.document(), "mall_url": fake.url})
    yield fake
    fake.stop()
