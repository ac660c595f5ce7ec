"""The verdict as JSON, for machines."""

import json
from typing import Any

from policies.engine import Finding, Verdict

VERSION = 1
"""Of the document's form; raised when a reader of the old one would misread the new one."""


def render_json(verdict: Verdict) -> str:
    """One document::

        {"version": 1, "environment": "prod", "tier": "production", "today": "2026-11-22", "passed": false,
         "counts": {"mandatory": 1, "advisory": 0, "waived": 0, "rules": 70},
         "findings": [{"rule": …, "title": …, "level": "mandatory" | "advisory", "path": …, "resource": … | null,
                       "message": …, "remedy": …, "ran": true,
                       "waiver": {"owner": …, "reason": …, "expires": "2026-12-31"} | null}]}

    ``counts`` count what is not waived, but for ``waived``; ``ran`` is false where a rule could not run. Findings keep their
    order; further keys may be added.
    """
    return json.dumps(record(verdict), indent=2, ensure_ascii=False) + "\n"


def record(verdict: Verdict) -> dict[str, Any]:
    """The same document as plain values."""
    return {
        "version": VERSION,
        "environment": verdict.environment,
        "tier": verdict.tier,
        "today": verdict.today.isoformat(),
        "passed": verdict.passed,
        "counts": {
            "mandatory": len(verdict.failures),
            "advisory": len(verdict.advice),
            "waived": len(verdict.waived),
            "rules": len(verdict.rules),
        },
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    waiver = finding.waiver
    return {
        "rule": finding.rule,
        "title": finding.title,
        "level": finding.level,
        "path": finding.path,
        "resource": finding.resource,
        "message": finding.message,
        "remedy": finding.remedy,
        "ran": finding.ran,
        "waiver": None
        if waiver is None
        else {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires.isoformat()},
    }
