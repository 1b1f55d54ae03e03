"""Counting per address and minute, without anything outside the process."""

from alipayhk import rates


def test_an_address_has_used_up_its_limit_when_it_reached_it() -> None:
    for _ in range(3):
        assert not rates.is_spent("test", "192.0.2.1", limit=3)
        rates.count("test", "192.0.2.1")

    assert rates.is_spent("test", "192.0.2.1", limit=3)


def test_addresses_and_what_is_counted_are_kept_apart() -> None:
    rates.count("test", "192.0.2.2")

    assert rates.is_spent("test", "192.0.2.2", limit=1)
    assert not rates.is_spent("test", "192.0.2.3", limit=1)
    assert not rates.is_spent("other", "192.0.2.2", limit=1)


def test_no_limit_is_never_used_up() -> None:
    rates.count("test", "192.0.2.4")

    assert not rates.is_spent("test", "192.0.2.4", limit=0)


def test_many_addresses_do_not_fill_the_memory() -> None:
    for number in range(rates.MOST_ADDRESSES + 10):
        rates.count("flood", f"2001:db8::{number:x}")

    assert len(rates._counts) <= rates.MOST_ADDRESSES + 1
