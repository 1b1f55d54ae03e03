"""Every setting, read from the environment; nonsense stops the start with one sentence that names the variable."""

import re
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet, MultiFernet

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
LANGUAGES = [("en", "English"), ("zh-hant", "繁體中文")]


def stop(name: str, sentence: str) -> NoReturn:
    raise SystemExit(f"{name}: {sentence}")


def seconds(name: str, default: str) -> list[float]:
    """Waits; fractions of a second serve trials that run faster than life."""
    parts = [part.strip() for part in env.str(name, default=default).split(",")]
    if not all(part.isascii() and part.replace(".", "", 1).isdigit() for part in parts):
        stop(name, "must be numbers of seconds, separated by commas.")
    return [float(part) for part in parts]


def whole_numbers(name: str, default: str) -> list[int]:
    parts = [part.strip() for part in env.str(name, default=default).split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        stop(name, "must be whole numbers of seconds, separated by commas.")
    return [int(part) for part in parts]


def whole_number(name: str, default: str) -> int:
    numbers = whole_numbers(name, default)
    return numbers[0] if len(numbers) == 1 else stop(name, "must be one whole number.")


def field_paths(name: str) -> dict[str, list[str]]:
    """`field=path|other.path, …` as a table of paths to try in turn."""
    pairs = [part.partition("=") for part in env.str(name, default="").split(",") if part.strip()]
    found = {field.strip(): [path.strip() for path in paths.split("|")] for field, _, paths in pairs}
    if not all(field and all(paths) for field, paths in found.items()) or len(found) != len(pairs):
        stop(name, "must be pairs like field=path|other.path, separated by commas, each field once.")
    return found


def addressees(name: str) -> list[tuple[str, str, str]]:
    """`mall tag|address|language, …`; the tag * is every mall, and a language left out is English."""
    found = []
    for part in env.str(name, default="").split(","):
        tag, _, rest = part.strip().partition("|")
        address, _, language = rest.partition("|")
        language = language or "en"
        is_address = re.fullmatch(r"[^\s@]+@[^\s@]+", address)
        if tag and not (is_address and language in dict(LANGUAGES)):
            stop(name, "must be mall tag|address|language, separated by commas; languages: en, zh-hant.")
        found += [(tag, address, language)] if tag else []
    return found


def secret(name: str) -> str:
    value: str = env.str(name, default="")
    if len(value) < 40 or "change-me" in value:
        stop(name, "must be a secret of at least 40 letters; .env.example tells how to make one.")
    return value


ENVIRONMENT = env.str("LOYALTY_ENV", default="development")
if ENVIRONMENT not in ("development", "production"):
    stop("LOYALTY_ENV", "must be development or production.")
IS_PRODUCTION = ENVIRONMENT == "production"
LOYALTY_HOME = Path(env.str("LOYALTY_HOME", default=str(BASE_DIR / ".local")))

DEBUG = env.bool("DEBUG", default=False)
if DEBUG and IS_PRODUCTION:
    stop("DEBUG", "must not be on in production.")
SECRET_KEY = secret("SECRET_KEY")
LOYALTY_KEYS = [key.strip() for key in env.str("LOYALTY_KEYS", default="").split(",") if key.strip()]
if not LOYALTY_KEYS:
    stop(
        "LOYALTY_KEYS", "must hold at least one Fernet key, newest first; .env.example tells how to make one."
    )
try:
    MultiFernet([Fernet(key) for key in LOYALTY_KEYS])
except ValueError:
    stop("LOYALTY_KEYS", "holds a text that is no Fernet key; .env.example tells how to make one.")

ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if IS_PRODUCTION else ["127.0.0.1", "localhost", "[::1]"]
)
if IS_PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    stop("ALLOWED_HOSTS", "must list the host names the malls are served under, and no *.")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

try:
    CLOCK_OFFSET_SECONDS = env.int("CLOCK_OFFSET_SECONDS", default=0)
except ValueError:
    stop("CLOCK_OFFSET_SECONDS", "must be a whole number of seconds.")
if CLOCK_OFFSET_SECONDS and IS_PRODUCTION:
    stop("CLOCK_OFFSET_SECONDS", "must not be set in production.")

