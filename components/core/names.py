"""Names of Kubernetes objects made from names that Kubernetes would refuse."""

import re

_NOT_DNS = re.compile(r"[^a-z0-9.-]+")


def resource_name(name: str) -> str:
    """A topic's or user's name as an RFC 1123 subdomain: lower case, every other run of characters a ``-``, and
    between dots neither nothing nor a ``-`` at an end.

    It depends on nothing but ``name``, so that adding one object never renames another. Two names may give the same result
    (``a_b`` and ``a-b``); that is refused where the spec is checked, and ``resourceName`` settles it.
    """
    parts = (part.strip("-") for part in _NOT_DNS.sub("-", name.lower()).split("."))
    return ".".join(part for part in parts if part) or "x"


def metric_name(topic: str) -> str:
    """The name under which Kafka's metrics know a topic: ``.`` and ``_`` are one there, so two such topics collide."""
    return topic.replace(".", "_")
