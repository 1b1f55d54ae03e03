"""How a gateway fault changes an answer: its words, its signature, or the manner of its delivery."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alipayhk.simulator import replies
from alipayhk.simulator.faults import Fault
from alipayhk.simulator.keys import KeyRing
from alipayhk.simulator.replies import Envelope, Reply

OLD_ANSWER_SECONDS = 3600.0
PADDING_BYTES = 3 * 1024 * 1024
# A host that exists nowhere: whoever follows the redirect gets no further.
ELSEWHERE = "http://redirected.invalid/api"


@dataclass(frozen=True)
class Signer:
    """Signs answers to one request with the key asked for."""

    envelope: Envelope
    keys: KeyRing

    def sign(self, body: bytes, *, key: str = "current", seconds_old: float = 0.0) -> Reply:
        made, version = self.keys.signing(key)
        return replies.signed(body, self.envelope, key=made, version=version, seconds_old=seconds_old)


def lay(fault: Fault, body: bytes, signer: Signer) -> Reply:
    """The answer that the caller gets to see, if any. `body` is the honest one."""
    return _TABLE[fault.name](fault, body, signer)


def outcome(fault: Fault, reply: Reply, *, succeeded: bool) -> str:
    """One word for the page: DONE, FAULT or REFUSED."""
    if fault.name not in ("ok", "delay", "slow"):
        return "FAULT"
    return "DONE" if succeeded and reply.status == 200 else "REFUSED"


def code_in(reply: Reply) -> str:
    """The result code that an answer carries; empty when it carries none."""
    try:
        return str(json.loads(reply.body)["result"]["resultCode"])
    except (ValueError, KeyError, TypeError):
        return ""


def _honest(fault: Fault, body: bytes, signer: Signer) -> Reply:
    return replies.delivered(signer.sign(body), "plain", fault.seconds)


def _drip(fault: Fault, body: bytes, signer: Signer) -> Reply:
    return replies.delivered(signer.sign(body), "drip", fault.seconds)


def _silence(_fault: Fault, body: bytes, _signer: Signer) -> Reply:
    return replies.delivered(replies.unsigned(body), "hang")


def _cut(_fault: Fault, body: bytes, _signer: Signer) -> Reply:
    return replies.delivered(replies.unsigned(body), "reset")


def _system_error(_fault: Fault, _body: bytes, signer: Signer) -> Reply:
    return signer.sign(replies.result_body("SYSTEM_ERROR", "U", "system error"))


def _permanent(fault: Fault, _body: bytes, signer: Signer) -> Reply:
    return signer.sign(replies.result_body(fault.code, "F", "refused"))


def _unsigned(_fault: Fault, body: bytes, _signer: Signer) -> Reply:
    return replies.unsigned(body)


def _wrong_signature(_fault: Fault, body: bytes, signer: Signer) -> Reply:
    return signer.sign(body, key="old")


def _old_answer(_fault: Fault, body: bytes, signer: Signer) -> Reply:
    return signer.sign(body, seconds_old=OLD_ANSWER_SECONDS)


def _redirect(_fault: Fault, _body: bytes, _signer: Signer) -> Reply:
    return Reply(status=307, body=b"", headers={"Location": ELSEWHERE})


def _http_500(_fault: Fault, _body: bytes, _signer: Signer) -> Reply:
    return Reply(status=500, body=b"Internal Server Error", headers={"Content-Type": "text/plain"})


def _http_429(_fault: Fault, _body: bytes, _signer: Signer) -> Reply:
    body = replies.result_body("REQUEST_TRAFFIC_EXCEED_LIMIT", "U", "slow down")
    return Reply(status=429, body=body, headers={"Content-Type": replies.JSON_TYPE, "Retry-After": "1"})


def _not_json(_fault: Fault, _body: bytes, _signer: Signer) -> Reply:
    return Reply(status=200, body=b"<html>Maintenance</html>", headers={"Content-Type": "text/html"})


def _oversized(_fault: Fault, body: bytes, signer: Signer) -> Reply:
    """Genuine, and JSON all the way: only its length is wrong."""
    return signer.sign(body[:-1] + b" " * PADDING_BYTES + b"}")


def _pass_exists(_fault: Fault, body: bytes, signer: Signer) -> Reply:
    more = {name: value for name, value in _object(body).items() if name == "passId"}
    return signer.sign(replies.result_body("PASS_HAS_EXIT", "F", "the pass exists already", **more))


def _pass_exists_without_id(_fault: Fault, _body: bytes, signer: Signer) -> Reply:
    return signer.sign(replies.result_body("PASS_HAS_EXIT", "F", "the pass exists already"))


def _success_without_pass_id(_fault: Fault, _body: bytes, signer: Signer) -> Reply:
    return signer.sign(replies.result_body("SUCCESS", "S", "success"))


def _other_pass(_fault: Fault, _body: bytes, signer: Signer) -> Reply:
    return signer.sign(
        replies.result_body("SUCCESS", "S", "success", passId="2020091119027102160530200000039")
    )


def _object(body: bytes) -> dict[str, Any]:
    content = json.loads(body)
    return content if isinstance(content, dict) else {}


_TABLE: dict[str, Callable[[Fault, bytes, Signer], Reply]] = {
    "ok": _honest,
    "delay": _honest,
    "slow": _honest,
    "drip": _drip,
    "hang": _silence,
    "applied_then_timeout": _silence,
    "apply_late": _silence,
    "reset_before": _cut,
    "reset_after": _cut,
    "system_error_before": _system_error,
    "system_error_after": _system_error,
    "unsigned": _unsigned,
    "wrong_signature": _wrong_signature,
    "old_answer": _old_answer,
    "redirect": _redirect,
    "permanent": _permanent,
    "http_500": _http_500,
    "http_429": _http_429,
    "not_json": _not_json,
    "oversized": _oversized,
    "pass_exists": _pass_exists,
    "pass_exists_without_id": _pass_exists_without_id,
    "success_without_pass_id": _success_without_pass_id,
    "other_pass": _other_pass,
    # What is odd about these is the list itself.
    "total_too_high": _honest,
    "total_too_low": _honest,
    "endless_pages": _honest,
    "same_page": _honest,
}
