"""`./run bench`: measures, prints a table, writes JSON, and exits non-zero when a floor is missed."""

import argparse
import json
import sys
from pathlib import Path

import django

from loyalty.local import processes

django.setup()

from tests.bench import figures, measuring, receipts  # noqa: E402 - the models of what is measured need Django first


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="20,000 members, rounds of 4 s, no steady traffic"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument(
        "--receipts", type=int, metavar="ROWS", help="only a receipt file of so many rows: seconds and memory"
    )
    options = parser.parse_args(arguments)
    # A stop must unwind everything that was started, down to the servers of a whole installation.
    processes.stop_on_signals()
    try:
        if options.receipts:
            return 0 if receipts.measure(options.receipts) else 1
        report = measuring.measure(measuring.QUICK if options.quick else measuring.FULL)
    except (*measuring.FAILURES, receipts.ReceiptsFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except processes.StopRequested:
        return 130
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    print(report.table())
    return figures.exit_code(report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
