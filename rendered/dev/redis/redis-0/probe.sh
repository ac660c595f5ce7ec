#!/bin/sh
set -eu
umask 077
secrets=/run/secrets/redis run=/run/redis tls='' own="redis-0"
REDISCLI_AUTH=$(cat $run/probe.password)
export REDISCLI_AUTH
[ "$(timeout 4 redis-cli --user probe --no-auth-warning $tls -h "$own" -p 6379 PING)" = PONG ]
