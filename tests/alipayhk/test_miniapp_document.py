"""The published description of the mini-app's API: it names what is taken, and none of what it allows is a 500."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode

from alipayhk import miniapp_document, miniapp_forms, miniapp_words
from loyalty.wsgi import application
from tests.alipayhk import mini_app
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.mini_app import ROOT, MiniApp
from tests.alipayhk.picking import new_picker

pytestmark = pytest.mark.django_db

DOCUMENT = f"{ROOT}/openapi.json"
CASES = 120


@pytest.fixture
def app(gateway: Gateway, settings: Any) -> MiniApp:
    settings.MINIAPP_REQUESTS_PER_MINUTE = settings.MINIAPP_SIGN_INS_PER_MINUTE = 0
    picker = new_picker(gateway)
    return mini_app.session_of(picker.shopper, picker.credential)


def test_the_description_names_the_fields_that_are_taken() -> None:
    document = Client().get(DOCUMENT).json()

    schemas = document["components"]["schemas"]
    taken = {
        "SignIn": miniapp_forms.SIGN_IN,
        "Registration": miniapp_forms.REGISTRATION,
        "Consent": miniapp_forms.CONSENT,
        "Batch": miniapp_forms.BATCH,
        "Wish": miniapp_forms.REDEMPTION,
    }
    assert {name: set(schemas[name]["properties"]) for name in taken} == {
        name: set(readers) for name, readers in taken.items()
    }
    assert document["openapi"].startswith("3.1")
    assert all(code in document["info"]["description"] for code in miniapp_words.STATUSES)


def test_what_me_setup_and_history_tell_is_as_described(app: MiniApp) -> None:
    app.shopper.pays(10000)
    described = miniapp_document.SCHEMAS

    answers = {"Me": app.get("me"), "Setup": app.get("setup"), "History": app.get("me/transactions")}

    for name, answer in answers.items():
        assert set(answer.json()) == set(described[name]["properties"]), name
    [payment] = answers["History"].json()["transactions"]
    assert set(payment) == set(miniapp_document.PAYMENT["properties"])


@pytest.fixture
def published() -> Iterator[Any]:
    """The description as schemathesis reads it. The test's own connection outlives its requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi(DOCUMENT, application)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_nothing_that_the_description_leads_to_is_a_failure_of_ours(
    app: MiniApp, published: Any, mode: GenerationMode
) -> None:
    """By schemathesis: requests that fit the description, and requests that do not."""
    statuses: Counter[int] = Counter()
    unworded = []

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=published.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.path_parameters["tag"] = app.tag
        case.headers["Authorization"] = f"Bearer {app.token}"
        case.headers.pop("Host", None)  # another host's requests never come as far as the API
        answer = case.call()
        statuses[answer.status_code] += 1
        if answer.status_code >= 400 and not answer.json()["error"]["message_zh"]:
            unworded.append((case.method, case.formatted_path, case.body))

    ask()

    assert (statuses[500], unworded) == (0, [])
    # What does not fit may be the token too.
    assert statuses.total() - statuses[401] > CASES / 3
    # AlipayHK is asked for real; it does not know the codes, and nothing is away or busy.
    assert 503 not in statuses
