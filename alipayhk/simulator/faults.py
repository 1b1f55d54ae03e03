"""The fault menu, both directions, and the plan that says which call meets which fault.

Gateway faults name what AlipayHK does with one call of ours; notice faults name how it sends one to us.
"""

import threading
from dataclasses import asdict, dataclass
from typing import Any

APIS = ("createPass", "updatePass", "bill/query", "circleStore/save", "circleStore/queryPage", "applyToken")


class FaultRefused(Exception):
    """There is no such fault on the menu."""


@dataclass(frozen=True)
class Choice:
    """One line of the menu. `applied`: whether the gateway does the work that it then answers badly."""

    name: str
    english: str
    chinese: str
    applied: bool = True
    seconds: float = 0.0


def _menu(*choices: Choice) -> dict[str, Choice]:
    return {choice.name: choice for choice in choices}


GATEWAY_MENU = _menu(
    Choice("ok", "Answers well", "正常回覆"),
    Choice("delay", "Answers after a wait", "延遲回覆", seconds=2.0),
    Choice("slow", "Answers after 3.5 seconds", "3.5 秒後回覆", seconds=3.5),
    Choice("drip", "Answers one byte a second", "每秒一字節回覆", seconds=1.0),
    Choice("hang", "Never answers, nothing applied", "沒有回覆，未處理", applied=False),
    Choice("applied_then_timeout", "Applies, then never answers", "已處理，但沒有回覆"),
    Choice("apply_late", "Never answers, applies later", "沒有回覆，稍後才處理", applied=False, seconds=3.0),
    Choice("reset_before", "Cuts the line, nothing applied", "處理前斷線", applied=False),
    Choice("reset_after", "Applies, then cuts the line", "處理後斷線"),
    Choice("system_error_before", "SYSTEM_ERROR, nothing applied", "SYSTEM_ERROR，未處理", applied=False),
    Choice("system_error_after", "Applies, then SYSTEM_ERROR", "已處理，但回覆 SYSTEM_ERROR"),
    Choice("unsigned", "Applies, answers without a signature", "已處理，回覆沒有簽署"),
    Choice("wrong_signature", "Applies, answers with a wrong signature", "已處理，回覆簽署錯誤"),
    Choice("old_answer", "An answer of an hour ago", "一小時前的舊回覆", applied=False),
    Choice("redirect", "Redirects to another host", "轉址到其他主機", applied=False),
    Choice("permanent", "Refuses for good, with a code", "以代碼永久拒絕", applied=False),
    Choice("http_500", "HTTP 500", "HTTP 500", applied=False),
    Choice("http_429", "HTTP 429, Retry-After 1", "HTTP 429，1 秒後再試", applied=False),
    Choice("not_json", "HTTP 200 with a web page", "HTTP 200，但內容是網頁", applied=False),
    Choice("oversized", "Applies, answers with 3 MB", "已處理，回覆達 3 MB"),
    Choice("pass_exists", "PASS_HAS_EXIT with the pass id", "PASS_HAS_EXIT，附卡號"),
    Choice("pass_exists_without_id", "PASS_HAS_EXIT without the pass id", "PASS_HAS_EXIT，沒有卡號"),
    Choice("success_without_pass_id", "SUCCESS without the pass id", "SUCCESS，但沒有卡號"),
    Choice("other_pass", "SUCCESS naming another pass", "SUCCESS，但屬另一張卡", applied=False),
    Choice("total_too_high", "A list that claims too many stores", "列表聲稱的商戶過多"),
    Choice("total_too_low", "A list that claims too few stores", "列表聲稱的商戶過少"),
    Choice("endless_pages", "A list without an end", "沒有盡頭的列表"),
    Choice("same_page", "The first page again and again", "不斷重複第一頁"),
)

