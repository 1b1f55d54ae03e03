"""`python -m alipayhk.simulator`: one AlipayHK on loopback, until it is told to stop."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from alipayhk.simulator import twin
from alipayhk.simulator.register import FILE_NAME
from alipayhk.simulator.server import SimulatorServer

PORT_IN_USE = 3


def main() -> int:
    options = _options()
    try:
        server = SimulatorServer(options.port)
    except OSError as error:
        print(f"port {options.port} cannot be used: {error.strerror}", file=sys.stderr)
        return PORT_IN_USE
    alipayhk = twin.open_twin(
        options.home, url=server.url, mall_url=options.mall_url, ladder_scale=options.ladder_scale
    )
    _announce(alipayhk, options.home)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.stop).start())
    server.serve(alipayhk)
    alipayhk.stop()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description="An offline twin of AlipayHK on loopback.")
    parser.add_argument("--port", type=int, default=9000, help="0 takes any free one")
    parser.add_argument(
        "--home", type=Path, required=True, help="where keys, cards and register_mall.json live"
    )
    parser.add_argument(
        "--mall-url", default="http://127.0.0.1:8000", help="the installation that gets the notices"
    )
    parser.add_argument(
        "--ladder-scale", type=float, default=twin.DEFAULT_LADDER_SCALE, help="1 is real time"
    )
    return parser.parse_args()


def _announce(alipayhk: twin.Twin, home: Path) -> None:
    print(f"public key {alipayhk.public_key()}")
    print(f"register   {home / FILE_NAME}")
    print(f"ready {alipayhk.url}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
