"""The plain build's settings: what `startproject` writes, and what its guides recommend."""

import environ

env = environ.Env()

SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# Kept between requests: a new connection for each would halve this build's speed.
DATABASES = {"default": {**env.db_url("DATABASE_URL"), "ATOMIC_REQUESTS": True, "CONN_MAX_AGE": None}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    # Without our staff screens, which need what this build does not install.
    "django.contrib.admin.apps.SimpleAdminConfig",
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
    "alipayhk",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
AUTH_USER_MODEL = "pms.User"
ROOT_URLCONF = "tests.bench.plain.urls"
TIME_ZONE = "Asia/Hong_Kong"
USE_TZ = True
