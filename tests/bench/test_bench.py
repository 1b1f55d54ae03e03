"""The bench's arithmetic and its verdict; how fast we are is for `./run bench` to say."""

import socket
import threading

import pytest

from alipayhk import payloads
from tests.bench import figures
from tests.bench.figures import Pace, Report, Round, Series, Waits
from tests.bench.load import Answered, Callers, Load, Refused
from tests.bench.neighbors import Ticks

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(payloads.SUCCESS), payloads.SUCCESS)


def series(*ratios: float, floor: float = 0.12) -> Series:
    return Series(floor, tuple(Round(ours=1000 * ratio, base=1000) for ratio in ratios))


def pace(*, answer: float = 0.02, card: float = 0.2) -> Pace:
    return Pace(30, Waits((answer,) * 100), Waits((card,) * 100))


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    rounds = (Round(ours=200, base=1000), Round(ours=90, base=300), Round(ours=10, base=100))

    found = Series(0.12, rounds)

    assert found.ratio == pytest.approx(0.2)
    assert found.as_json() == {
        "ratio": 0.2,
        "floor": 0.12,
        "met": True,
        "spread": [0.1, 0.3],
        "ours": 90,
        "base": 300,
        "others": None,
        "rounds": [{"ours": 200, "base": 1000}, {"ours": 90, "base": 300}, {"ours": 10, "base": 100}],
    }


@pytest.mark.parametrize(
    ("ratios", "is_met"), [((0.12,) * 5, True), ((0.119,) * 5, False), ((0.5, 0.1, 0.1), False)]
)
def test_a_floor_is_met_by_the_median_alone(ratios: tuple[float, ...], is_met: bool) -> None:
    assert series(*ratios).is_met is is_met


def test_a_crowded_machine_is_named_in_the_table_and_changes_no_verdict() -> None:
    crowded = Series(0.12, (Round(ours=200, base=1000),), others=0.5)

    report = Report({"S1": {"16": crowded}}, None, {})

    assert "measure again" in report.table()
    assert "measure again" not in Report({"S1": {"16": series(0.2)}}, None, {}).table()
    assert report.ok


def test_what_others_took_is_what_was_busy_and_not_ours() -> None:
    before = Ticks(total=1000, busy=500, ours=100)

    assert Ticks(total=2000, busy=1300, ours=400).others_since(before) == 0.5
    assert Ticks(total=2000, busy=900, ours=600).others_since(before) == 0.0


def test_percentiles_are_waits_that_really_happened() -> None:
    waits = Waits(tuple(number / 100 for number in range(100, 0, -1)))

    found = [waits.percentile(share) for share in (0.5, 0.99, 1.0)]

    assert found == [0.5, 0.99, 1.0]
    assert waits.longest == 1.0


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report({"S1": {"16": series(0.2)}}, None, {}), 0),
        (Report({"S1": {"16": series(0.2), "64": series(0.1)}}, None, {}), 1),
        (Report({"S1": {"16": series(0.2)}, "S2": {"16": series(9.9, floor=10)}}, None, {}), 1),
        (Report({"S1": {"16": series(0.2)}}, pace(), {}), 0),
        (Report({"S1": {"16": series(0.2)}}, pace(answer=0.5), {}), 1),
        (Report({"S1": {"16": series(0.2)}}, pace(card=1.0), {}), 1),
    ],
)
def test_one_missed_floor_or_limit_fails_the_bench_and_shows_in_the_table(report: Report, code: int) -> None:
    assert figures.exit_code(report) == code
    assert report.as_json()["ok"] is (code == 0)
    assert ("MISSED" in report.table()) is (code == 1)


def test_a_rate_counts_only_what_was_answered_within_the_round() -> None:
    answered = [Answered(number, due=0.0, read_at=at) for number, at in enumerate((0.5, 1.0, 2.0, 2.1))]

    assert Load(began=0.0, ended=2.0, answered=answered).rate == 1.5


def test_more_is_signed_ahead_than_a_round_will_need() -> None:
    assert figures.next_stock(700, 4, least=100) == 4200
    assert figures.next_stock(0, 4, least=100) == 100


def test_callers_send_every_request_once_and_read_every_answer() -> None:
    port, seen = _serve(GOOD)
    callers = Callers(port, 2)

    load = callers.run([b"%02d" % number for number in range(20)])
    callers.close()

    assert sorted(one.number for one in load.answered) == list(range(20))
    assert sorted(seen) == [b"%02d" % number for number in range(20)]


def test_callers_keep_the_pace() -> None:
    port, _ = _serve(GOOD)
    callers = Callers(port, 2)

    load = callers.run([b"00"] * 10, per_second=100)
    callers.close()

    assert load.ended - load.began >= 0.09
    assert [round(one.due - load.began, 2) for one in load.answered] == [number / 100 for number in range(10)]


@pytest.mark.parametrize(
    "answer",
    [
        GOOD.replace(b"200 OK", b"503 Service Unavailable"),
        GOOD.replace(payloads.SUCCESS, payloads.PARAM_ILLEGAL),
        b"",
    ],
)
def test_any_answer_but_success_ends_the_bench(answer: bytes) -> None:
    port, _ = _serve(answer)
    callers = Callers(port, 1)

    with pytest.raises(Refused):
        callers.run([b"00"])

    callers.close()


def _serve(answer: bytes) -> tuple[int, list[bytes]]:
    """A server that reads two letters and answers, on each connection for as long as it stays open."""
    listener, seen = socket.create_server(("127.0.0.1", 0)), list[bytes]()

    def serve(peer: socket.socket) -> None:
        with peer:
            while request := peer.recv(2):
                seen.append(request)
                if not answer:
                    return
                peer.sendall(answer)

    def accept() -> None:
        with listener:
            for _ in range(2):
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1], seen
