"""The way in for the web server: webhooks without middleware, everything else with that of the staff pages.

Middleware on a webhook costs half its speed, and none of it may touch a body before its signature is judged.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import django
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.urls import get_resolver

from loyalty import celery  # noqa: F401  (tasks are published through its app, not to a broker nobody runs)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
django.setup(set_prefix=False)


WEBHOOKS = "/points/"
Environ = dict[str, Any]


class WebhookHandler(WSGIHandler):
    """Django's handler without any middleware; an exception still becomes a response."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]  # missing in the stubs


staff = WSGIHandler()
webhooks = WebhookHandler()
# All views are imported before the workers fork; else the first caller of each waits seconds for it.
routes = get_resolver().url_patterns


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    handler = webhooks if WEBHOOKS in environ["PATH_INFO"] else staff
    return handler(environ, start_response)
