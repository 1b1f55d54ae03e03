"""What the mini-app's API says when it refuses: each code's sentence for the member, and its HTTP status."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MESSAGES: dict[str, Promise] = {
    "SESSION_INVALID": _("You are not signed in any more. Please sign in again."),
    "TOKEN_IN_URL": _("A token belongs in the Authorization header, never in an address."),
    "TOO_MANY_REQUESTS": _("Too many requests. Please wait a minute."),
    "BUSY": _("Many members are being served at this moment. Nothing was changed; please try again."),
    "MEMBER_CLOSED": _("The membership is closed or suspended."),
    "CURSOR_UNREADABLE": _("This page of the history cannot be found. Please start from the newest."),
    "MINI_APP_OFF": _("This mall is not open to its mini-app."),
    "AUTH_CODE_INVALID": _("AlipayHK does not accept this sign-in, or it was used before. Please try again."),
    "AUTH_CODE_EXPIRED": _("This sign-in has expired. Please try again."),
    "USER_REFUSED": _("AlipayHK does not let this account sign in. Please ask AlipayHK."),
    "ALIPAYHK_AWAY": _("AlipayHK does not answer at the moment. Nothing was changed; please try again later."),
    "ALIPAYHK_REFUSED": _("AlipayHK refused the request. Nothing was changed; please ask the mall's counter."),
    "CONSENT_TEXT_OLD": _("The text of the consent has changed. Please read the new one first."),
    "AUTHORIZATION_ENDED": _("AlipayHK's authorisation has ended. Please sign in again and agree to it."),
    "UPLOADS_OFF": _("Transactions cannot be submitted in this mall."),
    "BATCH_REFUSED": _("AlipayHK does not know this selection of transactions, or it is not yours."),
    "BATCH_UNREADABLE": _("AlipayHK's answer could not be read. The mall has been told; please try again later."),
    "FAILED": _("Something went wrong on our side. The mall has been told; please try again later."),
    # Of one field.
    "UNKNOWN_FIELD": _("There is no such field."),
    "REQUIRED": _("Required."),
    "NOT_TEXT": _("Must be text."),
    "NOT_TEXTS": _("Must be a list of texts."),
    "NOT_AN_OBJECT": _("Must be an object."),
    "NOT_WHOLE": _("Must be a whole number."),
    "TOO_LONG": _("Too long."),
    "TOO_LARGE": _("Too large."),
    "UNREADABLE": _("Cannot be read. Please check it."),
    "NOT_OFFERED": _("Not one of the choices."),
    "ALREADY_SET": _("This was said before and cannot be changed here."),
}  # fmt: skip
STATUSES = {
    "MINI_APP_OFF": 409,
    "AUTH_CODE_INVALID": 409,
    "AUTH_CODE_EXPIRED": 409,
    "USER_REFUSED": 403,
    "MEMBER_CLOSED": 403,
    "ALIPAYHK_AWAY": 503,
    "ALIPAYHK_REFUSED": 502,
    "AUTHORIZATION_ENDED": 409,
    "UPLOADS_OFF": 409,
    "BATCH_REFUSED": 409,
    "BATCH_UNREADABLE": 502,
}
