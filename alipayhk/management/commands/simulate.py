"""`simulate SCENARIO`: asks a running simulator to play one named scenario and prints what came of it.

Thin on purpose: it speaks HTTP to the simulator and never looks into this installation.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alipayhk.simulator import scenarios

DEFAULT_URL = "http://127.0.0.1:9000"
# A scenario waits for cards up to 45 s at each of its steps.
PATIENCE_SECONDS = 600


class Command(BaseCommand):
    help = "Play a named scenario at the AlipayHK simulator; exits 1 if it does not come out as expected."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenario", nargs="?", metavar="SCENARIO")
        parser.add_argument("--list", action="store_true", help="name all scenarios, with a sentence each")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        parser.add_argument("--simulator", default=os.environ.get("ALIPAYHK_SIMULATOR_URL", DEFAULT_URL))
        parser.add_argument(
            "--client", help="the Client-Id of the mall to play with; the first one if left out"
        )

    def handle(
        self,
        *_: object,
        scenario: str | None,
        simulator: str,
        client: str | None,
        as_json: bool,
        **options: object,
    ) -> None:
        if options["list"]:
            self._list(as_json=as_json)
        elif scenario is None:
            raise CommandError("name a scenario, or --list them", returncode=2)
        else:
            self._play(scenario, simulator=simulator, client=client, as_json=as_json)

    def _list(self, *, as_json: bool) -> None:
        sentences = scenarios.sentences()
        lines = [f"{name:<26}{sentence}" for name, sentence in sentences.items()]
        self.stdout.write(_dump({"scenarios": sentences}) if as_json else "\n".join(lines))

    def _play(self, scenario: str, *, simulator: str, client: str | None, as_json: bool) -> None:
        if scenario not in scenarios.SCENARIOS:
            raise CommandError(f"no scenario {scenario}; --list names them", returncode=2)
        result = _ask(f"{simulator.rstrip('/')}/control/scenarios/{scenario}", {"client_id": client})
        self.stdout.write(_dump(result) if as_json else _sentence(result))
        if not result["ok"]:
            sys.exit(1)


def _ask(url: str, order: dict[str, Any]) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise CommandError("--simulator must be an http address", returncode=2)
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(order).encode(), headers=headers)  # noqa: S310
    # Loopback: a proxy in the environment has no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE_SECONDS) as answer:
            content: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise CommandError(f"the simulator refused: {error.read().decode()}", returncode=2) from error
    except OSError as error:
        raise CommandError(f"no simulator answers at {url}: {error}", returncode=2) from error
    return content


def _dump(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def _sentence(result: dict[str, Any]) -> str:
    verdict = "as expected" if result["ok"] else "NOT as expected"
    return f"{result['scenario']}: {verdict}\n  expected {result['expected']}\n  actual   {result['actual']}"
