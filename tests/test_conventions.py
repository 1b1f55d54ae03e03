"""The house rules about files, modules and functions, read from the code itself."""

import ast
import re
import statistics
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps

from tests import source
from tests.source import Module

LONGEST_FUNCTION = 50
LONGEST_FILE = 400
# Named for nothing in particular, so anything ends up in them (architecture §5.8).
EMPTY_NAMES = {
    *(
        "utils",
        "util",
        "helper",
        "helpers",
        "service",
        "services",
        "manager",
        "managers",
        "handler",
        "handlers",
    ),
    *("data", "info", "core", "common", "misc", "base", "shared"),
}
# What Django or Celery looks up by its name may stand once in every app.
FRAMEWORK_NAMES = {"__init__", "__main__", "models", "admin", "apps", "tasks", "urls", "views"}
FRAMEWORK_PACKAGES = (".management", ".management.commands", ".templatetags")
SIGNAL_MODULES = ("django.dispatch", "django.db.models.signals", "django.core.signals", "django.test.signals")
# AlipayHK's own field names. They belong to the wire's payloads, the twin, and what speaks the twin's language.
WIRE_WORDS = (
    *("billNo", "cnBillNo", "outBillNo", "orderAmount", "payTime", "relateBillNo", "refundAmount"),
    *("refundTime", "refundOutBillNo", "pmsLabel", "mobileNo", "userEmail", "pointsProvider", "bizSerialId"),
)
WIRE_SPEAKERS = ("alipayhk.payloads", "alipayhk.field_rules", "alipayhk.simulator", "loyalty.local.story")
# Where the clock is read and handed on: named so alone, or by the last word, as in `rule_pages`.
EDGES = {"admin", "tasks", "views", "screens", "pages", "story", "desk", "api", "forms"}
# Read by our processes, but set by the runner and never by an operator.
SET_BY_THE_RUNNER = {
    *(
        "DJANGO_SETTINGS_MODULE",
        "LOYALTY_PROCESS",
        "LOYALTY_WORKER_LIFE",
        "LOYALTY_SDK_PYTHON",
        "LOYALTY_PREPARED",
        "LOYALTY_PGBENCH",
        "DEMO_PASSWORD",
    ),
    *("PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "DEBIAN_FRONTEND", "VIRTUAL_ENV"),
}
# How settings and runner read a variable: through one of these, by its name.
READS = re.compile(
    r"""(?:env\.\w+|seconds|whole_numbers?|field_paths|secret|stop|os\.environ\.get|os\.environ\.setdefault)\(\s*"([A-Z][A-Z0-9_]+)"|"""
    r"""os\.environ\["([A-Z][A-Z0-9_]+)"\]"""
)


def test_the_layers_contract_names_every_app_from_the_top_down() -> None:
    settings = tomllib.loads(source.read(source.ROOT / "pyproject.toml"))["tool"]["importlinter"]

    [contract] = [one for one in settings["contracts"] if one["type"] == "layers" and "containers" not in one]

    ours = [config.name for config in apps.get_app_configs() if config.name.startswith(source.PACKAGES)]
    assert set(settings["root_packages"]) == set(source.PACKAGES)
    assert contract["layers"] == list(reversed(ours))
    assert ours[:2] == ["pms", "members"]


def test_the_twin_of_alipayhk_knows_nothing_of_ours_but_the_signature() -> None:
    twin = [module for module in source.modules() if module.is_in("alipayhk.simulator")]

    known = {
        name
        for module in twin
        for _, name in imports(module)
        if name.startswith(source.PACKAGES) and not name.startswith("alipayhk.simulator")
    }

    assert known == {"alipayhk.signature"}


def test_a_module_says_what_it_is_for_in_a_few_lines() -> None:
    silent = [
        source.shown(module.path)
        for module in source.modules()
        if module.text.strip() and not module.is_migration
        if not 1 <= len((ast.get_docstring(module.tree) or "").splitlines()) <= 6
    ]

    assert silent == []


def test_no_function_is_too_long_to_see_at_once() -> None:
    long = [
        f"{source.shown(module.path, node.lineno)} {node.name}: {source.length(node)} lines"
        for module in source.modules()
        for node in module.functions()
        if source.length(node) > LONGEST_FUNCTION
    ]

    assert long == []


def test_the_usual_function_is_short() -> None:
    lengths = [source.length(node) for module in source.product_modules() for node in module.functions()]

    assert statistics.median(lengths) <= 9
    assert statistics.quantiles(lengths, n=10)[8] <= 30


def test_no_file_is_too_long_to_read() -> None:
    counts = {
        source.shown(path): len(source.read(path).splitlines())
        for path in source.files()
        if path.suffix in (".py", ".html", ".css", ".js") and "migrations" not in path.parts
    }

    assert {name: count for name, count in counts.items() if count > LONGEST_FILE} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for module in source.modules() for part in module.name.split(".")}

    assert parts & EMPTY_NAMES == set()


