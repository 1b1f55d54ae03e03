"""The screens of a mall's credentials: how it is addressed and calls, its keys, the template of its cards."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alipayhk import credential_story, passes
from alipayhk.credential_forms import (
    CardTemplateForm,
    CollectionSetupForm,
    CredentialForm,
    CredentialKeyForm,
)
from alipayhk.models import CardTemplate, CollectionSetup, Credential, CredentialKey
from pms import clock, formats, scoping
from pms.records import Deed, RecordAdmin, login_of, pill_by
from pms.scoping import ScopedInline, ScopedModelAdmin


class KeyInline(ScopedInline):
    """Kept keys are shown; new ones may be added; a kept key is never changed here."""

    model = CredentialKey
    form = CredentialKeyForm
    mall_path = "credential__mall"
    fields = ("side", "version", "state", "key", "mark", "added")
    readonly_fields = ("mark", "added")
    show_change_link = True
    verbose_name_plural = _("Keys")

    @admin.display(description=_("key"))
    def key(self, kept: CredentialKey) -> str:
        return str(_("kept"))

    @admin.display(description=_("fingerprint"))
    def mark(self, kept: CredentialKey) -> str:
        return formats.identifier(kept.fingerprint)

    @admin.display(description=_("added"))
    def added(self, kept: CredentialKey) -> str:
        return formats.moment(kept.added_at)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CardTemplateInline(ScopedInline, admin.StackedInline):  # type: ignore[type-arg]
    model = CardTemplate
    form = CardTemplateForm
    mall_path = "credential__mall"
    max_num = 1
    template = "admin/edit_inline/stacked.html"
    readonly_fields = ("paused_at", "pause_code")


class CollectionSetupInline(ScopedInline, admin.StackedInline):  # type: ignore[type-arg]
    model = CollectionSetup
    form = CollectionSetupForm
    mall_path = "credential__mall"
    max_num = 1
    template = "admin/edit_inline/stacked.html"
    readonly_fields = ("held_until_at",)


@admin.register(Credential)
class CredentialAdmin(ScopedModelAdmin):
    mall_path = "mall"
    ordering = ("pk",)
    form = CredentialForm
    is_addable = is_changeable = True
    list_display = ("client_id", "mall_name", "environment", "gateway_url", "encryption")
    list_select_related = ("mall",)
    list_filter = ("environment", ("mall", scoping.ScopedFilter))
    search_fields = ("client_id", "merchant_id", "mall__tag")
    autocomplete_fields = ("mall",)
    inlines = (KeyInline, CardTemplateInline, CollectionSetupInline)
    fieldsets = (
        (None, {"fields": ("mall", "client_id", "client_ids", "merchant_id", "app_id", "auth_client_id")}),
        (_("Where it calls"), {"fields": ("environment", "gateway_url", "path_prefix", "encryption")}),
        (_("Agent-Token"), {"fields": ("agent_token", "forget_agent_token", "seen")}),
    )
    empty_words = _(
        "No credential yet. The command register_mall brings a mall's keys and card template in one file."
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        return ("mall",) if obj else ()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What AlipayHK refused was the template as it was: once changed, its cards go on."""
        super().save_related(request, form, formsets, change)
        paused = CardTemplate.objects.filter(credential=form.instance, paused_at__isnull=False).first()
        if paused and any(one.model is CardTemplate and one.has_changed() for one in formsets):
            passes.resume_template(template=paused, by=login_of(request))

    @admin.display(description=_("mall"))
    def mall_name(self, credential: Credential) -> str:
        return formats.name_of(credential.mall)


def _revoke(request: HttpRequest, key: CredentialKey) -> object:
    now = clock.now()
    CredentialKey.objects.filter(pk=key.pk).update(state=CredentialKey.State.REVOKED, revoked_at=now)
    return _("The key is revoked: nothing signed with it is believed from now on.")


@admin.register(CredentialKey)
class CredentialKeyAdmin(RecordAdmin):
    mall_path = "credential__mall"
    list_display = ("named", "credential", "state_pill", "fingerprint_shown", "added")
    list_select_related = ("credential__mall",)
    list_filter = ("side", "state")
    search_fields = ("fingerprint__exact", "credential__client_id")
    ordering = ("-pk",)
    empty_words = _("No key yet. Keys are added on the page of their credential.")
    deeds = (
        Deed(name="revoke", label=_("Revoke this key"), permission="alipayhk.change_credentialkey", do=_revoke,
             is_offered=lambda key: key.state != CredentialKey.State.REVOKED,
             explanation=_("At once and for good. Add the next version first, or the mall stands still.")),
    )  # fmt: skip

    @admin.display(description=_("key"))
    def named(self, key: CredentialKey) -> str:
        return f"{key.get_side_display()} v{key.version}"

    @admin.display(description=_("state"))
    def state_pill(self, key: CredentialKey) -> str:
        return pill_by(credential_story.TONES, key)

    @admin.display(description=_("fingerprint"))
    def fingerprint_shown(self, key: CredentialKey) -> str:
        return formats.identifier(key.fingerprint)

    @admin.display(description=_("added"))
    def added(self, key: CredentialKey) -> str:
        return formats.moment(key.added_at)

    def title_of(self, thing: CredentialKey) -> object:
        return self.named(thing)

    def pill_of(self, thing: CredentialKey) -> str:
        return self.state_pill(thing)
