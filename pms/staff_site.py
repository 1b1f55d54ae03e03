"""The staff site: Django's admin with our sidebar, the front page Today, and no pages named after Django's apps."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext_lazy as _

from pms import sidebar, today


class StaffSite(admin.AdminSite):
    site_title = site_header = _("Mall points")
    index_title = _("Today")
    site_url = None
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        own = path("today.json", self.admin_view(self.today_view), name="today")
        # Django's "view on site" would tell whether any row exists, in anybody's mall.
        return [own, *(one for one in super().get_urls() if getattr(one, "name", "") != "view_on_site")]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["available_apps"] = []
        context["jobs"] = sidebar.entries(request, self) if self.has_permission(request) else []
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        context = {**self.each_context(request), "title": self.index_title, "today": today.of(request, self)}
        request.current_app = self.name
        return TemplateResponse(request, "admin/index.html", context)

    def today_view(self, request: HttpRequest) -> HttpResponse:
        """What the front page's script asks for: the chart's series, and the figures as they look now."""
        shown = today.of(request, self)
        figures = render_to_string("admin/today_figures.html", {"today": shown}, request=request)
        return JsonResponse({"figures": figures, "chart": shown.chart})

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> TemplateResponse:
        raise Http404
