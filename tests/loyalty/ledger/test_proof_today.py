"""The last certificate on the staff's front page: green or red, with counts for those who see every group."""

from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import translation

from loyalty.ledger import proof_today
from loyalty.ledger.models import ProofRun
from pms import clock, today
from pms.models import User
from pms.today import Figure

COUNTS = {"entries": 1_000_000, "awards": 500_000, "sealed": 999_998, "breaches": 0}

pytestmark = pytest.mark.django_db


def certificate(**values: Any) -> None:
    now = clock.now()
    told: dict[str, Any] = {"began_at": now, "ended_at": now, "is_green": True, "counts": COUNTS}
    ProofRun.objects.create(**told | values)


def shown(*, is_superuser: bool = True) -> Figure:
    request = RequestFactory().get("/admin/")
    request.user = User(username="mei", is_staff=True, is_superuser=is_superuser)
    return proof_today.last_proof(request, today.day_of(clock.now())).figures[0]


def test_without_a_proof_the_page_says_so() -> None:
    assert (shown().shown, shown().tone) == ("none yet", "")


def test_a_green_proof_shows_what_was_recomputed() -> None:
    certificate(is_green=False, breaches=["x 1: y"], counts=COUNTS | {"breaches": 1})
    certificate()

    figure = shown()

    assert (figure.shown, figure.tone) == ("all right", "good")
    assert "1,000,000 entries and 500,000 awards recomputed, 999,998 sealed" in str(figure.note)


def test_a_red_proof_names_the_first_row() -> None:
    certificate(is_green=False, breaches=["x 1: <y>"], counts=COUNTS | {"breaches": 2})

    figure = shown()

    assert (figure.shown, figure.tone) == ("2 breaches", "bad")
    assert "x 1: &lt;y&gt;" in str(figure.note)


def test_staff_of_one_group_learn_nothing_of_the_others() -> None:
    certificate()

    figure = shown(is_superuser=False)

    assert figure.shown == "all right"
    assert "entries" not in str(figure.note)


def test_it_reads_chinese_too() -> None:
    certificate()

    with translation.override("zh-hant"):
        figure = shown()

    assert (figure.label, figure.shown) == ("積分核對", "全部相符")
    assert "已核對 1,000,000 條分錄及 500,000 項積分，其中 999,998 條已封存" in str(figure.note)
