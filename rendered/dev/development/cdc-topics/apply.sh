#!/bin/sh
set -eu
umask 077
mkdir -p /run/cdc/passwords
for user in connect-blue connect-green kafka-exporter schema-registry shop-customers-sink shop-customers-source shop-orders-sink shop-orders-source; do
  head -c 24 /dev/urandom | base64 > "/run/cdc/passwords/$user.password"
done
apply() {
  cdc --root /project apply dev --yes --kafka-config /etc/cdc/client.properties --secrets /run/cdc/passwords --registry=none --blue=none --green=none
}
trap 'exit 0' TERM INT
while :; do
  if apply || [ $? -eq 3 ]; then
    touch /run/cdc/applied
    pause=infinity
  else
    rm -f /run/cdc/applied
    pause=2
  fi
  sleep "$pause" & wait $!
done
