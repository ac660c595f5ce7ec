#!/bin/sh
set -eu
VAULT_DEV_ROOT_TOKEN_ID=$(cat /run/secrets/vault/root.token)
export VAULT_DEV_ROOT_TOKEN_ID
exec vault server -dev -dev-no-store-token -dev-listen-address=vault:8200 > /dev/null
