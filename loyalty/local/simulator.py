"""`./run simulator --port N --home DIR`: the twin of AlipayHK, which shares nothing with us but HTTP."""

import os
import sys
from typing import NoReturn


def main(arguments: list[str]) -> NoReturn:
    os.execve(sys.executable, [sys.executable, "-m", "alipayhk.simulator", *arguments], dict(os.environ))
