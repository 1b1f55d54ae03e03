# One image for web, worker, beat and migrate.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DJANGO_SETTINGS_MODULE=loyalty.settings LOYALTY_HOME=/srv/home
WORKDIR /srv/loyalty

COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt

COPY manage.py ./
COPY loyalty ./loyalty
COPY alipayhk ./alipayhk
COPY pms ./pms
COPY members ./members
COPY templates ./templates
COPY static ./static

# Static files are hashed into the image; the secrets of this one command are thrown away.
RUN LOYALTY_ENV=production ALLOWED_HOSTS=build.invalid \
    DATABASE_URL=postgresql://build.invalid/none REDIS_URL=redis://build.invalid/0 \
    SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
    LOYALTY_KEYS="$(python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())')" \
    python manage.py collectstatic --no-input --verbosity 0

RUN useradd --system --no-create-home loyalty
USER loyalty
EXPOSE 8000
CMD ["gunicorn", "-c", "python:loyalty.gunicorn", "--bind", "0.0.0.0:8000"]
