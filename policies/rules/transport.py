"""Nothing crosses the network in plain text."""

import re
from collections.abc import Iterable, Iterator

from policies.hops import hops
from policies.model import PRODUCTION, Rule, Subject, Violation
from policies.rules.places import origin

_PLAIN = (
    (re.compile(r"\bhttp://(?!localhost\b|127\.0\.0\.1\b|\[::1\]|0\.0\.0\.0\b)[A-Za-z0-9]"), "an address with http://"),
    (re.compile(r"\b(?:SASL_)?PLAINTEXT\b"), "Kafka's protocol in plain text"),
    (re.compile(r"sslmode[\"']?\s*[=:]\s*[\"']?(?:disable|allow|prefer|require)\b"), "an sslmode that does not verify"),
    (re.compile(r"\binsecure_skip_verify[\"']?\s*[=:]\s*[\"']?true"), "verification that is left out"),
)
_LOOKERS = ("prober",)
"""It is to see certificates that nobody should trust any more, and says nothing over the connection."""


def _encrypted(subject: Subject) -> Iterator[Violation]:
    for hop in hops(subject.spec):
        if not hop.encrypted and not hop.accepted:
            yield Violation(hop.path, f"{hop.source} speak {hop.protocol} to {hop.target} at port {hop.port} in plain text")


def _words(subject: Subject) -> Iterator[Violation]:
    """What programs are started with, as it is rendered. ``PLAINTEXT`` may stand for a name: Kafka's nodes have rules of their
    own for what that means."""
    for pods in subject.reach.pods:
        for said in () if pods.owner.name in _LOOKERS else _said(pods.texts):
            yield Violation(origin(subject, pods.owner), f"is configured with {said}", pods.owner.id)
    for workload in subject.rendered.workloads:
        own = (text for path, text in workload.files.items() if not path.endswith(".properties"))
        texts = (*workload.command, *workload.environment.values(), *own)
        for said in () if workload.name in _LOOKERS else _said(texts):
            yield Violation(origin(subject, workload), f"is configured with {said}", workload.id)


def _said(texts: Iterable[str]) -> Iterator[str]:
    for pattern, said in _PLAIN:
        if any(pattern.search(text) for text in texts):
            yield said


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "transport-encrypted",
        "Every hop is encrypted, but for those that are listed with their reason",
        "Whoever reads along on one wire has the rows, and the passwords of those who log in over it.",
        "Switch encryption on at the path; docs/security.md lists every hop.",
        "Requirement A17; NIST SP 800-52",
        PRODUCTION,
        _encrypted,
    ),
    Rule(
        "transport-verified",
        "No program is configured to speak plain text, or not to verify whom it speaks to",
        "Encryption without verification keeps out who listens, and lets in who pretends.",
        "Leave addresses and modes to the platform; write https:// and verify-full where they are yours.",
        "Requirement A17; PostgreSQL documentation, sslmode; OWASP Transport Layer Security Cheat Sheet",
        PRODUCTION,
        _words,
    ),
)
