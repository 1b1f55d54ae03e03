"""A mall in a hundred lines, for the simulator's own tests: verifies, awards, answers signed, pushes cards.

It is right unless told to be wrong, and shares no code with the product but the signature module.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from alipayhk import signature
from alipayhk.simulator import times

GATEWAY = "/api/open/alipay/v1/ipass/pass/manage/"
PATIENCE_SECONDS = 0.3


@dataclass
class Books:
    """What this mall knows."""

    joined: set[str] = field(default_factory=set)
    passes: dict[str, str] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    bills: dict[str, tuple[str, int]] = field(default_factory=dict)
    refunds: dict[str, dict[str, int]] = field(default_factory=dict)


class FakeMall:
    """One mall on loopback. `extra_points` makes it wrong; `answers_signed` off makes it careless."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document, self.wire = document, document["alipayhk"]
        self.key = signature.read_private_key(self.wire["private_key"])
        self.alipayhk_keys = [
            signature.read_public_key(one["key"])
            for one in self.wire["public_keys"]
            if one["state"] == "ACTIVE"
        ]
        self.earning = {store["pms_label"] for store in document["stores"] if not store["excluded"]}
        self.extra_points = 0
        self.answers_signed = True
        self.books, self.lock = Books(), threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def judge(self, kind: str, body: dict[str, Any]) -> tuple[str, str]:
        """Result code and status for a genuine notice."""
        judges = {"membercard": self._join, "bill": self._bill, "refund": self._refund}
        with self.lock:
            accepted = judges[kind](body)
        if accepted:
            threading.Thread(target=self._push, args=(body["userId"],), daemon=True).start()
        return ("SUCCESS", "S") if accepted else ("PARAM_ILLEGAL", "F")

    def _join(self, body: dict[str, Any]) -> bool:
        self.books.joined.add(body["userId"])
        return True

    def _bill(self, body: dict[str, Any]) -> bool:
        cents = body["orderAmount"]["value"] if body["pmsLabel"] in self.earning else 0
        return self.books.bills.setdefault(body["billNo"], (body["userId"], cents)) == (body["userId"], cents)

    def _refund(self, body: dict[str, Any]) -> bool:
        bill, number, cents = body["relateBillNo"], body["refundOutBillNo"], body["refundAmount"]["value"]
        known = self.books.refunds.setdefault(bill, {})
        paid = self.books.bills[bill][1] if bill in self.books.bills else cents
        if sum((known | {number: cents}).values()) > paid:
            return False
        known[number] = cents
        return True

    def balance(self, user_id: str) -> int:
        with self.lock:
            nets = [
                cents - sum(self.books.refunds.get(bill, {}).values())
                for bill, (owner, cents) in self.books.bills.items()
                if owner == user_id
            ]
        earned = [min(net, 3_000_000) // 100 for net in nets if net >= 10_000]
        return sum(earned) + self.extra_points * len(earned)

    def _push(self, user_id: str) -> None:
        """Until the card shows the balance, or AlipayHK refused it for good."""
        for _ in range(12):
            if user_id not in self.books.joined or user_id in self.books.given_up:
                return
            balance = self.balance(user_id)
            with self.lock:
                code = (
                    self._update(user_id, balance) if user_id in self.books.passes else self._create(user_id)
                )
            if code == "SUCCESS" and self.balance(user_id) == balance:
                return
            if code.startswith("PASS_") and code != "PASS_HAS_EXIT":
                self.books.given_up.add(user_id)
            time.sleep(0.05)

    def _create(self, user_id: str) -> str:
        template, now = self.wire["card_template"], int(time.time() * 1000)
        code, content = self.call(
            "createPass",
            {
                "merchantId": self.wire["merchant_id"],
                "userId": user_id,
                "templateCode": template["code"],
                "bizSerialId": f"serial-{user_id}",
                "bizSerialType": "OUT_PLAT_FORM",
                "startDate": now,
                "endDate": now + 10**10,
                "bizCreate": now,
                "type": template["type"],
                "product": template["product"],
                "dataInfo": faces(self.balance(user_id)),
            },
        )
        if content.get("passId"):
            self.books.passes[user_id] = content["passId"]
        return code

    def _update(self, user_id: str, balance: int) -> str:
        return self.call("updatePass", self.update_body(user_id, balance))[0]

    def update_body(self, user_id: str, balance: int) -> dict[str, Any]:
        return {
            "merchantId": self.wire["merchant_id"],
            "userId": user_id,
            "templateCode": self.wire["card_template"]["code"],
            "passId": self.books.passes[user_id],
            "status": "UPDATE",
            "updateDetailType": "UPDATE_DATA_INFO",
            "dataInfo": faces(balance),
        }

    def call(self, api: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The verified result code of a gateway call; UNKNOWN for no answer or one that proves nothing.

        An `api` that begins with a slash is the whole path.
        """
        path = api if api.startswith("/") else GATEWAY + api
        target, content = path.encode(), json.dumps(body).encode()
        time_sent = times.header_time(times.now())
        made = signature.sign(
            key=self.key, target=target, client_id=self.wire["client_id"], time=time_sent, body=content
        )
        headers = {
            "Client-Id": self.wire["client_id"],
            "Request-Time": time_sent,
            "Signature": signature.header(signature=made, key_version=1),
            "Content-Type": "application/json",
        }
        url = self.wire["gateway_url"] + path
        try:
            answer = requests.post(
                url, content, headers=headers, timeout=PATIENCE_SECONDS, allow_redirects=False
            )
            self.verify(target, answer.headers, answer.content, "Response-Time")
        except (requests.RequestException, signature.SignatureInvalid):
            return "UNKNOWN", {}
        said: dict[str, Any] = answer.json()
        return said["result"]["resultCode"], said

    def verify(self, target: bytes, headers: Any, body: bytes, time_header: str) -> None:
        signature.verify(
            keys=self.alipayhk_keys,
            signature=signature.read_header(headers.get("Signature", "")),
            target=target,
            client_id=headers.get("Client-Id", ""),
            time=headers.get(time_header, ""),
            body=body,
        )

    def answer(self, target: bytes, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a notice."""
        try:
            self.verify(target, headers, body, "Request-Time")
        except signature.SignatureInvalid:
            return 401, {}, result("SIGNATURE_INVALID", "F")
        if headers.get("Client-Id") != self.wire["client_id"]:
            return 401, {}, result("SIGNATURE_INVALID", "F")
        kind = target.decode().split("/points/")[1].split("/")[0]
        content, now = result(*self.judge(kind, json.loads(body))), times.header_time(times.now())
        made = signature.sign(
            key=self.key, target=target, client_id=self.wire["client_id"], time=now, body=content
        )
        signed = {
            "Client-Id": self.wire["client_id"],
            "Response-Time": now,
            "Signature": signature.header(signature=made, key_version=1),
        }
        return 200, signed if self.answers_signed else {}, content


def faces(balance: int) -> dict[str, Any]:
    shown = {"$points$": str(balance), "$name$": "Chan T M"}
    return {"zh_HK": shown, "en_US": shown}


def result(code: str, status: str) -> bytes:
    content = {"result": {"resultCode": code, "resultStatus": status, "resultMessage": code.lower()}}
    return json.dumps(content).encode()


def _handler(mall: FakeMall) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = mall.answer(self.path.encode(), self.headers, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    return Handler
