"""Forms of credentials, keys and card templates. Secrets go in, are sealed, and are never shown again."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alipayhk import environments, sealed, signature, store_payloads
from alipayhk.models import CardTemplate, CollectionSetup, Credential, CredentialKey
from pms import clock
from pms.steady_forms import BaseForm, SteadyForm

# What of a store AlipayHK's list may hold somewhere else.
PLACED = tuple(store_payloads.FIELD_PLACES)
CARD_WORDS = ("balance", "member_name", "card_number", "program_name")


class CredentialForm(SteadyForm):
    agent_token = forms.CharField(
        label=_("Agent-Token"), required=False, strip=True, max_length=512,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
        help_text=_("Write-only: kept sealed and never shown. Empty leaves it as it is."),
    )  # fmt: skip
    forget_agent_token = forms.BooleanField(label=_("Forget the Agent-Token"), required=False)

    class Meta:
        model = Credential
        widgets: ClassVar = {"client_ids": forms.Textarea(attrs={"rows": 2})}
        fields = ("mall", "client_id", "client_ids", "merchant_id", "app_id", "auth_client_id", "environment",
                  "gateway_url", "path_prefix", "encryption")  # fmt: skip

    def clean_gateway_url(self) -> str:
        address = str(self.cleaned_data["gateway_url"]).strip().rstrip("/")
        try:
            environments.check_gateway(address)
        except environments.GatewayRefused as error:
            raise ValidationError(
                _(
                    "The gateway must be an https address of scheme, host and port, "
                    "and its host one of ALIPAYHK_GATEWAY_HOSTS."
                )
            ) from error
        return address

    def clean_client_ids(self) -> list[str]:
        found = self.cleaned_data["client_ids"] or []
        if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
            raise ValidationError(_('Write a list of texts, such as ["2110…", "2111…"].'))
        return [one.strip() for one in found]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self._refuse_foreign_client_ids()
        if self.cleaned_data.get("forget_agent_token"):
            self.instance.sealed_agent_token = ""
        elif self.cleaned_data.get("agent_token"):
            self.instance.sealed_agent_token = sealed.seal(self.cleaned_data["agent_token"])
        return cleaned

    def _refuse_foreign_client_ids(self) -> None:
        """AlipayHK knows a program by its Client-Id; two programs cannot share one."""
        mall = self.cleaned_data.get("mall") or (self.instance.mall if self.instance.pk else None)
        if mall is None:
            return
        others = Credential.objects.exclude(mall__group=mall.group_id)
        for field, ids in (
            ("client_id", [self.cleaned_data.get("client_id")]),
            ("client_ids", self.cleaned_data.get("client_ids") or []),
        ):
            for one in filter(None, ids):
                if others.filter(Q(client_id=one) | Q(client_ids__contains=[one])).exists():
                    self.add_error(field, _("This Client-Id is used by a mall of another program."))


class CredentialKeyForm(BaseForm):
    """A new key; one that is kept is never overwritten."""

    key = forms.CharField(
        label=_("key"), strip=True, max_length=16_384,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("PEM or base64. Ours: the private key, kept sealed and never shown. AlipayHK's: the public key."),
    )  # fmt: skip

    class Meta:
        model = CredentialKey
        fields = ("side", "version", "state")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        text = self.cleaned_data.get("key")
        if text:
            self._keep(text, is_ours=self.cleaned_data.get("side") == CredentialKey.Side.OURS)
        self.instance.added_at = clock.now()
        self.instance.revoked_at = (
            clock.now() if self.cleaned_data.get("state") == CredentialKey.State.REVOKED else None
        )
        return cleaned

    def _keep(self, text: str, *, is_ours: bool) -> None:
        try:
            private = signature.read_private_key(text) if is_ours else None
            public = private.public_key() if private else signature.read_public_key(text)
        except signature.UnreadableKey:
            self.add_error(
                "key",
                _("This is not an RSA key of at least 2048 bits in PEM or base64, or it is the wrong half."),
            )
            return
        self.instance.public_key = signature.public_base64(public)
        self.instance.fingerprint = signature.public_fingerprint(public)
        self.instance.sealed_private_key = sealed.seal(signature.private_pem(private)) if private else ""
        self._refuse_known(is_ours=is_ours)

    def _refuse_known(self, *, is_ours: bool) -> None:
        """A public key that is ours cannot be AlipayHK's too, and the published DEV key protects nothing."""
        other = CredentialKey.Side.ALIPAYHK if is_ours else CredentialKey.Side.OURS
        if CredentialKey.objects.filter(side=other, fingerprint=self.instance.fingerprint).exists():
            self.add_error("key", _("This key is kept as the other side's key."))
        credential = self.instance.credential if self.instance.credential_id else None
        environment = credential.environment if credential else ""
        if environments.is_key_refused(self.instance.fingerprint, environment=environment):
            self.add_error("key", _("This is AlipayHK's published DEV key, unfit for production."))


class CardTemplateForm(BaseForm):
    class Meta:
        model = CardTemplate
        widgets: ClassVar = {"placeholders": forms.Textarea(attrs={"rows": 3})}
        fields = ("code", "type", "product", "shape", "placeholders", "update_detail_type", "valid_days")

    def clean_placeholders(self) -> dict[str, str]:
        found = self.cleaned_data["placeholders"] or {}
        if not isinstance(found, dict) or not all(word in CARD_WORDS for word in found.values()):
            raise ValidationError(
                _(
                    'Write an object such as {"$points$": "balance"}; '
                    "the words are balance, member_name, card_number and program_name."
                )
            )
        return found


class CollectionSetupForm(BaseForm):
    class Meta:
        model = CollectionSetup
        widgets: ClassVar = {"field_paths": forms.Textarea(attrs={"rows": 2})}
        fields = (
            "is_on", "way_by_pms", "way_by_number", "names", "first_page", "page_size", "list_path", "field_paths",
        )  # fmt: skip

    def clean_field_paths(self) -> dict[str, str]:
        found = self.cleaned_data["field_paths"] or {}
        is_fit = isinstance(found, dict) and all(
            name in PLACED and isinstance(place, str) and place for name, place in found.items()
        )
        if not is_fit:
            raise ValidationError(
                _('Write an object such as {"store_name": "pms.shopName"}; the names are %(names)s.')
                % {"names": ", ".join(PLACED)}
            )
        return found
