#!/bin/sh
set -eu
umask 077
awk -v file=/run/secrets/cassandra-agent/customers-source.database-password -v mark='<password>' 'BEGIN { getline secret < file; gsub(/\\/, "\\\\", secret); gsub(/"/, "\\\"", secret) }
{ at = index($0, mark); print at ? substr($0, 1, at - 1) secret substr($0, at + length(mark)) : $0 }' /etc/cdc/driver.conf > /tmp/driver.conf
exec java @/etc/cdc/jvm.options -jar /opt/debezium/connector.jar /etc/cdc/debezium.properties