# Database. Web requests wait for nobody: 300 ms for a lock, 1.5 s for a statement.
database_url = env.str("DATABASE_URL", default="")
if urlsplit(database_url).scheme not in ("postgresql", "postgres"):
    stop("DATABASE_URL", "must be a postgresql:// address; no other database is supported.")
IS_WEB = env.str("LOYALTY_PROCESS", default="") == "web"
TIMEOUTS = "-c lock_timeout=300ms -c statement_timeout=1500ms -c idle_in_transaction_session_timeout=5s"
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(database_url)}
DATABASES["default"] |= {
    "CONN_MAX_AGE": None,
    "OPTIONS": DATABASES["default"].get("OPTIONS", {})
    | {
        "server_side_binding": True,
        "prepare_threshold": 1,
        "connect_timeout": 2,
        "options": TIMEOUTS if IS_WEB else "",
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Valkey or Redis. The web's nudge must not wait for a dead broker (measured with kombu's defaults: 6 s).
REDIS_URL = env.str("REDIS_URL", default="")
if urlsplit(REDIS_URL).scheme not in ("redis", "rediss", "unix"):
    stop("REDIS_URL", "must be a redis://, rediss:// or unix:// address.")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)

INSTALLED_APPS = [
    "pms.staff_apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "pms",
    "members",
    "loyalty.ledger",
    "loyalty.earning",
    "loyalty.review",
    "loyalty.doors",
    "alipayhk",
]
# Staff pages only: the webhooks run without middleware (loyalty/wsgi.py).
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "loyalty.content_security.ContentSecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "loyalty.urls"
WSGI_APPLICATION = "loyalty.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "pms.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["pms.roles.RoleBackend"]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "loyalty" / "locale"]
TIME_ZONE = "Asia/Hong_Kong"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = LOYALTY_HOME / "static"
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

SESSION_COOKIE_AGE = 10 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = IS_PRODUCTION
SESSION_COOKIE_NAME = "__Host-session" if IS_PRODUCTION else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_PRODUCTION else "csrf"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

PARTNER_REQUESTS_PER_MINUTE = whole_number("PARTNER_REQUESTS_PER_MINUTE", "600")

# Members' own pages, for malls without a mini-app.
MEMBER_LINK_DAYS = whole_number("MEMBER_LINK_DAYS", "30")
if not MEMBER_LINK_DAYS:
    stop("MEMBER_LINK_DAYS", "must be at least 1.")
MEMBER_PAGES_PER_MINUTE = whole_number("MEMBER_PAGES_PER_MINUTE", "60")
MEMBER_URL = env.str("MEMBER_URL", default="").rstrip("/")
if MEMBER_URL and urlsplit(MEMBER_URL).scheme not in (("https",) if IS_PRODUCTION else ("http", "https")):
    stop("MEMBER_URL", "must be the https:// address under which members reach their pages.")

# The mini-app's API. Which page of AlipayHK picks transactions, and under which name it hands the batch back, AlipayHK
# tells each mall; development has the simulator's.
MINIAPP_SESSION_SECONDS = whole_number("MINIAPP_SESSION_SECONDS", "3600")
if not 60 <= MINIAPP_SESSION_SECONDS <= 86400:
    stop("MINIAPP_SESSION_SECONDS", "must be between one minute and one day.")
MINIAPP_REQUESTS_PER_MINUTE = whole_number("MINIAPP_REQUESTS_PER_MINUTE", "120")
MINIAPP_SIGN_INS_PER_MINUTE = whole_number("MINIAPP_SIGN_INS_PER_MINUTE", "300")
MINIAPP_WAITING_THREADS = whole_number("MINIAPP_WAITING_THREADS", "4")
if not 1 <= MINIAPP_WAITING_THREADS <= 7:
    stop(
        "MINIAPP_WAITING_THREADS", "must be 1 to 7: of a process's eight threads one is for payment notices."
    )
MINIAPP_BILL_PAGE_APP_ID = env.str(
    "MINIAPP_BILL_PAGE_APP_ID", default="" if IS_PRODUCTION else "2102020000000001"
)
MINIAPP_BILL_PAGE_PATH = env.str(
    "MINIAPP_BILL_PAGE_PATH", default="" if IS_PRODUCTION else "pages/bills/index"
)
MINIAPP_BATCH_KEY = env.str("MINIAPP_BATCH_KEY", default="" if IS_PRODUCTION else "batchNo")

