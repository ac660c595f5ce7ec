#!/bin/sh
set -eu
exec haproxy -W -db -f /etc/cdc/haproxy.cfg
