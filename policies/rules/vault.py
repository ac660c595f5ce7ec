"""Where secrets are kept, who may read them, and how long they and certificates last (requirements A17, A19, B9 and B12)."""

from collections.abc import Iterator

from components.core.quantities import format_duration
from components.vault.identities import access
from components.vault.names import folder, is_path
from components.vault.references import references
from policies.model import ADVICE, EVERYWHERE, OUTSIDE_DEVELOPMENT, PRODUCTION, SHARED, Rule, Subject, Violation

_LEAST_NODES = 3
_DAY = 24 * 3_600_000
_LONGEST_CERTIFICATE, _LONGEST_PASSWORD = 90 * _DAY, 30 * _DAY
_RENEWAL_SHARE = 4
"""A certificate is renewed with at least a quarter of its life left: a renewal that fails has time to be noticed."""


def _declared(subject: Subject) -> Iterator[Violation]:
    found = next(references(subject.spec), None)
    if subject.spec.vault is None and found is not None:
        yield Violation("vault", f"{found[0]} refers to Vault, and nothing says who fetches it from there")


def _paths(subject: Subject) -> Iterator[Violation]:
    if subject.spec.vault is None:
        return
    context = subject.spec.context
    for where, path, _ in references(subject.spec):
        if not is_path(context, path):
            yield Violation(where, f"{path} is not {folder(context)}/<service>")


def _one_path(subject: Subject) -> Iterator[Violation]:
    """One key of one Secret has one source; what came second would silently win."""
    seen: dict[tuple[str, str], str] = {}
    for use in access(subject.spec).uses if subject.spec.target == "kubernetes" else ():
        for file in use.files:
            if file.vault and seen.setdefault((file.secret, file.key), file.vault) != file.vault:
                other = seen[file.secret, file.key]
                said = f"key {file.key} of Secret {file.secret} would come from {other} and from {file.vault}"
                yield Violation(_where(subject, file.vault, file.key), said)


def _where(subject: Subject, path: str, key: str) -> str:
    return next((where for where, *found in references(subject.spec) if found == [path, key]), "vault")


def _nodes(subject: Subject) -> Iterator[Violation]:
    vault = subject.spec.vault
    if vault is not None and vault.external is None and vault.replicas(subject.spec.target) < _LEAST_NODES:
        yield Violation("vault.nodes", f"{vault.replicas(subject.spec.target)} node: when it is gone, nothing can be read")


def _tls(subject: Subject) -> Iterator[Violation]:
    vault = subject.spec.vault
    if vault is None:
        return
    if vault.external is not None and vault.external.address.startswith("http://"):
        yield Violation("vault.external.address", "secrets would cross the network in plain text")
    if vault.external is None and not vault.tls.enabled:
        yield Violation("vault.tls.enabled", "secrets cross the network in plain text")


def _audit(subject: Subject) -> Iterator[Violation]:
    vault = subject.spec.vault
    if vault is not None and vault.external is None and vault.audit == "none":
        yield Violation("vault.audit", "nobody can tell who read which secret")


def _seal(subject: Subject) -> Iterator[Violation]:
    vault = subject.spec.vault
    if vault is not None and vault.external is None and vault.seal is None:
        yield Violation("vault.seal", "a node that restarts stays closed until a person comes")


def _certificates(subject: Subject) -> Iterator[Violation]:
    vault = subject.spec.vault
    if vault is None or not vault.pki.enabled:
        return
    if vault.pki.lifetime > _LONGEST_CERTIFICATE:
        yield Violation("vault.pki.lifetime", f"certificates are valid for {format_duration(vault.pki.lifetime)}")
    if vault.pki.renew_before * _RENEWAL_SHARE < vault.pki.lifetime:
        left = format_duration(vault.pki.renew_before)
        yield Violation("vault.pki.renewBefore", f"{left} are left when a renewal is first tried")


def _rotation(subject: Subject) -> Iterator[Violation]:
    vault = subject.spec.vault
    if vault is not None and vault.rotation.every > _LONGEST_PASSWORD:
        yield Violation("vault.rotation.every", f"credentials may get {format_duration(vault.rotation.every)} old")


def _by_hand(subject: Subject) -> Iterator[Violation]:
    for index, user in enumerate(subject.spec.kafka.users):
        if user.password is not None:
            said = f"whoever logs in as {user.name} is refused from the moment in which its password is changed"
            yield Violation(f"kafka.users[{index}].password", said)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "vault-declared",
        "References to Vault are fetched by somebody",
        "A pod whose Secret nobody makes waits for it forever.",
        "Declare vault: the platform's own, or vault.external.",
        "Requirement A19",
        ADVICE,
        _declared,
    ),
    Rule(
        "vault-paths",
        "Every secret lies under its own environment",
        "Policies are made by path: what lies elsewhere is another environment's, or everybody's.",
        "Keep it at cdc-pipeline/<environment>/<service>, and refer to it there.",
        "Requirement B9: secret/cdc-pipeline/<env>/<service>",
        SHARED,
        _paths,
    ),
    Rule(
        "vault-one-source",
        "No two secrets become the same key of one Secret",
        "One of the two programs would be given the other's password.",
        "Give the two references different keys.",
        "Kubernetes documentation, Secret: keys are unique",
        EVERYWHERE,
        _one_path,
    ),
    Rule(
        "vault-nodes",
        "Vault survives the loss of a node",
        "While it is away no secret is fetched and no certificate renewed.",
        "Leave vault.nodes at 3, or write another odd number above.",
        "HashiCorp Vault documentation, integrated storage: deployment table",
        PRODUCTION,
        _nodes,
    ),
    Rule(
        "vault-encryption",
        "Vault is reached over TLS only",
        "Whoever sees one answer has the secret, and the token to ask for more.",
        "Leave vault.tls.enabled on; give an external Vault's address with https.",
        "Requirement A17; HashiCorp Vault documentation, production hardening",
        OUTSIDE_DEVELOPMENT,
        _tls,
    ),
    Rule(
        "vault-audit",
        "Every request to Vault is recorded",
        "After a leak the first question is who read the secret.",
        "Leave vault.audit at stdout, or set file.",
        "HashiCorp Vault documentation, production hardening: enable auditing",
        PRODUCTION,
        _audit,
    ),
    Rule(
        "vault-auto-unseal",
        "Vault opens itself after a restart",
        "A node that is moved at night stays closed until somebody types in the keys.",
        "Set vault.seal to a key service.",
        "HashiCorp Vault documentation, seal: auto unseal",
        PRODUCTION,
        _seal,
    ),
    Rule(
        "vault-certificate-lifetime",
        "Certificates are short-lived, and renewed long before their end",
        "A stolen key is of use until its certificate ends; a renewal that fails needs days to be mended.",
        "Leave vault.pki.lifetime at 90d or less, and renewBefore at a quarter of it or more.",
        "Requirement A17",
        PRODUCTION,
        _certificates,
    ),
    Rule(
        "vault-rotation",
        "No credential gets older than 30 days",
        "What leaked unnoticed stops working.",
        "Leave vault.rotation at 30d, or write less.",
        "Requirement B12: rotate every 30 days",
        PRODUCTION,
        _rotation,
    ),
    Rule(
        "kafka-user-rotation",
        "What a client outside the platform proves itself with can be changed while it goes on",
        "Kafka knows one password by each mechanism; cdc vault rotate changes those that the platform's own programs read.",
        "Set the user's authentication to tls: its certificate is renewed, and both are good for a while.",
        "Requirement B12: rotate every 30 days",
        ADVICE,
        _by_hand,
    ),
)
