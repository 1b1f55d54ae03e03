"""The tree as text and syntax, for tests that walk the code: files, modules, functions."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pms", "members", "loyalty", "alipayhk")
# The domain and the wire, without the runner and the twin, which are programs of their own.
PROGRAMS = ("loyalty.local", "alipayhk.simulator")
FOLDERS = (*PACKAGES, "tests", "templates", "static", "docs", ".ci")
# Other people's work, kept as it came.
BORROWED = ("static/uplot/",)
MADE = {"__pycache__", ".pytest_cache", ".mypy_cache", "node_modules"}
PICTURES = {".png", ".jpg", ".jpeg", ".ico", ".woff2", ".mo", ".pyc"}


@dataclass(frozen=True)
class Module:
    """One Python file of ours."""

    path: Path

    @property
    def name(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__")

    @property
    def text(self) -> str:
        return read(self.path)

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path)

    @property
    def is_migration(self) -> bool:
        return "migrations" in self.path.parts

    def is_in(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@cache
def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(read(path))


@cache
def files() -> tuple[Path, ...]:
    """All text files of the tree that are ours, the lock files of dependencies left out."""
    top = [path for path in ROOT.iterdir() if path.is_file() and _is_kept(path)]
    below = [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*")) if path.is_file()]
    return tuple(path for path in (*sorted(top), *below) if _is_ours(path))


@cache
def modules() -> tuple[Module, ...]:
    return tuple(Module(path) for path in files() if path.suffix == ".py")


def product_modules() -> list[Module]:
    """What is served in production and what starts it; no tests, no migrations."""
    return [module for module in modules() if module.is_in(*PACKAGES) and not module.is_migration]


def domain_modules() -> list[Module]:
    return [module for module in product_modules() if not module.is_in(*PROGRAMS)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def shown(path: Path, line: int = 0) -> str:
    """A place in the tree, as a reader would look it up."""
    place = str(path.relative_to(ROOT))
    return f"{place}:{line}" if line else place


def lines_with(pattern: str, paths: tuple[Path, ...]) -> list[str]:
    """Every line in which the pattern occurs, with its place."""
    wanted = re.compile(pattern)
    return [
        f"{shown(path, number)} {line.strip()[:80]}"
        for path in paths
        for number, line in enumerate(read(path).splitlines(), 1)
        if wanted.search(line)
    ]


def _is_kept(path: Path) -> bool:
    return path.name not in (".env",) and not path.name.endswith(".lock")


def _is_ours(path: Path) -> bool:
    place = shown(path)
    return (
        path.suffix not in PICTURES
        and not MADE & set(path.parts)
        and not place.startswith(BORROWED)
        and not path.name.startswith("requirements")
    )