NOTICE_MENU = _menu(
    Choice("none", "As it should be", "正常"),
    Choice("duplicate", "Several times, one after the other", "重複發送"),
    Choice("parallel", "Several times at once", "同時重複發送"),
    Choice("out_of_order", "Held back, so later ones come first", "延後發送，次序顛倒", seconds=2.0),
    Choice("refund_first", "Its refund first", "先發退款"),
    Choice("bad_signature", "Bad signature", "簽署錯誤"),
    Choice("missing_signature", "No signature", "沒有簽署"),
    Choice("changed_body", "Body changed after signing", "簽署後內容被改"),
    Choice("old_key", "Signed with the revoked key", "以已撤銷的密鑰簽署"),
    Choice("next_key", "Signed with the next key", "以下一條密鑰簽署"),
    Choice("unknown_client", "Unknown Client-Id", "不明的 Client-Id"),
    Choice("old_spelling", "Headers as the old pages spell them", "舊式標頭寫法"),
    Choice("slow_body", "Body in small pieces", "內容分段慢送", seconds=1.0),
    Choice("clock_skew", "Request-Time half an hour old", "Request-Time 慢半小時", seconds=-1800.0),
    Choice("lost_acknowledgement", "Acknowledgement lost, sent again", "確認遺失，再次發送"),
    Choice("replay", "The same bytes twice", "相同字節重播"),
)

# Sent so that the mall must refuse it: a refusal is the end of it, no ladder.
FORGED = frozenset({"bad_signature", "missing_signature", "changed_body", "old_key", "unknown_client"})


@dataclass(frozen=True)
class Fault:
    """One fault of the gateway, with what its menu line leaves open."""

    name: str = "ok"
    applied: bool = True
    seconds: float = 0.0
    code: str = ""


@dataclass
class Planned:
    """A fault that waits for its calls. `times` None means until it is taken off the plan."""

    api: str
    fault: Fault
    times: int | None
    user_id: str | None = None
    client_id: str | None = None

    def meets(self, *, api: str, client_id: str, user_id: str | None) -> bool:
        return (
            self.api in ("*", api) and self.user_id in (None, user_id) and self.client_id in (None, client_id)
        )


class Plan:
    """Faults waiting for calls to the gateway, first come first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Planned] = []

    def add(self, planned: Planned) -> None:
        with self._lock:
            self._waiting.append(planned)

    def take(self, *, api: str, client_id: str, user_id: str | None) -> Fault:
        """The fault that this call meets; `ok` when none waits for it."""
        with self._lock:
            for planned in self._waiting:
                if planned.meets(api=api, client_id=client_id, user_id=user_id):
                    self._use(planned)
                    return planned.fault
        return Fault()

    def _use(self, planned: Planned) -> None:
        if planned.times is not None:
            planned.times -= 1
            if planned.times <= 0:
                self._waiting.remove(planned)

    def clear(self, *, user_id: str | None = None) -> None:
        """Take all faults off the plan, or those that wait for one user."""
        with self._lock:
            self._waiting = [one for one in self._waiting if user_id is not None and one.user_id != user_id]

    def listing(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(planned) for planned in self._waiting]


def read_planned(fields: dict[str, Any]) -> Planned:
    """A fault as `POST /control/faults` words it."""
    api, times = str(fields.get("api", "*")), fields.get("times", 1)
    if api not in ("*", *APIS):
        raise FaultRefused(f"api must be one of *, {', '.join(APIS)}")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise FaultRefused("times must be a whole number from 1, or null for every call")
    return Planned(
        api=api,
        fault=read_fault(fields),
        times=times,
        user_id=fields.get("user_id") or None,
        client_id=fields.get("client_id") or None,
    )


def read_fault(fields: dict[str, Any]) -> Fault:
    name = str(fields.get("fault", ""))
    choice = GATEWAY_MENU.get(name)
    if choice is None:
        raise FaultRefused(f"fault must be one of {', '.join(GATEWAY_MENU)}")
    try:
        seconds = float(fields.get("seconds", choice.seconds))
    except (TypeError, ValueError) as error:
        raise FaultRefused("seconds must be a number") from error
    code = str(fields.get("code") or ("PASS_UPDATE_FAIL" if name == "permanent" else ""))
    return Fault(name=name, applied=bool(fields.get("applied", choice.applied)), seconds=seconds, code=code)
