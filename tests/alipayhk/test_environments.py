"""Which gateways may be called, and AlipayHK's published DEV environment."""

import pytest
from pytest_django import Settings

from alipayhk import environments, signature
from alipayhk.environments import GatewayRefused


def test_the_published_dev_key_is_the_one_that_production_knows() -> None:
    key = signature.read_public_key(environments.DEV_PUBLIC_KEY)

    assert signature.public_fingerprint(key) == environments.DEV_KEY_FINGERPRINT
    assert environments.DEV_KEY_FINGERPRINT.startswith("1e2382d0")


def test_the_dev_key_serves_development_only(settings: Settings) -> None:
    fingerprint = environments.DEV_KEY_FINGERPRINT

    in_trials = [
        environments.is_key_refused(fingerprint, environment=word) for word in ("DEV", "CUSTOM", "PROD")
    ]
    settings.IS_PRODUCTION = True
    in_production = environments.is_key_refused(fingerprint, environment="DEV")

    assert in_trials == [False, False, True]
    assert in_production


def test_another_key_is_never_refused(settings: Settings) -> None:
    settings.IS_PRODUCTION = True

    assert not environments.is_key_refused("0" * 64, environment="PROD")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000",
        "https://localhost",
        "https://business.dl.alipaydev.com",
        "https://OPEN.alipay.hk",
    ],
)
def test_a_gateway_of_the_list_may_be_called(settings: Settings, url: str) -> None:
    settings.ALIPAYHK_GATEWAY_HOSTS = [
        "127.0.0.1",
        "localhost",
        "business.dl.alipaydev.com",
        "open.alipay.hk",
    ]

    environments.check_gateway(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://open.alipay.hk", "https"),
        ("https://open.alipay.hk.evil.example", "ALIPAYHK_GATEWAY_HOSTS"),
        ("https://user:secret@open.alipay.hk", "without anything secret"),
        ("https://open.alipay.hk/#x", "without anything secret"),
        ("https://[::1", "not an address"),
        ("https://2130706433", "ALIPAYHK_GATEWAY_HOSTS"),
    ],
)
def test_b211_any_other_gateway_is_refused_with_a_sentence(settings: Settings, url: str, why: str) -> None:
    settings.ALIPAYHK_GATEWAY_HOSTS = ["127.0.0.1", "open.alipay.hk"]

    with pytest.raises(GatewayRefused, match=why):
        environments.check_gateway(url)


def test_production_calls_nobody_on_this_machine(settings: Settings) -> None:
    settings.IS_PRODUCTION = True
    settings.ALIPAYHK_GATEWAY_HOSTS = ["127.0.0.1"]

    with pytest.raises(GatewayRefused):
        environments.check_gateway("http://127.0.0.1:9000")
    with pytest.raises(GatewayRefused):
        environments.check_gateway("https://127.0.0.1:9000")
