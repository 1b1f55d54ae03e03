"""The Chinese catalog of our screens: which words there are, which are translated, and the compiled file.

Reads source, templates and `django.po`; the only thing it writes is what `./run manage translations` asks for.
"""

import ast
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

PACKAGES = ("pms", "members", "loyalty", "alipayhk")
FOLDER = Path("loyalty") / "locale" / "zh_Hant" / "LC_MESSAGES"
MARKS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "ngettext": 2, "ngettext_lazy": 2}
HEADER = (
    "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nLanguage: zh_Hant\n"
    "Plural-Forms: nplurals=1; plural=0;\n"
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TEMPLATE_WORDS = re.compile(
    r"\bn?gettext\((u?'(?:[^'\\]|\\.)*'|u?\"\"\"(?:[^\\]|\\.)*?\"\"\"|u?\"(?:[^\"\\]|\\.)*\")"
)

# A message's English, and its English plural when there is one.
Key = tuple[str, str]


def words() -> set[Key]:
    """Every message that our code and templates mark for translation."""
    root = Path(settings.BASE_DIR)
    modules = (
        path
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if "migrations" not in path.parts
    )
    found = {key for path in modules for key in _in_module(path)}
    return found | {key for path in (root / "templates").rglob("*.html") for key in _in_template(path)}


def read(text: str) -> dict[Key, str]:
    """The messages of a .po file with their translations; an untranslated one is empty."""
    found: dict[Key, str] = {}
    for block in re.split(r"\n\s*\n", text):
        parts = _parts(block)
        if "msgid" in parts:
            found[parts["msgid"], parts.get("msgid_plural", "")] = parts.get(
                "msgstr", parts.get("msgstr[0]", "")
            )
    found.pop(("", ""), None)
    return found


def written(messages: dict[Key, str]) -> str:
    """A .po file, sorted, so that a change is one line."""
    blocks = [f'msgid ""\nmsgstr {_quoted(HEADER)}']
    for (english, plural), chinese in sorted(messages.items()):
        if plural:
            blocks.append(
                f"msgid {_quoted(english)}\nmsgid_plural {_quoted(plural)}\nmsgstr[0] {_quoted(chinese)}"
            )
        else:
            blocks.append(f"msgid {_quoted(english)}\nmsgstr {_quoted(chinese)}")
    return "\n\n".join(blocks) + "\n"


def compiled(messages: dict[Key, str]) -> bytes:
    """The .mo file: two sorted tables of lengths and places, then the texts."""
    texts = {"": HEADER} | {
        "\0".join(filter(None, key)): chinese for key, chinese in messages.items() if chinese
    }
    pairs = sorted((key.encode(), chinese.encode()) for key, chinese in texts.items())
    start = 28 + 16 * len(pairs)
    keys, place = _table((key for key, _value in pairs), start)
    values, _end = _table((value for _key, value in pairs), place)
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    bodies = b"".join(key + b"\0" for key, _value in pairs) + b"".join(value + b"\0" for _key, value in pairs)
    return head + keys + values + bodies


def _table(texts: Iterable[bytes], place: int) -> tuple[bytes, int]:
    rows = []
    for text in texts:
        rows.append(struct.pack("<2I", len(text), place))
        place += len(text) + 1
    return b"".join(rows), place


def _in_module(path: Path) -> Iterator[Key]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            texts = [one.value for one in node.args[: MARKS.get(name, 0)] if isinstance(one, ast.Constant)]
            if texts and all(isinstance(text, str) for text in texts):
                yield str(texts[0]), str(texts[1]) if len(texts) > 1 else ""


def _in_template(path: Path) -> Iterator[Key]:
    """Django's own reader turns a template into calls; a counted block names its singular and its plural."""
    source = templatize(path.read_text())
    for call in re.finditer(r"\b(n?)gettext\(", source):
        found = _TEMPLATE_WORDS.match(source, call.start())
        if found:
            first = ast.literal_eval(found[1].removeprefix("u"))
            rest = re.match(r"\s*,\s*u?", source[found.end() :])
            plural = _literal(source[found.end() + rest.end() :]) if call[1] and rest else ""
            yield str(first), plural
    yield from ((text, "") for text in re.findall(r'\b_\("([^"]+)"\)', path.read_text()))


def _literal(source: str) -> str:
    found = re.match(r"'(?:[^'\\]|\\.)*'|\"\"\"(?:[^\\]|\\.)*?\"\"\"|\"(?:[^\"\\]|\\.)*\"", source)
    return str(ast.literal_eval(found[0])) if found else ""


def _parts(block: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if line.startswith("msg"):
            name, _space, line = line.partition(" ")
            parts[name] = ""
        if name and (text := _QUOTED.search(line)):
            parts[name] += _unquoted(text[1])
    return parts


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)
