#!/bin/sh
# The first start of PostgreSQL runs this, in Compose too: the database topfive, and a user who owns
# it and nothing else. Afterwards the superuser has no password, so nobody is that over the network.
set -e
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="${HISTORY_PASSWORD:?}" \
  --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'END'
CREATE ROLE topfive LOGIN PASSWORD :'password';
CREATE DATABASE topfive OWNER topfive;
REVOKE CONNECT ON DATABASE topfive FROM PUBLIC;
ALTER ROLE CURRENT_USER PASSWORD NULL;
END
