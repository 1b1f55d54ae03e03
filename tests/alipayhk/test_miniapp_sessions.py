"""Sessions of mini-apps: only a digest is kept, staff may end one, the night removes what is over."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.urls import reverse

from alipayhk import miniapp_sessions, tasks
from alipayhk.models import Credential, MiniAppSession
from pms import clock
from tests import factories, screens
from tests.alipayhk import mini_app
from tests.constraints import refused_by

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_only_the_digest_of_a_token_is_kept() -> None:
    app = mini_app.signed_in()

    row = MiniAppSession.objects.values().get()

    assert app.token.removeprefix(miniapp_sessions.PREFIX) not in json.dumps(row, default=str)
    assert len(app.token) == 47


def test_a_session_ends_with_its_mini_app() -> None:
    app = mini_app.signed_in()
    Credential.objects.update(app_id="")

    found = miniapp_sessions.holder_of(app.token, tag=app.tag, now=clock.now())

    assert found is None


def test_two_sign_ins_are_two_sessions_with_their_own_time(settings: Any) -> None:
    settings.MINIAPP_SESSION_SECONDS = 600
    app, now = mini_app.signed_in(), clock.now()

    session, token = miniapp_sessions.begin(wallet_pass=app.card, credential=app.credential, now=now)

    assert token != app.token
    assert session.expires_at == now + timedelta(seconds=600)
    assert miniapp_sessions.holder_of(app.token, tag=app.tag, now=now) != session


def test_the_night_removes_what_is_over_and_nothing_else() -> None:
    live = mini_app.signed_in()
    factories.MiniAppSessionFactory.create()
    ended = factories.MiniAppSessionFactory.create(expires_at=clock.now() + HOUR)
    miniapp_sessions.end(session=ended, now=clock.now())

    tasks.remove_old_sessions()

    [kept] = MiniAppSession.objects.all()
    assert kept == miniapp_sessions.holder_of(live.token, tag=live.tag, now=clock.now())


def test_staff_end_a_session_and_see_no_digest() -> None:
    app = mini_app.signed_in()
    session = MiniAppSession.objects.get()
    client = screens.seen_all()
    deed = reverse("admin:alipayhk_miniappsession_deed", args=[session.pk, "end"])

    page = client.get(screens.page_of(session))
    listed = client.get(reverse("admin:alipayhk_miniappsession_changelist"))
    done = client.post(deed)
    again = client.post(deed)

    assert (page.status_code, done.status_code, again.status_code) == (200, 302, 403)
    assert session.token_hash not in page.content.decode() + listed.content.decode()
    assert app.get("me").status_code == 401


def test_a_session_lives_and_ends_after_it_began() -> None:
    now = clock.now()
    make = partial(factories.MiniAppSessionFactory.create, began_at=now)

    found = [
        refused_by(partial(make, expires_at=now)),
        refused_by(partial(make, expires_at=now + HOUR, ended_at=now - HOUR)),
    ]

    assert found == ["alipayhk_miniappsession_lives", "alipayhk_miniappsession_ends_after_it_began"]
    assert not MiniAppSession.objects.exists()
