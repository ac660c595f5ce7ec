"""Objects on Kubernetes, through ``kubectl``, which knows every way of a kubeconfig to prove who one is (ADR 9)."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from operations.connect.cluster import ConnectError

Body = dict[str, Any]

CONNECTORS = "kafkaconnectors.v1.kafka.strimzi.io"
CONFIG_MAPS = "configmaps"
RIGHTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("kafka.strimzi.io", "kafkaconnectors"): ("get", "list", "create", "patch", "delete"),
    ("", "configmaps"): ("get", "create", "patch"),
}
"""What moving connectors takes, by API group and resource."""

FIELD_MANAGER = "cdc-connect"
FROM_STDIN = ("--filename=-", "--validate=false")
"""Not judged by kubectl itself: older ones list all definitions of the cluster for that, which few users may."""

REQUEST_SECONDS = 30
_PROCESS_SECONDS = 60
_LONGEST_REASON = 500


class Api(Protocol):
    """What is asked of an API server, in one namespace. :class:`ConnectError` where it refuses or does not answer."""

    def find(self, kind: str, selector: str) -> list[Body]:
        """Those that have the labels."""
        ...

    def get(self, kind: str, name: str) -> Body | None:
        """One, if it is there."""
        ...

    def apply(self, body: Body) -> Body:
        """Make it, or make what ``body`` says of it so (server-side apply)."""
        ...

    def patch(self, kind: str, name: str, change: Body) -> Body:
        """Change parts of one that is there (a JSON merge patch)."""
        ...

    def disown(self, kind: str, name: str) -> None:
        """Leave its fields to whoever applies the rendered tree: a later change of theirs would be a conflict otherwise."""
        ...

    def delete(self, kind: str, name: str) -> None:
        """Remove it, if it is there."""
        ...

    def missing_rights(self) -> list[str]:
        """What of :data:`RIGHTS` this user does not have, as far as the server can tell beforehand."""
        ...


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The program, for one namespace and the kubeconfig context that the spec names; without one, the current context."""

    namespace: str
    context: str | None = None

    def find(self, kind: str, selector: str) -> list[Body]:
        items: list[Body] = self._object("get", kind, f"--selector={selector}")["items"]
        return items

    def get(self, kind: str, name: str) -> Body | None:
        text = self._run("get", kind, name, "--ignore-not-found", "--output=json")
        found: Body | None = json.loads(text) if text.strip() else None
        return found

    def apply(self, body: Body) -> Body:
        options = ("--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}")
        return self._object("apply", *options, *FROM_STDIN, stdin=json.dumps(body))

    def patch(self, kind: str, name: str, change: Body) -> Body:
        options = ("--type=merge", f"--field-manager={FIELD_MANAGER}", f"--patch={json.dumps(change)}")
        return self._object("patch", kind, name, *options)

    def disown(self, kind: str, name: str) -> None:
        owners = self._object("get", kind, name, "--show-managed-fields")["metadata"].get("managedFields", [])
        kept = [entry for entry in owners if entry["manager"] != FIELD_MANAGER]
        change = [{"op": "replace", "path": "/metadata/managedFields", "value": kept}]
        self._object("patch", kind, name, "--type=json", f"--patch={json.dumps(change)}")

    def delete(self, kind: str, name: str) -> None:
        self._run("delete", kind, name, "--ignore-not-found", "--wait=true")

    def missing_rights(self) -> list[str]:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": self.namespace},
        }
        status = self._object("create", *FROM_STDIN, stdin=json.dumps(review))["status"]
        return [] if status.get("incomplete") else list(missing(status.get("resourceRules") or ()))

    def _object(self, *arguments: str, stdin: str | None = None) -> Body:
        found: Body = json.loads(self._run(*arguments, "--output=json", stdin=stdin))
        return found

    def _run(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["kubectl", f"--namespace={self.namespace}", f"--request-timeout={REQUEST_SECONDS}s"]
        if self.context is not None:
            command.append(f"--context={self.context}")
        try:
            done = subprocess.run(
                [*command, *arguments], input=stdin or "", capture_output=True, text=True, timeout=_PROCESS_SECONDS, check=False
            )
        except FileNotFoundError:
            raise ConnectError(
                "kubectl is not installed, and connectors on Kubernetes are reached with it\n      → install it, on PATH"
            ) from None
        except subprocess.TimeoutExpired:
            raise ConnectError(f"the API server did not answer within {_PROCESS_SECONDS} s: {_asked(arguments)}") from None
        if done.returncode != 0:
            raise ConnectError(f"{_reason(done.stderr)}{_remedy(done.stderr, self.namespace)}")
        return done.stdout


def missing(rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What of :data:`RIGHTS` the rules of a SelfSubjectRulesReview do not give. A rule for named objects gives none."""
    given = [rule for rule in rules if not rule.get("resourceNames")]
    for (group, resource), verbs in RIGHTS.items():
        for verb in verbs:
            wanted = {"apiGroups": group, "resources": resource, "verbs": verb}
            if not any(all({value, "*"} & set(rule.get(key) or ()) for key, value in wanted.items()) for rule in given):
                yield f"{verb} {resource}{f'.{group}' if group else ''}"


def _asked(arguments: Iterable[str]) -> str:
    return " ".join(argument for argument in arguments if not argument.startswith("--"))


def _reason(stderr: str) -> str:
    """The last line that is one: kubectl may warn before it."""
    lines = [line for line in stderr.splitlines() if line.strip()] or ["kubectl failed and did not say why"]
    return lines[-1].removeprefix("error: ")[:_LONGEST_REASON]


_REMEDIES = (
    ("(Forbidden)", "let this user {rights} in namespace {namespace}"),
    ("(Unauthorized)", "log in; the kubeconfig's credentials are not accepted"),
    ("context", "name a context of the kubeconfig in kubernetes.context"),
    ("doesn't have a resource type", "install the Strimzi operator with its definitions (API kafka.strimzi.io/v1)"),
    ("refused", "see that the API server runs, and that the kubeconfig names the right one"),
)


def _remedy(stderr: str, namespace: str) -> str:
    rights = "; ".join(f"{', '.join(verbs)} {resource}" for (_, resource), verbs in RIGHTS.items())
    for sign, remedy in _REMEDIES:
        if sign in stderr:
            return f"\n      → {remedy.format(rights=rights, namespace=namespace)}"
    return ""
