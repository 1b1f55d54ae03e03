#!/bin/sh
# Run once by the database container: two roles, so that the programs cannot change what the ledger has written.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres \
    -v owner_password="$LOYALTY_OWNER_PASSWORD" -v app_password="$LOYALTY_APP_PASSWORD" <<'SQL'
CREATE ROLE loyalty_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE loyalty_app LOGIN PASSWORD :'app_password';
CREATE DATABASE loyalty OWNER loyalty_owner;
\connect loyalty
ALTER DEFAULT PRIVILEGES FOR ROLE loyalty_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO loyalty_app;
ALTER DEFAULT PRIVILEGES FOR ROLE loyalty_owner GRANT USAGE, SELECT ON SEQUENCES TO loyalty_app;
SQL