def test_a_file_name_alone_is_an_address_in_the_domain() -> None:
    places = defaultdict(list)
    for module in source.domain_modules():
        if "commands" not in module.path.parts:
            places[module.path.stem].append(module.name)

    doubled = {stem: names for stem, names in places.items() if len(names) > 1}

    assert {stem for stem in doubled} - FRAMEWORK_NAMES == set()


def test_nothing_listens_to_django_signals() -> None:
    found = [
        f"{source.shown(module.path)} {name}"
        for module in source.product_modules()
        for _, name in imports(module)
        if name.startswith(SIGNAL_MODULES)
    ]

    assert found == []


def test_no_import_hides_inside_a_function() -> None:
    hidden = [
        f"{source.shown(module.path, node.lineno)} in {function.name}"
        for module in source.product_modules()
        for function in module.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert hidden == []


def test_transaction_means_a_purchase_everywhere() -> None:
    found = [
        source.shown(module.path)
        for module in source.modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "django.db"
        and any(alias.name == "transaction" for alias in node.names)
    ]

    assert found == []


def test_the_domain_reads_no_clock() -> None:
    domain = [
        module
        for module in source.domain_modules()
        if module.is_in("members", "loyalty.ledger", "loyalty.earning") and not _is_at_the_edge(module)
    ]

    readers = source.lines_with(
        r"\b(datetime|timezone|clock|date|time)\.(now|today|utcnow|time)\(",
        tuple(module.path for module in domain),
    )

    assert readers == []


def test_the_time_and_the_person_are_always_given_by_name() -> None:
    """Unless the time is what a function is about, and so comes first."""
    found = [
        f"{source.shown(module.path, node.lineno)} {node.name}"
        for module in source.domain_modules()
        for node in module.functions()
        if not node.name.startswith("_")
        and {argument.arg for argument in (*node.args.posonlyargs, *node.args.args)[1:]} & {"now", "by"}
    ]

    assert found == []


def test_alipayhks_words_are_spoken_at_the_wire_alone() -> None:
    others = tuple(module.path for module in source.product_modules() if not module.is_in(*WIRE_SPEAKERS))

    assert source.lines_with(rf"""["'.]({"|".join(WIRE_WORDS)})\b""", others) == []


def test_no_test_is_left_out_and_nothing_is_left_for_later() -> None:
    left_out = source.lines_with(
        r"pytest\.(skip|xfail|importorskip)\b|mark\.(skip|skipif|xfail)\b", _but_this()
    )
    for_later = source.lines_with(r"\b(TODO|FIXME|XXX|HACK)\b", _but_this())

    assert left_out == []
    assert for_later == []


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    registries = source.lines_with(
        r"pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|--(extra-)?index-url|_proxy=http",
        _but_this(),
    )
    places = source.lines_with(r"""(?<![\w.}:-])/(root|home|Users|work|workspace)/\w""", _but_this())

    assert registries == []
    assert places == []


def test_every_package_stands_on_the_map_of_the_readme() -> None:
    readme = source.read(source.ROOT / "README.md")
    packages = {module.name for module in source.domain_modules() if module.path.stem == "__init__"}
    packages = {package for package in packages if not package.endswith(FRAMEWORK_PACKAGES)}

    missing = {package for package in packages | set(source.PROGRAMS) if f"`{package}`" not in readme}

    assert missing == set()


def test_the_example_environment_names_every_variable_that_is_read() -> None:
    read = {
        name
        for module in source.product_modules()
        for pair in READS.findall(module.text)
        for name in pair
        if name
    }

    example = source.read(source.ROOT / ".env.example")

    assert {
        name for name in read - SET_BY_THE_RUNNER if not re.search(rf"^#?\s?{name}=", example, re.M)
    } == set()


def test_the_example_environment_names_nothing_that_nobody_reads() -> None:
    example = source.read(source.ROOT / ".env.example")
    named = re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", example, re.M)
    others = [source.read(path) for path in source.files() if path.name != ".env.example"]

    assert named
    assert [name for name in named if not any(name in text for text in others)] == []


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Every module that is imported, with its line; `from a import b` counts as `a.b` where that is a module."""
    known = {one.name for one in source.modules()}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = whole & known
            yield from ((node.lineno, name) for name in inner)
            if inner != whole:
                yield node.lineno, node.module


def _is_at_the_edge(module: Module) -> bool:
    """What answers a person or a message, and so knows the moment: pages by their last word."""
    return module.path.stem.rpartition("_")[2] in EDGES or "management" in module.path.parts


def _but_this() -> tuple[Path, ...]:
    return tuple(path for path in source.files() if path.name != "test_conventions.py")
