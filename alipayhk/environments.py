"""AlipayHK's published environments, and which gateways may be called at all. Never touches the network."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

# Printed in AlipayHK's guide. Production knows it by this SHA-256 of its SubjectPublicKeyInfo and refuses it.
DEV_KEY_FINGERPRINT = "1e2382d01e0e7218e00107c333197e55d9955b1bde3761016d883b43e774aaec"
DEV_PUBLIC_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0eIBay2+dwlrlNzhM3cHmnkOXC3GfK3+Zxoy+Ffug6XYYwJJvi5ZjN0opOhj"
    "FehzVfB008/x11IwxM9eOZL4L05TSVV7T3+Xg2DjQ1FPW4tRba3NnfaUL5vaIfWZxIARow2YgqgtlpPk6ILplUPP59d0+BGDrvlritP7"
    "6C82yCKVNrz7TIyU+lo1xqrYqu4Dr+VnaKgbEG2r2cJ7Ren2ko9C6UJacg6e7A9IRT0vHNqg0cAIIOcmLocd7Fya3C/DFoxYmEdahJtZ"
    "DETC1xwwX3fX5Pb13bNlU3Yc/CtSa8Fs/L9ncrspMu8Qe9F/9xQu1dN9AEqVTzngCB2NVfkjdwIDAQAB"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """What a new credential of an environment need not be told."""

    gateway_url: str
    template_code: str = ""
    public_key: str = ""


PRESETS = {
    "DEV": Preset(
        gateway_url="https://business.dl.alipaydev.com",
        template_code="22023041200135606000000000297866",
        public_key=DEV_PUBLIC_KEY,
    ),
    "PROD": Preset(gateway_url="https://open.alipay.hk"),
}


class GatewayRefused(ValueError):
    """The gateway's address may not be called. The message is a whole sentence."""


def check_gateway(url: str) -> None:
    """Raise GatewayRefused unless `url` is an https address of a host in ALIPAYHK_GATEWAY_HOSTS.

    A gateway on this machine may use http, in development.
    """
    parts = _split(url)
    host = parts.hostname or ""
    is_near = host in LOOPBACK_HOSTS and not settings.IS_PRODUCTION
    if parts.scheme not in (("http", "https") if is_near else ("https",)):
        raise GatewayRefused("The gateway must be an https address.")
    if host in LOOPBACK_HOSTS and not is_near:
        raise GatewayRefused("The gateway must not be this machine.")
    if host not in {allowed.lower().strip("[]") for allowed in settings.ALIPAYHK_GATEWAY_HOSTS}:
        raise GatewayRefused(f"The gateway's host {host!a} is not in ALIPAYHK_GATEWAY_HOSTS.")


def is_key_refused(fingerprint: str, *, environment: str) -> bool:
    """Whether a key may not serve: the published DEV key, here in production or towards AlipayHK's."""
    return fingerprint == DEV_KEY_FINGERPRINT and (settings.IS_PRODUCTION or environment == "PROD")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        has_more = parts.username is not None or parts.port == 0 or parts.query or parts.fragment
    except ValueError as error:
        raise GatewayRefused("The gateway is not an address.") from error
    if has_more or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise GatewayRefused(
            "The gateway must be an address of scheme, host and port, without anything secret in it."
        )
    return parts
