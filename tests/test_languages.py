"""English and Traditional Chinese are complete: every word of ours is translated, and the compiled file is current."""

import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import translation

from loyalty.earning import reasons, rule_sentences
from pms import catalog, formats
from tests.factories import MOMENT, AwardFactory, RuleVersionFactory, UserFactory

FOLDER = Path(settings.BASE_DIR) / catalog.FOLDER
MESSAGES = catalog.read((FOLDER / "django.po").read_text())
PLACES = re.compile(r"%\(\w+\)s|%%|\{\w+\}")


def test_every_word_of_ours_is_in_the_catalog_and_no_other() -> None:
    assert catalog.words() - set(MESSAGES) == set()
    assert set(MESSAGES) - catalog.words() == set()


def test_every_word_of_ours_is_translated() -> None:
    assert [english for (english, _plural), chinese in MESSAGES.items() if not chinese] == []


def test_a_translation_fills_in_the_same_places() -> None:
    crooked = [
        english for (english, _plural), chinese in MESSAGES.items()
        if sorted(PLACES.findall(english)) != sorted(PLACES.findall(chinese))
    ]  # fmt: skip

    assert crooked == []


def test_the_compiled_catalog_is_current() -> None:
    assert (FOLDER / "django.mo").read_bytes() == catalog.compiled(MESSAGES)


def test_the_compiled_catalog_reads_as_gettext_reads_it() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    singular = {english: chinese for (english, plural), chinese in MESSAGES.items() if not plural}
    assert {english: compiled.gettext(english) for english in singular} == singular
    assert compiled.ngettext("%(points)s point", "%(points)s points", 5) == "%(points)s 分"


def test_words_are_those_of_hong_kong() -> None:
    with translation.override("zh-hant"):
        said = {
            str(word): translation.gettext(word)
            for word in ("Malls", "Members", "Points", "Stores", "Refunds")
        }

    assert said == {"Malls": "商場", "Members": "會員", "Points": "積分", "Stores": "商戶", "Refunds": "退款"}


def test_no_simplified_character_slips_in() -> None:
    simplified = set("为这个们会员积务发现页间录应当无说话没对开关规则实时间单编号码钥证书销户")

    traditional = simplified & set("員積戶務現頁間錄個為這應當無說話沒對開關規則實時單編號碼鑰證書銷間")
    assert [chinese for chinese in MESSAGES.values() if set(chinese) & (simplified - traditional)] == []


def test_the_command_leaves_a_current_catalog_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    before = (FOLDER / "django.po").read_bytes(), (FOLDER / "django.mo").read_bytes()

    call_command("translations")

    assert ((FOLDER / "django.po").read_bytes(), (FOLDER / "django.mo").read_bytes()) == before
    assert "all translated" in capsys.readouterr().out


@pytest.mark.parametrize("code", sorted(reasons.REASONS))
def test_a_reason_has_both_languages(code: str) -> None:
    reason = reasons.REASONS[code]

    assert reason.english
    assert re.search(r"[\u4e00-\u9fff]", reason.chinese)
    assert max(len(reason.english), len(reason.chinese)) <= 128


@pytest.mark.django_db
def test_a_rule_reads_as_a_sentence_in_both_languages() -> None:
    version = RuleVersionFactory.create(
        min_spend_cents=10000, is_min_spend_on_net=True, max_spend_cents=3000000
    )

    english, chinese = rule_sentences.both(version)

    assert english == (
        "1 point per HK$1, rounded down; from HK$100.00 net of refunds; at most HK$30,000.00 counted per transaction."
    )
    assert (
        chinese
        == "每 HK$1 獲 1 分，捨去小數；扣除退款後最低消費 HK$100.00；每宗交易最多以 HK$30,000.00 計算。"
    )


@pytest.mark.django_db
def test_staff_switch_the_language_and_it_stays(client: Client) -> None:
    award = AwardFactory.create()
    client.force_login(UserFactory.create(is_superuser=True))
    address = reverse("admin:earning_transaction_change", args=[award.transaction_id])

    english = client.get(address).content.decode()
    client.post(reverse("set_language"), {"language": "zh-hant", "next": address})
    chinese = client.get(address).content.decode()

    assert "Why these points" in english
    assert 'lang="en"' in english
    assert "為何獲得這些積分" in chinese
    assert 'lang="zh-hant"' in chinese
    assert "Why these points" not in chinese


@pytest.mark.parametrize(("language", "shown"), [("en", "4 May 12:00"), ("zh-hant", "5月4日 12:00")])
def test_a_time_is_shown_in_hong_kong(language: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pms.clock.now", lambda: MOMENT)

    with translation.override(language):
        said = str(formats.moment(MOMENT))

    assert f">{shown}<" in said
    assert 'title="2026-05-04 12:00:00 HKT"' in said


@pytest.mark.parametrize(
    ("cents", "currency", "shown"),
    [
        (123450, "HKD", "HK$1,234.50"),
        (0, "HKD", "HK$0.00"),
        (-5, "HKD", "−HK$0.05"),
        (500, "JPY", "JPY 500 (smallest unit)"),
    ],
)
def test_money_is_written_as_hong_kong_writes_it(cents: int, currency: str, shown: str) -> None:
    assert formats.money(cents, currency) == shown


@pytest.mark.parametrize(("points", "shown"), [(1, "1 point"), (1234, "1,234 points"), (-214, "−214 points")])
def test_points_are_grouped_and_named(points: int, shown: str) -> None:
    assert formats.points(points) == shown
