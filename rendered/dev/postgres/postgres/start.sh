#!/bin/sh
set -eu
umask 077
data=/var/lib/postgresql/data/pgdata
if [ ! -d "$data" ]; then
  rm -rf "$data.new"
  initdb --pgdata="$data.new" --username=cdc_admin --pwfile=/run/secrets/postgres/admin.password \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-instructions
  mv "$data.new" "$data"
fi
exec postgres -D "$data" -c config_file=/etc/cdc/postgresql.conf
