#!/bin/bash
set -eu
umask 077
data=/var/lib/cassandra secrets=/run/secrets/cassandra run=/run/cassandra
account() {
  password=$(sed -e "s/'/''/g" "$secrets/$2")
  printf "CREATE ROLE IF NOT EXISTS %s WITH LOGIN = true;\nALTER ROLE %s WITH %s = '%s';\n" "$1" "$1" PASSWORD "$password"
}
credentials() {
  printf '[PlainTextAuthProvider]\nusername = %s\npassword = %s\n' "$1" "$2"
}
cp /etc/cdc/cassandra.yaml "$data/cassandra.yaml.new"
mv "$data/cassandra.yaml.new" "$data/cassandra.yaml"
{
  cat /etc/cdc/schema.cql
  [ -e "$data/made" ] || cat /etc/cdc/rows.cql
  account '"debezium"' customers.password
  echo 'GRANT SELECT ON KEYSPACE "shop" TO "debezium";'
  account app app.password
  echo 'GRANT ALL PERMISSIONS ON KEYSPACE "shop" TO app;'
  account cassandra admin.password
} > "$run/setup.cql"
credentials cassandra "$(cat "$secrets/admin.password")" > "$run/known"
credentials cassandra cassandra > "$run/new"
java @/etc/cdc/jvm.options -cp '/opt/cassandra/lib/*' org.apache.cassandra.service.CassandraDaemon &
server=$!
trap 'kill "$server"' TERM INT
until (exec 3<> /dev/tcp/cassandra/9042) 2> /dev/null; do
  kill -0 "$server" || exit 1
  sleep 0.5
done
first=new second=known
if [ -e "$data/made" ]; then first=known second=new; fi
until cqlsh --credentials="$run/$first" --request-timeout=60 --file="$run/setup.cql" cassandra 9042; do
  kill -0 "$server" || exit 1
  last=$first first=$second second=$last
  sleep 1
done
rm "$run/setup.cql" "$run/known" "$run/new"
touch "$data/made" /run/cassandra/ready
ended=0
while kill -0 "$server" 2> /dev/null; do
  wait "$server" || ended=$?
done
exit $ended
