"""For systems without a parent-death signal (macOS): ends a child when the pipe held by its parent closes."""

import os
import signal
import subprocess
import sys
import threading


def main(arguments: list[str]) -> int:
    pipe, number, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    child = subprocess.Popen(command)
    for kind in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(kind, lambda received, _frame: child.send_signal(received))
    threading.Thread(target=_wait_for_the_end, args=(pipe, number, child), daemon=True).start()
    return child.wait()


def _wait_for_the_end(pipe: int, number: int, child: subprocess.Popen[bytes]) -> None:
    while os.read(pipe, 1):
        pass
    child.send_signal(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
