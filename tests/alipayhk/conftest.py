"""One simulated AlipayHK for the tests of our calls: each test brings malls and people of its own."""

import threading
from collections.abc import Iterator

import pytest

from alipayhk.simulator import twin
from alipayhk.simulator.server import SimulatorServer
from tests.alipayhk.collecting import Collector, new_collector
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.picking import Picker, new_picker
from tests.alipayhk.raw_gateway import RawGateway


@pytest.fixture(scope="session")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    server = SimulatorServer(0)
    home = tmp_path_factory.mktemp("gateway")
    alipayhk = twin.open_twin(home, url=server.url, mall_url="http://127.0.0.1:9")
    thread = threading.Thread(target=server.serve, args=(alipayhk,))
    thread.start()
    yield Gateway(url=server.url, twin=alipayhk)
    server.stop()
    alipayhk.stop()
    thread.join()


@pytest.fixture
def gateway(running_gateway: Gateway) -> Iterator[Gateway]:
    """The simulator, without the faults of earlier tests."""
    yield running_gateway
    running_gateway.twin.plan.clear()


@pytest.fixture
def raw_gateway(running_gateway: Gateway) -> Iterator[RawGateway]:
    """A bare socket that holds AlipayHK's keys and answers as the test tells it."""
    made = RawGateway(running_gateway.twin.keys)
    yield made
    made.stop()


@pytest.fixture
def collector(gateway: Gateway) -> Collector:
    """A mall that collects its stores."""
    return new_collector(gateway)


@pytest.fixture
def picker(gateway: Gateway) -> Picker:
    return new_picker(gateway)
