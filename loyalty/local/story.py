"""The demo's story: people join, pay and return goods at a simulated AlipayHK, and their cards follow.

It knows nothing but the simulator's control API and tells what a member would see.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
PATIENCE = 30.0


class StoryBroken(Exception):
    """A step of the story did not come out as it should."""


def tell(simulator: str) -> None:
    """Play all steps, a sentence each; a step that fails is told too, and the demo goes on running."""
    try:
        play(simulator_url=simulator, say=lambda sentence: print(f"  {sentence}", flush=True))
        print("\nThe story is told; everything keeps running.", flush=True)
    except (StoryBroken, OSError) as error:
        print(f"\nThe story stopped: {error}", flush=True)


def play(*, simulator_url: str, say: Callable[[str], None]) -> None:
    """Every step of the story, with what the cards really show; raises StoryBroken where it goes wrong."""
    for sentence in _steps(_Stage(simulator_url)):
        say(sentence)


def answers(simulator: str) -> bool:
    try:
        _call(simulator, "GET", "keys")
    except OSError:
        return False
    return True


def _steps(stage: "_Stage") -> Iterator[str]:
    mei = stage.join("61234567")
    yield f"Mei Ling joins through the Brand Channel and gets her card: {stage.shows(mei, 0)} points."
    stage.pay(mei, 13_890, "PMS0001")
    yield f"She pays HK$138.90 at Harbour Noodles; her card shows {stage.shows(mei, 138)} points."

    wing = stage.join("69876543")
    bill = stage.pay(wing, 62_000, "PMS0004", fault="duplicate", count=3)
    points = stage.shows(wing, 620)
    yield f"Wing pays HK$620.00 at Thread Street. The notice comes thrice, his card: {points} points."
    stage.refund(wing, bill, 20_000, "PMS0004")
    yield f"He returns a shirt for HK$200.00; his card goes down to {stage.shows(wing, 420)} points."

    early = stage.new_user()
    stage.pay(early, 25_000, "PMS0003")
    yield "Somebody pays HK$250.00 at Kettle & Crumb before being a member: the payment waits."
    stage.join("63451278", user_id=early)
    yield f"She joins a moment later, and the waiting payment is paid: {stage.shows(early, 250)} points."

    stage.pay(mei, 45_600, "PMS0009", fault="lost_acknowledgement", ladder_scale=0.01)
    points = stage.shows(mei, 594)
    yield f"Mei Ling pays HK$456.00; our answer gets lost and AlipayHK sends again, late: {points} points, once."

    stage.fail(wing, "system_error_before", times=2)
    stage.pay(wing, 18_000, "PMS0002")
    yield f"Wing pays HK$180.00 while AlipayHK's gateway fails; his card still shows {stage.now(wing)} points."
    started = time.monotonic()
    points, calls = stage.shows(wing, 600), stage.calls(wing)
    waited = time.monotonic() - started
    yield f"{waited:.0f} s and {calls} update calls in all later the card has caught up: {points} points."


class _Stage:
    def __init__(self, simulator: str) -> None:
        self._simulator = simulator
        # A demo may be told again on the same home: then these are new people.
        self._next_user = time.time_ns() // 1000 % 10**11

    def new_user(self) -> str:
        self._next_user += 7
        return f"2160{self._next_user:012d}"

    def join(self, mobile: str, *, user_id: str | None = None) -> str:
        user_id = user_id or self.new_user()
        fresh = f"{mobile[:2]}{self._next_user % 10**6:06d}"
        self._send("membercard", {"userId": user_id, "mobileNo": f"852-{fresh}"})
        return user_id

    def pay(self, user_id: str, cents: int, store: str, **manner: Any) -> str:
        """The payment's number at AlipayHK."""
        amount = {"currency": "HKD", "value": cents}
        fields = {"userId": user_id, "orderAmount": amount, "pmsLabel": store}
        return str(self._send("bill", fields, **manner)["body"]["billNo"])

    def refund(self, user_id: str, bill: str, cents: int, store: str) -> None:
        amount = {"currency": "HKD", "value": cents}
        fields = {"userId": user_id, "relateBillNo": bill, "refundAmount": amount, "pmsLabel": store}
        self._send("refund", fields)

    def shows(self, user_id: str, points: int) -> int:
        """Wait until the card shows these points, as its holder would."""
        shown = _until(lambda: self._points(user_id), points)
        if shown != points:
            raise StoryBroken(f"the card of {user_id} shows {shown} points instead of {points}.")
        return points

    def now(self, user_id: str) -> int | None:
        """What the card shows at this moment."""
        return self._points(user_id)

    def calls(self, user_id: str) -> int:
        """How many update calls this card has had."""
        found = _call(self._simulator, "GET", f"calls?direction=IN&user_id={user_id}")["calls"]
        return sum(call["api"] == "updatePass" for call in found)

    def fail(self, user_id: str, fault: str, *, times: int) -> None:
        """The next card updates of this person meet a fault at AlipayHK."""
        plan = {"api": "updatePass", "fault": fault, "times": times, "user_id": user_id}
        _call(self._simulator, "POST", "faults", plan)

    def _points(self, user_id: str) -> int | None:
        cards = _call(self._simulator, "GET", f"cards?user_id={user_id}")["cards"]
        return cards[0]["points"] if cards else None

    def _send(self, kind: str, fields: Json, **manner: Any) -> Json:
        order = {"kind": kind, "fields": fields, **manner}
        notice: Json = _call(self._simulator, "POST", "send", order)["notice"]
        return notice


def _until(look: Callable[[], int | None], wanted: int) -> int | None:
    end = time.monotonic() + PATIENCE
    found = look()
    while found != wanted and time.monotonic() < end:
        time.sleep(0.1)
        found = look()
    return found


def _call(simulator: str, method: str, path: str, content: Json | None = None) -> Json:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{simulator}/control/{path}", data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            found: Json = json.load(answer)
    except urllib.error.HTTPError as error:
        raise StoryBroken(error.read(500).decode(errors="replace")) from error
    return found
