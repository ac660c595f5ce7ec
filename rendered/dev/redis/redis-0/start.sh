#!/bin/sh
set -eu
umask 077
secrets=/run/secrets/redis run=/run/redis tls='' own="redis-0"
user() {
  secret=$(cat "$1")
  [ -n "$secret" ] || { echo "$1 holds no password" >&2; exit 1; }
  hash=$(printf %s "$secret" | sha256sum)
  echo "user $2 on #${hash%% *} $3"
}
head -c 32 /dev/urandom | sha256sum | cut -d ' ' -f 1 > $run/probe.password
{
  echo 'user default off resetchannels -@all'
  user "$run/probe.password" probe 'resetchannels -@all +@connection -@admin -@dangerous +role'
  user "$secrets/replication.redis-password" replication 'resetchannels -@all +auth +ping +psync +replconf'
  user "$secrets/sentinel.redis-password" sentinel 'resetchannels -@all +@connection -@admin -@dangerous &__sentinel__:hello +client|kill +config|rewrite +exec +info +multi +publish +role +script|kill +slaveof +subscribe'
  user "$secrets/exporter.redis-password" exporter 'resetchannels -@all +@connection -@admin -@dangerous +info +latency|latest +slowlog|get +slowlog|len'
  user "$secrets/shop-orders-sink.redis-password" shop-orders-sink 'resetchannels -@all +@connection -@admin -@dangerous +del +eval +get +set ~checkpoint:shop.orders:* ~schema:shop:orders ~lock:shop.orders ~checkpoint:shop.order_lines:* ~schema:shop:order_lines ~lock:shop.order_lines'
  user "$secrets/shop-customers-sink.redis-password" shop-customers-sink 'resetchannels -@all +@connection -@admin -@dangerous +del +eval +get +set ~checkpoint:customers.users:* ~schema:customers:users ~lock:customers.users ~checkpoint:customers.orders:* ~schema:customers:orders ~lock:customers.orders'
} > $run/users.acl
{
  echo 'include /etc/cdc/redis.conf'
} > $run/redis.conf
exec redis-server $run/redis.conf
