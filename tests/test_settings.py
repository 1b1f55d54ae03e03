"""Bad configuration stops the start with one sentence that names the variable (B217, B218, B221)."""

import json
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

ROLE_URL = "postgresql://app:secret@127.0.0.1:5432/loyalty"
GOOD = {
    "LOYALTY_ENV": "production",
    "SECRET_KEY": "9f" * 32,
    "LOYALTY_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "points.example.com",
    "DATABASE_URL": ROLE_URL,
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "DAILY_MAIL": "*|ops@example.com|zh-hant, lumina-plaza|plaza@example.com",
    "EMAIL_URL": "smtp+tls://loyalty:secret@mail.example.com:587",
    "STAFF_URL": "https://points.example.com/",
}
SHOWN = (
    *("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"),
    *(
        "SECURE_HSTS_SECONDS",
        "SECURE_SSL_REDIRECT",
        "DEBUG",
        "ALIPAYHK_GATEWAY_HOSTS",
        "ALIPAYHK_RETRY_DELAYS",
    ),
    *("ALIPAYHK_SETTLE_SECONDS", "CLOCK_OFFSET_SECONDS"),
    *("DAILY_MAIL", "STAFF_URL", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS"),
)
LOOK = "import json, loyalty.settings as s; print(json.dumps({name: getattr(s, name) for name in %r}))"


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process that has these variables and no others."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", LOOK % (SHOWN,)],
        env={**kept, **GOOD, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_good_production_configuration_starts_and_is_safe() -> None:
    done = start()

    found = json.loads(done.stdout)
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] >= 365 * 24 * 3600
    assert not found["DEBUG"]
    assert found["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert found["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert found["ALIPAYHK_GATEWAY_HOSTS"] == ["open.alipay.hk"]
    assert found["ALIPAYHK_RETRY_DELAYS"] == [0, 2, 2, 2, 600, 1800]
    assert (found["ALIPAYHK_SETTLE_SECONDS"], found["CLOCK_OFFSET_SECONDS"]) == (60, 0)


def test_who_is_mailed_is_read_with_mall_and_language() -> None:
    found = json.loads(start().stdout)

    assert found["DAILY_MAIL"] == [
        ["*", "ops@example.com", "zh-hant"],
        ["lumina-plaza", "plaza@example.com", "en"],
    ]
    assert found["STAFF_URL"] == "https://points.example.com"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == (
        "mail.example.com",
        587,
        True,
    )


def test_without_an_address_no_mail_server_is_needed() -> None:
    done = start(DAILY_MAIL="", EMAIL_URL="", STAFF_URL="")

    assert (done.returncode, json.loads(done.stdout)["DAILY_MAIL"]) == (0, [])


def test_development_may_call_this_machine() -> None:
    found = json.loads(start(LOYALTY_ENV="development", CLOCK_OFFSET_SECONDS="-86400").stdout)

    assert found["ALIPAYHK_GATEWAY_HOSTS"] == ["127.0.0.1", "localhost"]
    assert found["CLOCK_OFFSET_SECONDS"] == -86400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOYALTY_ENV", "staging"),
        ("LOYALTY_ENV", ""),
        ("DEBUG", "on"),
        ("CLOCK_OFFSET_SECONDS", "60"),
        ("CLOCK_OFFSET_SECONDS", "an hour"),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "change-me-change-me-change-me-change-me-change-me"),
        ("LOYALTY_KEYS", ""),
        ("LOYALTY_KEYS", "change-me"),
        pytest.param("LOYALTY_KEYS", f"{Fernet.generate_key().decode()},rubbish", id="one key and rubbish"),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "points.example.com,*"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "sqlite:///loyalty.sqlite3"),
        ("DATABASE_URL", "mysql://app:secret@127.0.0.1/loyalty"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "memory://"),
        ("DAILY_MAIL", "ops@example.com"),
        ("DAILY_MAIL", "*|nobody|en"),
        ("DAILY_MAIL", "*|ops@example.com|fr"),
        ("STAFF_URL", ""),
        ("EMAIL_URL", ""),
        ("EMAIL_URL", "pigeon://mail.example.com"),
        ("ALIPAYHK_GATEWAY_HOSTS", "127.0.0.1"),
        ("ALIPAYHK_GATEWAY_HOSTS", "open.alipay.hk,localhost"),
        ("ALIPAYHK_GATEWAY_HOSTS", "*"),
        ("ALIPAYHK_RETRY_DELAYS", ""),
        ("ALIPAYHK_RETRY_DELAYS", "0,-2"),
        ("ALIPAYHK_RETRY_DELAYS", "soon"),
        ("ALIPAYHK_RETRY_DELAYS", "0,,2"),
        ("ALIPAYHK_SETTLE_SECONDS", "-1"),
        ("ALIPAYHK_UPLOAD_FIELDS", "billNo"),
        ("ALIPAYHK_UPLOAD_FIELDS", "billNo="),
        ("ALIPAYHK_UPLOAD_FIELDS", "=tradeNo"),
        ("ALIPAYHK_UPLOAD_FIELDS", "billNo=a|"),
        ("ALIPAYHK_UPLOAD_FIELDS", "billNo=a,billNo=b"),
        ("ALIPAYHK_SETTLE_SECONDS", "1,2"),
        ("ALIPAYHK_REQUEST_WINDOW", "5 minutes"),
        ("ALIPAYHK_AMOUNT_LIMIT_CENTS", "1e6"),
        ("ALIPAYHK_SHARED_SIGNATURE_MS", "-100"),
        ("ALIPAYHK_BAD_SIGNATURES_PER_MINUTE", "many"),
        ("ALIPAYHK_NEW_CARDS_PER_MINUTE", ""),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_sentence_that_names_it(name: str, value: str) -> None:
    done = start(**{name: value})

    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"{name}: ")
    assert lines[0].endswith(".")
    assert value not in lines[0] or len(value) < 8
