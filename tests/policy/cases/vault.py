"""Vault."""

from tests.policy.cases.making import spec

VAULT = (
    spec("vault-declared", "none", "vault", {"vault": None}),
    spec(
        "vault-paths",
        "another environment's",
        "pipelines[0].source.mysql.password",
        {"pipelines[0].source.mysql.password": "vault:cdc-pipeline/prod-dr/shop-db#password"},
    ),
    spec(
        "vault-paths",
        "upwards",
        "pipelines[0].source.mysql.password",
        {"pipelines[0].source.mysql.password": "vault:cdc-pipeline/prod/../prod-dr/shop-db#password"},
    ),
    spec(
        "vault-one-source",
        "two users",
        "haproxy.users[1].passwordHash",
        {"haproxy.users[1].passwordHash": "vault:cdc-pipeline/prod/haproxy-shop#connect-hash"},
    ),
    spec("vault-nodes", "one", "vault.nodes", {"vault.nodes": 1}),
    spec("vault-encryption", "off", "vault.tls.enabled", {"vault.tls": {"enabled": False}}),
    spec(
        "vault-encryption",
        "external",
        "vault.external.address",
        {"vault": {"external": "http://vault:8200"}},
    ),
    spec("vault-audit", "none", "vault.audit", {"vault.audit": "none"}),
    spec("vault-auto-unseal", "by hand", "vault.seal", {"vault.seal": None}),
    spec("vault-certificate-lifetime", "a year", "vault.pki.lifetime", {"vault.pki": {"lifetime": "120d"}}),
    spec("vault-certificate-lifetime", "late", "vault.pki.renewBefore", {"vault.pki": {"renewBefore": "7d"}}),
    spec("vault-rotation", "seldom", "vault.rotation.every", {"vault.rotation": "90d"}),
    spec(
        "kafka-user-rotation",
        "by hand",
        "kafka.users[1].password",
        {"kafka.users[1]": {"name": "bi", "owner": "team-bi", "password": "vault:cdc-pipeline/prod/bi-kafka#password"}},
    ),
)
