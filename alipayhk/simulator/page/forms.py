"""The page's forms: send a notice, plan gateway faults, play a scenario. Plain HTML, no script needed."""

from collections.abc import Iterable
from html import escape

from alipayhk.simulator import faults, scenarios
from alipayhk.simulator.page.words import Words
from alipayhk.simulator.twin import Twin

CODES = (
    "PASS_UPDATE_FAIL",
    "PASS_HAS_NOT_EXIST",
    "PASS_IS_NULL",
    "PASS_USED_OCCUPIED",
    "PARAM_ILLEGAL",
    "USER_NOT_EXSITS",
    "PASS_TEMPLATE_HAS_NOT_EXIT",
    "PASS_TYPE_NOT_MATCH",
    "PASS_PRODUCT_TYPE_NOT_MATCH",
)
_RECENT = 40

Options = Iterable[tuple[str, str]]


def all_forms(twin: Twin, language: Words) -> str:
    return _send(twin, language) + _gateway(twin, language) + _scenarios(language)


def _send(twin: Twin, language: Words) -> str:
    kinds = [(kind, language(kind)) for kind in ("bill", "membercard", "refund")]
    menu = [(one.name, language.pick(one.english, one.chinese)) for one in faults.NOTICE_MENU.values()]
    fields = (
        _client(twin, language)
        + _select("kind", language("kind"), kinds)
        + _text("user_id", language("user"), hint=language("new_person"), choices=_users(twin))
        + _select("pmsLabel", language("store"), _stores(twin, language))
        + _text("amount", language("amount"), value="138.90", mode="decimal")
        + _text("billNo", language("bill_number"), hint=language("bill_hint"), choices=_bills(twin))
        + _select("fault", language("how"), menu)
    )
    return _form("/send", language("send"), "", fields, language("send_button"), language)


def _gateway(twin: Twin, language: Words) -> str:
    menu = [
        (one.name, language.pick(one.english, one.chinese))
        for one in faults.GATEWAY_MENU.values()
        if one.name != "ok"
    ]
    apis = [
        ("updatePass", language("updatePass")),
        ("createPass", language("createPass")),
        ("*", language("any")),
    ]
    often = [("1", language("once")), ("2", "2"), ("3", "3"), ("6", "6"), ("all", language("every_time"))]
    fields = (
        _select("api", language("api"), apis)
        + _select("fault", language("fault"), menu)
        + _select("times", language("times"), often)
        + _text("code", language("code"), choices=CODES)
    )
    waiting = len(twin.plan.listing())
    note = f"{language('gateway_lead')} · {waiting} {language('planned')}"
    clear = f'<button class="plain" name="clear" value="1">{escape(language("clear_button"))}</button>'
    return _form("/faults", language("gateway"), note, fields, language("plan_button"), language, more=clear)


def _scenarios(language: Words) -> str:
    choices = [(name, f"{name} – {sentence}") for name, sentence in scenarios.sentences().items()]
    fields = _select("run", language("scenario"), choices)
    return _form("/scenarios", language("scenarios"), "", fields, language("play_button"), language)


def _form(
    action: str, title: str, lead: str, fields: str, button: str, language: Words, *, more: str = ""
) -> str:
    note = f'<p class="quiet">{escape(lead)}</p>' if lead else ""
    return (
        f'<section><form method="post" action="{action}"><h2>{escape(title)}</h2>{note}'
        f'<input type="hidden" name="lang" value="{language.code}">{fields}'
        f'<div class="buttons"><button class="main">{escape(button)}</button>{more}</div></form></section>'
    )


def _select(name: str, label: str, options: Options) -> str:
    lines = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    return f'<label><span>{escape(label)}</span><select name="{name}">{lines}</select></label>'


def _text(
    name: str, label: str, *, value: str = "", hint: str = "", mode: str = "text", choices: Iterable[str] = ()
) -> str:
    options = "".join(f'<option value="{escape(choice)}">' for choice in choices)
    known = f'<datalist id="known-{name}">{options}</datalist>' if options else ""
    attributes = f' list="known-{name}"' if options else ""
    return (
        f'<label><span>{escape(label)}</span><input name="{name}" value="{escape(value)}" '
        f'placeholder="{escape(hint)}" inputmode="{mode}" autocomplete="off"{attributes}></label>{known}'
    )


def _client(twin: Twin, language: Words) -> str:
    """The mall, where there is more than one to choose from."""
    malls = twin.clients.listing()
    if len(malls) < 2:
        return ""
    choices = [
        (mall.client_id, f"{language.pick(mall.name_en, mall.name_zh)} ({mall.tag})") for mall in malls
    ]
    return _select("client_id", language("mall"), choices)


def _users(twin: Twin) -> list[str]:
    users = dict.fromkeys(card.user_id for card in twin.wallet.listing() if card.user_id)
    return list(users)[:_RECENT]


def _bills(twin: Twin) -> list[str]:
    bills = dict.fromkeys(notice.reference for notice in twin.book.listing() if notice.kind == "bill")
    return list(bills)[:_RECENT]


def _stores(twin: Twin, language: Words) -> Options:
    for store in twin.clients.need(None).stores:
        code = f"{store['code']} " if store.get("code") else ""
        name = language.pick(str(store.get("name_en", "")), str(store.get("name_zh", "")))
        yield store["pms_label"], f"{code}{name}"
    yield "PMS-UNMAPPED", "PMS-UNMAPPED"