# Mail to ops; off without an address. Development keeps mails as files.
DAILY_MAIL = addressees("DAILY_MAIL")
STAFF_URL = env.str("STAFF_URL", default="" if IS_PRODUCTION else "http://127.0.0.1:8000").rstrip("/")
if DAILY_MAIL and urlsplit(STAFF_URL).scheme not in ("http", "https"):
    stop("STAFF_URL", "must be the https:// address of the staff pages, as DAILY_MAIL mails links to them.")
mail_url = env.str("EMAIL_URL", default="" if IS_PRODUCTION else "filemail://")
if DAILY_MAIL and not mail_url:
    stop("EMAIL_URL", "must name the mail server, as DAILY_MAIL names addresses.")
if mail_url and urlsplit(mail_url).scheme not in ("smtp", "smtp+tls", "smtp+ssl", "filemail"):
    stop("EMAIL_URL", "must be an smtp://, smtp+tls:// or smtp+ssl:// address.")
mail = env.email_url_config(mail_url or "filemail://")
EMAIL_BACKEND = mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = mail["EMAIL_HOST"] or "localhost", mail["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = mail["EMAIL_HOST_USER"] or "", mail["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = mail.get("EMAIL_USE_TLS", False), mail.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = str(LOYALTY_HOME / "mail")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="loyalty@localhost")

# AlipayHK
ALIPAYHK_GATEWAY_HOSTS = env.list(
    "ALIPAYHK_GATEWAY_HOSTS", default=["open.alipay.hk"] if IS_PRODUCTION else ["127.0.0.1", "localhost"]
)
if IS_PRODUCTION and {"127.0.0.1", "localhost", "::1", "*"} & set(ALIPAYHK_GATEWAY_HOSTS):
    stop("ALIPAYHK_GATEWAY_HOSTS", "must not name this machine in production.")
ALIPAYHK_RETRY_DELAYS = seconds("ALIPAYHK_RETRY_DELAYS", "0,2,2,2,600,1800")
ALIPAYHK_SETTLE_SECONDS, *more = seconds("ALIPAYHK_SETTLE_SECONDS", "60")
if more:
    stop("ALIPAYHK_SETTLE_SECONDS", "must be one number of seconds.")
ALIPAYHK_REQUEST_WINDOW = whole_number("ALIPAYHK_REQUEST_WINDOW", "0")
ALIPAYHK_AMOUNT_LIMIT_CENTS = whole_number("ALIPAYHK_AMOUNT_LIMIT_CENTS", "100000000")
ALIPAYHK_SHARED_SIGNATURE_MS = whole_number("ALIPAYHK_SHARED_SIGNATURE_MS", "100")
ALIPAYHK_BAD_SIGNATURES_PER_MINUTE = whole_number("ALIPAYHK_BAD_SIGNATURES_PER_MINUTE", "300")
ALIPAYHK_NEW_CARDS_PER_MINUTE = whole_number("ALIPAYHK_NEW_CARDS_PER_MINUTE", "600")
# The answer of bill/query is not published: without a path to its list of payments, manual upload is off.
ALIPAYHK_UPLOAD_LINES = env.str("ALIPAYHK_UPLOAD_LINES", default="" if IS_PRODUCTION else "billList").split(
    "|"
)
ALIPAYHK_UPLOAD_FIELDS = field_paths("ALIPAYHK_UPLOAD_FIELDS")
# No page describes this very path; an older edition has /api/open/v1/alipayhk/merchant/applyToken.
ALIPAYHK_APPLY_TOKEN_PATH = env.str(
    "ALIPAYHK_APPLY_TOKEN_PATH", default="/api/open/v2/authorizations/applyToken"
)
if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", ALIPAYHK_APPLY_TOKEN_PATH):
    stop("ALIPAYHK_APPLY_TOKEN_PATH", "must be a path such as /api/open/v2/authorizations/applyToken.")
ALIPAYHK_TOKEN_CUSTOMER = env.str("ALIPAYHK_TOKEN_CUSTOMER", default="ALIPAY_HK")
ALIPAYHK_CLIENT_ADDRESS_HEADER = env.str("ALIPAYHK_CLIENT_ADDRESS_HEADER", default="")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "loyalty.log_lines.OneLineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"django.server": {"handlers": ["stderr"], "propagate": False}},
}
