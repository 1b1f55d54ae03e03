"""What must outlive a restart of the simulator: one line of JSON per event, read back at the start."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file of events. `None` as path keeps nothing, for short-lived simulators."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def append(self, kind: str, fields: dict[str, Any]) -> None:
        if self._path is None:
            return
        line = json.dumps({"event": kind, **fields}, ensure_ascii=False, separators=(",", ":"))
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """Every event in order. A last line cut off by a kill is left out."""
        if self._path is None or not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            yield event

    def clear(self) -> None:
        if self._path is not None:
            with self._lock:
                self._path.unlink(missing_ok=True)
