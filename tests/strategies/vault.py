"""Vault, as any environment may have it."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.strategies.draw import Draw, Plain, one_of, some_of

SEALS = one_of(
    [
        {"awskms": {"region": "eu-central-1", "key": "alias/x"}},
        {"gcpckms": {"project": "p", "region": "eu", "keyRing": "r", "key": "k"}},
        {"azurekeyvault": {"tenant": "t", "vault": "v", "key": "k"}},
        {"transit": {"address": "https://other-vault:8200", "key": "k", "token": "secret:seal#token"}},
    ]
)


@cache
@st.composite
def vaults(draw: Draw, target: str) -> Plain:
    """The platform's own, or somebody else's."""
    common: dict[str, st.SearchStrategy[Any]] = {
        "pki": one_of([{}, {"enabled": False}, {"lifetime": "1h", "renewBefore": "5m"}, {"issuedElsewhere": ["haproxy-tls"]}]),
        "operators": one_of([{}, {"externalSecrets": "eso", "certManager": "certs", "refresh": "10m"}]),
        "generate": one_of([[], ["vault:cdc-pipeline/trial/redis#password"]]),
        "rotation": one_of(["30d", {"every": "7d", "overlap": "1h"}]),
        "tls": one_of([{}, {"ca": "secret:own-ca#ca.pem"}, {"certificate": "secret:own#tls.crt"}]),
    }
    if draw(st.booleans()):
        return {"external": draw(one_of(["https://vault.example:8200", {"address": "http://vault"}]))} | some_of(draw, common)
    own: dict[str, st.SearchStrategy[Any]] = {
        "nodes": one_of([1, 3, 5] if target == "kubernetes" else [1]),
        "storage": one_of(["1Gi", {"size": "5Gi", "class": "fast"}]),
        "audit": one_of(["stdout", "file", "none"]),
        "seal": SEALS,
        "serviceAccountAnnotations": one_of([{}, {"eks.amazonaws.com/role-arn": "arn:aws:iam::0:role/x"}]),
        "resources": one_of([{"memory": "1Gi"}, {"cpu": 2}]),
        "tls": one_of([{}, {"enabled": False}, {"certificate": "secret:own#a", "key": "secret:own#b", "ca": "secret:own#c"}]),
    }
    return some_of(draw, common | own)
