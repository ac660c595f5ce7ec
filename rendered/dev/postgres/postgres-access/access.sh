#!/bin/sh
set -eu
umask 077
secrets=/run/secrets/postgres-access run=/run/postgres-access
export PGAPPNAME=postgres-access
export PGCONNECT_TIMEOUT=10
export PGDATABASE=postgres
export PGHOST=postgres
export PGPASSFILE=/run/postgres-access/pgpass
export PGPORT=5432
export PGSSLMODE=disable
export PGUSER=cdc_admin
export PGOPTIONS='-c statement_timeout=60s -c lock_timeout=10s'
entry() {
  printf '*:*:*:%s:%s\n' "$1" "$(sed -e 's/[\\:]/\\&/g' "$secrets/$2")"
}
password() {
  cmp -s "$secrets/$1.password" "$run/$1.known" && return 0
  entry "$1" "$1.password" > "$run/pgpass.role" || return 1
  if ! PGUSER=$1 PGDATABASE=$2 PGPASSFILE=$run/pgpass.role psql -XAtqc 'SELECT 1' > /dev/null 2>&1; then
    new=$(cat "$secrets/$1.password")
    if ! printf '%s\n%s\n' "$new" "$new" | psql -Xqc "\\password \"$1\"" > "$run/output" 2>&1; then
      cat "$run/output" >&2
      return 1
    fi
    echo "$1 has another password" >&2
  fi
  cp "$secrets/$1.password" "$run/$1.known"
}
apply() {
  entry cdc_admin admin.password > "$run/pgpass" &&
  psql -Xqf /etc/cdc/access.sql &&
  password shop-customers-sink warehouse &&
  password shop-orders-sink warehouse &&
  password cdc_monitor postgres
}
trap 'exit 0' TERM INT
while :; do
  if apply; then touch /run/postgres-access/applied; pause=60
  else rm -f /run/postgres-access/applied; pause=2; fi
  sleep "$pause" & wait $!
done
