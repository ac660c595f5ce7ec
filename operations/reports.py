"""Reports of ``cdc check`` over several stacks, specs that could not be read included. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape as escape_markup

from components.core.errors import Problem
from policies.engine import Verdict
from policies.reports import SpecFile, render_markdown, render_sarif, render_text
from policies.reports.markdown import code, escape
from policies.reports.records import record
from policies.reports.sarif import SCHEMA

INVALID = "invalid-spec"
_VERSION = 1
"""Of the JSON document's form; raised when a reader of the old one would misread the new one."""

Json = Any


@dataclass(frozen=True, slots=True)
class Judged:
    """A stack whose spec is valid, with the verdict of the rules on it."""

    stack: str
    verdict: Verdict
    file: SpecFile

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict.passed else 1


@dataclass(frozen=True, slots=True)
class Refused:
    """A stack whose spec is refused. ``file`` is relative to the repository; ``message`` the whole error as text."""

    stack: str
    file: str
    problems: Sequence[Problem]
    message: str

    @property
    def exit_code(self) -> int:
        return 2


Checked = Judged | Refused


def text_report(checked: Sequence[Checked], *, markup: bool = False) -> str:
    """For a terminal."""
    return "\n".join(
        render_text(stack.verdict, markup=markup) if isinstance(stack, Judged) else _refused_text(stack, markup)
        for stack in checked
    )


def _refused_text(stack: Refused, markup: bool) -> str:
    if not markup:
        return f"{stack.stack}: refused: {stack.message}\n"
    return f"{stack.stack}: [bold red]refused[/]: {escape_markup(stack.message)}\n"


def json_report(checked: Sequence[Checked]) -> str:
    """One document: ``passed``, and for each stack the policies' own record, or its ``problems``."""
    stacks = [
        {"stack": stack.stack, "valid": True, **record(stack.verdict)} if isinstance(stack, Judged) else _refused_record(stack)
        for stack in checked
    ]
    document = {"version": _VERSION, "passed": all(stack.exit_code == 0 for stack in checked), "stacks": stacks}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _refused_record(stack: Refused) -> Json:
    problems = [
        {"path": problem.path, "line": problem.line or None, "message": problem.message, "remedy": problem.remedy}
        for problem in stack.problems
    ]
    return {"stack": stack.stack, "valid": False, "passed": False, "file": stack.file, "problems": problems}


def sarif_report(checked: Sequence[Checked]) -> str:
    """SARIF 2.1.0 with one run for each stack, which a code host shows beside the lines of a pull request."""
    runs: list[Json] = []
    for stack in checked:
        if isinstance(stack, Judged):
            runs += json.loads(render_sarif(stack.verdict, stack.file))["runs"]
        else:
            runs.append(_refused_run(stack))
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=2, ensure_ascii=False) + "\n"


def _refused_run(stack: Refused) -> Json:
    rule = {
        "id": INVALID,
        "shortDescription": {"text": "The spec is valid"},
        "help": {"text": "Mend it where it says; cdc explain <path> tells what a field may hold."},
        "defaultConfiguration": {"level": "error"},
    }
    return {
        "tool": {"driver": {"name": "cdc-platform", "rules": [rule]}},
        "automationDetails": {"id": f"cdc-check/{stack.stack}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_problem_result(stack.file, problem) for problem in stack.problems],
        "properties": {"environment": stack.stack, "passed": False},
    }


def _problem_result(file: str, problem: Problem) -> Json:
    physical: Json = {"artifactLocation": {"uri": file, "uriBaseId": "SRCROOT"}}
    if problem.line:
        physical["region"] = {"startLine": problem.line}
    location: Json = {"physicalLocation": physical}
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path, "kind": "property"}]
    told = f"{problem.path}: {problem.message}" if problem.path else problem.message
    text = f"{told}. {problem.remedy}" if problem.remedy else told
    return {"ruleId": INVALID, "ruleIndex": 0, "level": "error", "message": {"text": text}, "locations": [location]}


def markdown_report(checked: Sequence[Checked]) -> str:
    """For a comment on a pull request."""
    return "\n".join(
        render_markdown(stack.verdict) if isinstance(stack, Judged) else _refused_markdown(stack) for stack in checked
    )


def _refused_markdown(stack: Refused) -> str:
    lines = [f"### ❌ refused: {code(stack.stack)}", "", f"{len(stack.problems):,} in {code(stack.file)}", ""]
    lines += ["| where | line | what | to do |", "|---|---:|---|---|"]
    for problem in stack.problems:
        where, line = code(problem.path) if problem.path else "—", str(problem.line or "—")
        lines.append(f"| {where} | {line} | {escape(problem.message)} | {escape(problem.remedy)} |")
    return "\n".join(lines) + "\n"
