"""Program files: what is exported loads again, what is wrong is listed with its path, and nothing is half loaded."""

import copy
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from loyalty.earning import program_files
from loyalty.earning.models import Rule, RuleVersion
from loyalty.earning.program_files import FileRefused
from members.models import Program, Tier
from tests.loyalty.earning.programs import TUESDAY, document, shopper

pytestmark = pytest.mark.django_db

NAMES = ["lumina", "verdant", "pier8"]
Json = dict[str, Any]


def loaded(name: str) -> Program:
    return shopper(name).wallet_pass.program


def refused(program: Program, content: object) -> list[str]:
    before = state(program)
    with pytest.raises(FileRefused) as caught:
        program_files.load(document=content, program=program, now=TUESDAY)
    assert state(program) == before
    return caught.value.faults


def state(program: Program) -> object:
    return (
        list(Program.objects.filter(pk=program.pk).values()),
        list(Tier.objects.order_by("pk").values()),
        list(Rule.objects.order_by("pk").values()),
        RuleVersion.objects.count(),
    )


def changed(**parts: Any) -> Json:
    """Lumina's file with other parts."""
    return copy.deepcopy(document("lumina")) | parts


def rule(**values: Any) -> Json:
    named = {"code": "X1", "kind": "EXTRA", "name_en": "X", "name_zh": "X", "points_numerator": 1}
    return named | values


@pytest.mark.parametrize("name", NAMES)
def test_what_is_exported_is_the_file_it_came_from(name: str) -> None:
    program = loaded(name)

    exported = program_files.export(program)

    assert program_files.load(document=exported, program=program, now=TUESDAY) == []
    assert exported["program"] == document(name)["program"]
    rules: Any = exported["rules"]
    assert [entry["code"] for entry in rules] == [entry["code"] for entry in document(name)["rules"]]


@pytest.mark.parametrize("name", NAMES)
def test_loading_twice_changes_nothing(name: str) -> None:
    program = loaded(name)
    before = state(program)

    assert program_files.load(document=document(name), program=program, now=TUESDAY) == []
    assert state(program) == before


def test_a_changed_rule_becomes_a_version_in_force_from_now_on() -> None:
    person = shopper("lumina")
    person.pays(20_000)
    program = person.wallet_pass.program
    content = program_files.export(program)
    rules: Any = content["rules"]
    rules[0]["points_numerator"] = 2

    told = program_files.load(document=content, program=program, now=TUESDAY + timedelta(days=1))

    assert told == ["rule R1 version 2"]
    assert person.pays(20_000).points == 200
    assert person.pays(20_000, at=TUESDAY + timedelta(days=2)).points == 400


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ([], ["format: must be 1."]),
        ({"format": 2}, ["format: must be 1."]),
        ({"format": True}, ["format: must be 1."]),
        (changed(extra=1), ["extra: is not known."]),
        (changed(program=[]), ["program: must be an object."]),
        (changed(program={"nickname": "x"}), ["program.nickname: is not known."]),
        (changed(program={"name_en": ""}), ["program.name_en: must not be empty."]),
        (changed(program={"joining_grace_days": "1"}), ["program.joining_grace_days: must be a whole number."]),
        (changed(program={"joining_grace_days": 10**9}), ["program.joining_grace_days: must be between 0 and 32767."]),
        (changed(program={"expiry": "SOON"}),
         ["program.expiry: must be one of NEVER, DAYS, MONTH_END, YEAR_END."]),
        (changed(program={"expiry": "DAYS"}),
         ["program.expiry_count: must be above 0 for DAYS and MONTH_END, and 0 otherwise."]),
        (changed(tiers={}), ["tiers: must be a list."]),
        (changed(tiers=[{"code": "A", "name_en": "A", "name_zh": "A", "min_spend_cents": 5}]),
         ["tiers: the lowest must have the min_spend_cents 0."]),
        (changed(tiers=[{"code": "A", "name_en": "A", "name_zh": "A"}] * 2),
         ["tiers: two have the code A.", "tiers: two have the min_spend_cents 0."]),
        (changed(tiers=[{"code": "NEW", "name_en": "A", "name_zh": "A"}]),
         ["tiers[0].min_spend_cents: another tier of the program has the same."]),
        (changed(tiers=[{"code": "A", "name_en": "A", "name_zh": "A", "factor_denominator": 0}]),
         ["tiers[0].factor_denominator: must be between 1 and 32767."]),
        (changed(rules=[rule(kind="GIFT")]),
         ["rules[0].kind: must be one of BASE, RATE, EXTRA, FLAT, CEILING."]),
        (changed(rules=[rule(code="")]), ["rules[0].code: must be a text."]),
        (changed(rules=[rule(code="X" * 33)]), ["rules[0].code: must have at most 32 letters."]),
        (changed(rules=[rule(), rule()]), ["rules: two have the code X1."]),
        (changed(rules=[rule(weekdays=["MON"])]), ["rules[0].weekdays: must be a list of numbers."]),
        (changed(rules=[rule(weekdays=[8])]),
         ["rules[0].weekdays: Weekdays are numbers from 1 (Monday) to 7 (Sunday)."]),
        (changed(rules=[rule(first_date="5 May")]),
         ["rules[0].first_date: must be a day such as 2026-09-05, or a time such as 18:00."]),
        (changed(rules=[rule(categories=["TOYS"])]),
         ["rules[0].categories: TOYS is not known in this program, so it can never match."]),
        (changed(rules=[rule(bonus=1), rule(points_numerator=0, code="X2")]),
         ["rules[0].bonus: is not known.", "rules[1].points_numerator: The points must be above zero."]),
    ],
)  # fmt: skip
def test_a_faulty_file_lists_every_fault_and_changes_nothing(content: object, faults: list[str]) -> None:
    program = loaded("lumina")

    found = refused(program, content)

    assert [fault for fault in found if fault not in faults] == []
    assert faults == found


def test_a_rule_just_as_specific_as_another_is_refused() -> None:
    rates = changed(rules=[rule(code="R99", kind="RATE", categories=["SUPERMARKET"])])

    assert "is a rate just as specific" in refused(loaded("lumina"), rates)[0]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"format": 1, "format": 1}', b'{"format": NaN}', b"[" * 100_000, b"9" * 5000],
    ids=["empty", "cut off", "no UTF-8", "twice", "NaN", "deep", "long number"],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(FileRefused, match="file: is not readable JSON"):
        program_files.read(content)


def test_the_command_carries_a_program_through_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = loaded("verdant")
    file, label = tmp_path / "verdant.json", program.group.label

    call_command("program", "export", str(file), "--group", label)
    call_command("program", "import", str(file), "--group", label)

    assert json.loads(capsys.readouterr().out) == {"group": label, "changed": []}
    assert json.loads(file.read_text())["program"]["name_zh"] == "翠庭獎賞"


def test_the_command_reads_and_writes_streams(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    label = loaded("pier8").group.label
    call_command("program", "export", "-", "--group", label)
    text = capsys.readouterr().out.replace('"Pier Points"', '"Pier Perks"')

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    call_command("program", "import", "-", "--group", label)

    assert json.loads(capsys.readouterr().out)["changed"] == ["program name_en"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import", "nowhere.json", "--group", "{label}"], "file: nowhere.json cannot be used: No such file"),
        (["export", "-", "--group", "nobody"], "nobody is not the label of a mall group with a program."),
    ],
)
def test_the_command_refuses_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    label = loaded("lumina").group.label

    with pytest.raises(SystemExit) as stopped:
        call_command("program", *(argument.format(label=label) for argument in arguments))

    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
