"""One simulator as a whole: what it writes into its home, what a restart keeps, what a reset forgets."""

import stat
import subprocess
import sys
from pathlib import Path

import requests

from alipayhk import signature
from alipayhk.simulator import twin
from alipayhk.simulator.cards import Order
from alipayhk.simulator.twin import Twin
from tests.alipayhk.simulator.conftest import Simulator


def open_again(home: Path) -> Twin:
    return twin.open_twin(home, url="http://127.0.0.1:9", mall_url="http://127.0.0.1:9")


def put_a_card(alipayhk: Twin) -> str:
    client = alipayhk.clients.need(None)
    order = Order(
        client_id=client.client_id,
        merchant_id=client.merchant_id,
        user_id="2160000000000042",
        open_id="",
        serial="serial-1",
        faces={"en_US": {"$points$": "5"}},
        code_info=None,
        end_date=None,
    )
    card = alipayhk.wallet.create(order, client.template)
    faces = {"en_US": {"$points$": "9"}}
    alipayhk.wallet.update(card.pass_id, client_id=client.client_id, faces=faces, template=client.template)
    return card.pass_id


def with_keys_of(simulator: Simulator, home: Path) -> Path:
    """A home that need not make its own keys, which is what takes time."""
    (home / "keys").mkdir(parents=True)
    for file in (simulator.home / "keys").iterdir():
        (home / "keys" / file.name).write_bytes(file.read_bytes())
    return home


def test_a_restart_keeps_cards_book_malls_and_keys(simulator: Simulator, tmp_path: Path) -> None:
    home = with_keys_of(simulator, tmp_path / "home")
    first = open_again(home)
    pass_id = put_a_card(first)
    document = simulator.document()
    document["alipayhk"]["client_id"] = "2110200000000047"
    first.register_client({"register": document, "mall_url": "http://127.0.0.1:9"})
    first.send({"kind": "membercard"})
    first.stop()

    second = open_again(home)
    second.stop()

    card = second.wallet.find(pass_id)
    assert card is not None
    assert (card.points, [entry["points"] for entry in card.history]) == (9, [5, 9])
    assert second.clients.get("2110200000000047") is not None
    assert [notice.kind for notice in second.book.listing()] == ["membercard"]
    assert second.public_key() == first.public_key()


def test_a_reset_forgets_cards_and_book_but_neither_malls_nor_keys(
    simulator: Simulator, tmp_path: Path
) -> None:
    alipayhk = open_again(with_keys_of(simulator, tmp_path / "home"))
    put_a_card(alipayhk)

    alipayhk.reset()
    alipayhk.stop()

    assert alipayhk.wallet.listing() == []
    assert len(alipayhk.clients.listing()) == 1
    assert open_again(alipayhk.home).wallet.listing() == []


def test_a_journal_cut_off_by_a_kill_is_read_up_to_there(simulator: Simulator, tmp_path: Path) -> None:
    home = with_keys_of(simulator, tmp_path / "home")
    first = open_again(home)
    pass_id = put_a_card(first)
    first.stop()
    with (home / "journal.jsonl").open("a") as journal:
        journal.write('{"event":"card","card":{"pass_')

    second = open_again(home)
    second.stop()

    assert second.wallet.find(pass_id) is not None


def test_the_home_offers_a_mall_with_keys_that_only_the_owner_reads(simulator: Simulator) -> None:
    document = simulator.document()

    wire = document["alipayhk"]
    assert wire["gateway_url"] == simulator.url
    assert wire["public_keys"][0]["key"] == simulator.twin.public_key()
    assert [one["state"] for one in wire["public_keys"]] == ["ACTIVE", "ACTIVE", "REVOKED"]
    assert signature.read_private_key(wire["private_key"]).key_size == 2048
    assert len(document["stores"]) == 12
    files = [simulator.home / "register_mall.json", *(simulator.home / "keys").iterdir()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_program_starts_says_that_it_is_ready_and_stops_on_a_signal(
    simulator: Simulator, tmp_path: Path
) -> None:
    home = with_keys_of(simulator, tmp_path / "a home")
    command = [sys.executable, "-m", "alipayhk.simulator", "--port", "0", "--home", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    url = lines[2].removeprefix("ready ").strip()

    answer = requests.get(f"{url}/control/keys", timeout=5)
    process.terminate()
    process.stdout.close()

    assert lines[0] == f"public key {simulator.twin.public_key()}\n"
    assert answer.json()["gateway_url"] == url
    assert process.wait(timeout=5) == 0


def test_a_port_in_use_is_said_in_one_line(simulator: Simulator, tmp_path: Path) -> None:
    port = simulator.url.rpartition(":")[2]
    command = [sys.executable, "-m", "alipayhk.simulator", "--port", port, "--home", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)

    assert done.returncode == 3
    assert done.stderr == f"port {port} cannot be used: Address already in use\n"
    assert list(tmp_path.iterdir()) == []


def test_the_simulator_imports_nothing_of_ours_but_the_signature_module() -> None:
    program = (
        "import sys, alipayhk.simulator.__main__\n"
        "ours = {name for name in sys.modules if name.split('.')[0] in ('alipayhk', 'loyalty', 'members', 'pms')}\n"
        "print(sorted(name for name in ours if not name.startswith('alipayhk.simulator')), 'django' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['alipayhk', 'alipayhk.signature'] False"
