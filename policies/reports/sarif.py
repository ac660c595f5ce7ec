"""The verdict as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a pull request."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.core.paths import Location, parse_path
from components.core.yaml_text import Lines
from components.environment import CONFIG_KEY
from policies.engine import Finding, Verdict
from policies.model import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "cdcPolicyFinding/v1"
_LEVELS = {"mandatory": "error", "advisory": "warning", "disabled": "none"}
_INDEX = re.compile(r"\[[0-9]+\]")
_ROOT = "%SRCROOT%"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpecFile:
    """The file that a spec was read from: ``name`` relative to the project with ``/``, its ``text``, and where in it the spec
    begins."""

    name: str
    text: str
    prefix: Location = ("config", CONFIG_KEY)


def render_sarif(verdict: Verdict, file: SpecFile | None = None) -> str:
    """One run. Each result names its spec path and object; with ``file`` also the line that says it.

    Waived findings are suppressed results. A fingerprint stays when lines move and items are inserted before it.
    """
    positions = {rule.id: index for index, rule in enumerate(verdict.rules)}
    run: Json = {
        "tool": {"driver": {"name": "cdc-platform", "rules": [_rule(rule, verdict) for rule in verdict.rules]}},
        "automationDetails": {"id": f"cdc-check/{verdict.environment}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(verdict)],
        "results": list(_results(verdict, positions, file)),
        "properties": {"environment": verdict.environment, "tier": verdict.tier, "passed": verdict.passed},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule[Any], verdict: Verdict) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.remedy}\nSource: {rule.source}"},
        "defaultConfiguration": {"level": _LEVELS[rule.levels[verdict.tier]]},
        "properties": {"source": rule.source, "levels": dict(rule.levels)},
    }


def _invocation(verdict: Verdict) -> Json:
    """A rule that could not run is a fault of the tool, besides being a result."""
    failed = [finding for finding in verdict.findings if not finding.ran]
    invocation: Json = {"executionSuccessful": not failed}
    if failed:
        invocation["toolExecutionNotifications"] = [
            {"level": "error", "message": {"text": finding.message}, "associatedRule": {"id": finding.rule}}
            for finding in failed
        ]
    return invocation


def _results(verdict: Verdict, positions: dict[str, int], file: SpecFile | None) -> Iterator[Json]:
    lines = Lines(file.text) if file is not None else None
    seen: Counter[str] = Counter()
    for finding in verdict.findings:
        identity = _identity(finding)
        seen[identity] += 1
        result: Json = {
            "ruleId": finding.rule,
            "ruleIndex": positions[finding.rule],
            "level": _LEVELS[finding.level],
            "message": {"text": f"{finding.message}. {finding.remedy}"},
            "locations": [_location(finding, file, lines)],
            "partialFingerprints": {FINGERPRINT: _digest(f"{identity}#{seen[identity]}")},
        }
        if finding.waiver is not None:
            why = f"{finding.waiver.owner}, until {finding.waiver.expires}: {finding.waiver.reason}"
            result["suppressions"] = [{"kind": "inSource", "status": "accepted", "justification": why}]
        yield result


def _identity(finding: Finding) -> str:
    """What stays the same while the spec around it changes: the object where there is one, else the path without positions."""
    return f"{finding.rule}|{finding.resource or _INDEX.sub('[]', finding.path)}"


def _digest(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _location(finding: Finding, file: SpecFile | None, lines: Lines | None) -> Json:
    location: Json = {}
    logical = []
    if finding.path:
        logical.append({"fullyQualifiedName": finding.path, "kind": "property"})
    if finding.resource:
        logical.append({"fullyQualifiedName": finding.resource, "kind": "resource"})
    if logical:
        location["logicalLocations"] = logical
    if file is not None and lines is not None:
        physical: Json = {"artifactLocation": {"uri": file.name, "uriBaseId": _ROOT}}
        line = lines.of((*file.prefix, *parse_path(finding.path)))
        if line:
            physical["region"] = {"startLine": line}
        location["physicalLocation"] = physical
    return location
