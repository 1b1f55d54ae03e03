"""What the page of a key tells. Never a private half, sealed or not."""

from django.http import HttpRequest
from django.utils.translation import gettext as _

from alipayhk.models import CredentialKey
from pms import formats, story
from pms.story import Panel

TONES = {"ACTIVE": "good", "RETIRING": "wait", "REVOKED": "bad"}


@story.tells("alipayhk.credentialkey", 10)
def key(request: HttpRequest, one: CredentialKey) -> Panel:
    return story.facts(_("Key"), [
        (_("Whose"), formats.word(one.get_side_display())),
        (_("Version"), one.version),
        (_("Credential"), story.link(request, one.credential)),
        (_("Fingerprint"), formats.identifier(one.fingerprint)),
        (_("Added"), formats.moment(one.added_at)),
        (_("Revoked"), formats.moment(one.revoked_at)),
    ])  # fmt: skip


@story.tells("alipayhk.credentialkey", 20)
def public_half(request: HttpRequest, one: CredentialKey) -> Panel:
    return story.facts(
        _("Public half, as AlipayHK exchanges it"), [(_("Base64"), formats.identifier(one.public_key))]
    )
