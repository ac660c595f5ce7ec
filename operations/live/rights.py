"""Which ACL a refused user lacks, said so that it can be given. Pure."""

from collections.abc import Mapping

_OPTIONS = {"cluster": "--cluster", "topic": "--topic", "transactional id": "--transactional-id", "group": "--group"}


def principal(settings: Mapping[str, str]) -> str:
    """Who asks, as far as a client knows: the brokers name the user of a certificate by rules of their own."""
    user, protocol = settings.get("sasl.username"), settings.get("security.protocol", "plaintext").lower()
    if user:
        return f"User:{user}"
    return "the user of this client's certificate" if "ssl" in protocol else "User:ANONYMOUS"


def needed(settings: Mapping[str, str], operations: str, resource: str) -> str:
    """``operations`` (one, or ``Describe and Write``) on ``resource`` (``the cluster``, ``topic orders``) are missing."""
    who = principal(settings)
    kind, _, name = resource.removeprefix("the ").rpartition(" ")
    kind, name = (kind, name) if kind else (name, "")
    option = " ".join(filter(None, (_OPTIONS.get(kind, f"--{kind}"), name and f"'{name}'")))
    flags = " ".join(f"--operation {operation}" for operation in operations.split(" and "))
    named = who if who.startswith("User:") else "User:…"
    return (
        f"{who} may not: it needs {operations} on {resource}"
        f"\n      → kafka-acls --add --allow-principal {named} {flags} {option}"
    )
