"""``cdc promote``: brings one environment's pipelines and versions to another one's file."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from components.core import yaml_text
from components.core.errors import CdcError
from components.core.paths import parse_path
from components.environment import EnvironmentSpec
from components.loading import build_environment, load_partners, parse_environment
from operations import project
from operations.compare import ABSENT
from operations.diff import Comparison, compare_in_time
from operations.diff_markdown import comparison_markdown
from operations.diff_text import print_comparison
from operations.errors import cannot_write
from operations.files import replace_text
from operations.options import Json, Root, Stack, Today
from operations.promoting import CannotEdit, Difference, Named, Promotion, Side, differences, is_reference, kind_of, plan, whole
from operations.terminal import BAD, FAINT, GOOD, STRONG, compact, console, count, listed, print_json, show, styled
from operations.verdicts import print_verdict
from policies.engine import Subject, Verdict, judge
from policies.reports.markdown import code, escape
from policies.reports.records import record

REFUSED, TO_DO = 1, 3
_SHOWN = 20

EPILOG = """What moves, and where the two may differ, is said in the file of the second one: see cdc explain promotion. What
differs and is said in neither list is refused, and so is whatever breaks a mandatory rule. Nothing is ever taken away.

\b
Examples:
  cdc promote dev prod                     what would be done
  cdc promote dev prod --yes               write it into Pulumi.prod.yaml
  cdc promote dev prod --pipeline orders   it and its tenant, and no versions
  cdc promote dev prod --set 'pipelines[orders].source.mysql.host=shop-db'
  cdc promote dev prod --markdown          for a pull request

\b
Exit codes:
  0  done, or nothing to do
  1  refused, and nothing was written: a difference that is not declared, or
     a mandatory rule is broken
  2  bad input
  3  without --yes: there is something to do"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A promotion as it is told. ``comparison`` and ``verdict`` are ``None`` where it is refused or there is nothing to do."""

    source: str
    target: str
    file: str
    promotion: Promotion
    comparison: Comparison | None = None
    verdict: Verdict | None = None

    @property
    def refused(self) -> bool:
        verdicts = (self.verdict, self.comparison.verdict if self.comparison else None)
        return bool(self.promotion.refused or self.promotion.unsaid) or any(v is not None and not v.passed for v in verdicts)

    @property
    def to_do(self) -> bool:
        return self.comparison is not None and self.comparison.differs

    def as_json(self, written: bool) -> dict[str, Any]:
        """For a machine."""
        promotion = self.promotion
        return {
            "from": self.source,
            "to": self.target,
            "file": self.file,
            "moves": [_record(each) for each in promotion.moves],
            "kept": [_record(each) for each in promotion.kept],
            "refused": [{**_record(each), "why": why} for each, why in promotion.refused],
            "unsaid": promotion.unsaid,
            "leftOut": promotion.left_out,
            "change": None if self.comparison is None else self.comparison.as_json(),
            "verdict": None if self.verdict is None else record(self.verdict),
            "written": written,
        }


def command(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The environment that has it already.", show_default=False)],
    target: Stack,
    pipelines: Annotated[
        list[str] | None, typer.Option("--pipeline", "-p", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    said: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="A value of the second one's own, such as a host; may be given again."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write it; without it, only what would be done is shown.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    as_json: Json = False,
    today: Today = None,
    root: Root = None,
) -> None:
    """Bring pipelines and versions from one environment to another.

    The second one's file keeps its comments and its layout, and is written whole or not at all.
    """
    folder = project.find_root(root)
    names = project.stack_name(source), project.stack_name(target)
    before = _side(folder, names[0]), _side(folder, names[1])
    _check(before[0].spec, before[1].spec, pipelines or [])
    outcome = _outcome(folder, *before, pipelines or [], _said(said or [], before[1].spec), today or date.today())
    written = yes and outcome.to_do and not outcome.refused
    if written:
        _write(folder / outcome.file, outcome.promotion.text)
    if as_json:
        print_json(outcome.as_json(written))
    elif markdown:
        typer.echo(_markdown(outcome), nl=False)
    else:
        _print(outcome, written)
    raise typer.Exit(REFUSED if outcome.refused else TO_DO if outcome.to_do and not written else 0)


def _side(root: Path, stack: str) -> Side:
    return Side(project.load(root, stack), project.written_spec(root, stack))


def _check(source: EnvironmentSpec, target: EnvironmentSpec, pipelines: list[str]) -> None:
    if source.name == target.name:
        raise CdcError(f"{source.name} is promoted to itself\n      → name two environments")
    allowed = target.promotion.sources
    if allowed and source.name not in allowed:
        raise CdcError(
            f"{target.name} is promoted from {', '.join(allowed)} only (promotion.sources), and not from {source.name}"
            "\n      → promote from there, or add it to the list"
        )
    known = [pipeline.name for pipeline in source.pipelines]
    for name in pipelines:
        if name not in known:
            raise CdcError(f"{source.name} has no pipeline {name}\n      → use one of: {', '.join(known) or 'none declared'}")


def _said(said: list[str], target: EnvironmentSpec) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in said:
        path, separator, value = text.partition("=")
        if not separator or not path:
            raise CdcError(f"--set {path}: is no PATH=VALUE\n      → write one such as pipelines[orders].source.mysql.host=db")
        value = yaml_text.load(value, f"--set {path}")
        if kind_of(parse_path(path), target.promotion) != "diverges" and not is_reference(value):
            raise CdcError(
                f"--set {path}: is not {target.name}'s own (promotion.diverges), but promoted as it is"
                "\n      → change it in the environment that it is promoted from, or declare that it may differ"
            )
        found[path] = value
    return found


def _outcome(root: Path, source: Side, target: Side, pipelines: list[str], said: dict[str, Any], today: date) -> Outcome:
    file = target.written.source
    try:
        promotion = plan(source, target, pipelines, said)
    except CannotEdit:
        raise _by_hand(file) from None
    outcome = Outcome(source.spec.name, target.spec.name, file, promotion)
    if promotion.refused or promotion.unsaid or promotion.text == target.written.text:
        return outcome
    after = _parsed(root, target, promotion.text)
    _check_edit(target.spec, after, promotion, said, file)
    name = target.spec.name
    comparison = compare_in_time(target.spec, after, f"{name} as it is", f"{name} with what {source.spec.name} has", today)
    verdict = judge(Subject.of(after, load_partners(root, after)), today)
    return Outcome(source.spec.name, name, file, promotion, comparison, verdict)


def _parsed(root: Path, target: Side, text: str) -> EnvironmentSpec:
    """The spec in the new text. Raises :class:`SpecError` for what does not hold together there."""
    name, source = target.spec.name, f"{target.written.source} after the promotion"
    if target.written.prefix:
        return parse_environment(text, name, root, source)
    return build_environment(yaml_text.load(text, source), name, source, text, (), root)


def _check_edit(before: EnvironmentSpec, after: EnvironmentSpec, promotion: Promotion, said: dict[str, Any], file: str) -> None:
    """The edited text means what was planned and nothing else, whatever the layout was."""
    planned = [_key(each.location) for each in promotion.moves] + [_key(parse_path(path)) for path in said]
    changed = [_key(each.location) for each in differences(whole(before), whole(after))]
    strays = [key for key in changed if not any(key[: len(p)] == p or p[: len(key)] == key for p in planned)]
    missed = [p for p in planned if not any(key[: len(p)] == p or p[: len(key)] == key for key in changed)]
    if strays or any(p not in {_key(parse_path(path)) for path in said} for p in missed):
        raise _by_hand(file)


def _key(location: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(str(step) for step in location)


def _by_hand(file: str) -> CdcError:
    return CdcError(
        f"{file}: its layout is none that cdc can change and keep; nothing was written"
        "\n      → change it by hand, or write it without anchors and with each key on its line"
    )


def _write(path: Path, text: str) -> None:
    try:
        replace_text(path, text)
    except OSError as error:
        raise cannot_write(path, error) from None


def _record(each: Difference) -> dict[str, Any]:
    sides = {"from": each.source, "to": each.target}
    return {"path": each.path, **{side: value for side, value in sides.items() if value is not ABSENT}}


def _print(outcome: Outcome, written: bool) -> None:
    out = console()
    promotion = outcome.promotion
    state = "written" if written else "refused" if outcome.refused else "to do" if outcome.to_do else "nothing to do"
    style = BAD if outcome.refused else GOOD
    out.print(styled((f"{outcome.source} → {outcome.target}", STRONG), f"  {outcome.file}  ", (state, style)))
    for each, why in promotion.refused:
        show(out, styled(("  ✗ ", BAD), f"{each.path}: {_said_of(each, why)}"))
    for path in promotion.unsaid:
        show(out, styled(("  ✗ ", BAD), f"{path}: is {outcome.target}'s own, and has to be said: --set '{path}=…'"))
    if promotion.refused:
        show(out, styled((f"      → make them alike, or declare them under promotion in {outcome.file}", FAINT)))
    if outcome.comparison is not None:
        print_comparison(out, outcome.comparison, separated=True)
    if outcome.verdict is not None and not outcome.verdict.passed:
        print_verdict(out, outcome.verdict)
    for line in _notes(outcome, written):
        show(out, styled((f"  {line}", FAINT)))


def _notes(outcome: Outcome, written: bool) -> list[str]:
    promotion = outcome.promotion
    notes = []
    if promotion.kept:
        places = listed(dict.fromkeys(each.path for each in promotion.kept))
        notes.append(f"{count(len(promotion.kept), 'difference')} that {outcome.target} declares: {places}")
    if promotion.left_out:
        notes.append(f"left out, since {outcome.source}'s own: {listed(promotion.left_out)}; --set says them")
    if written:
        notes.append(f"next: cdc render {outcome.target}, and a pull request (--markdown describes it)")
    elif outcome.to_do and not outcome.refused:
        notes.append("--yes writes it")
    return notes


def _said_of(each: Difference, why: str) -> str:
    if isinstance(each.location[-1], Named):
        return why
    return f"{_shown(each.target)} → {_shown(each.source)}: {why}"


def _shown(value: Any) -> str:
    return "(none)" if value is ABSENT else compact(value, most=60)


def _markdown(outcome: Outcome) -> str:
    promotion = outcome.promotion
    lines = [f"## {code(outcome.source)} → {code(outcome.target)}", ""]
    if not outcome.refused and not outcome.to_do:
        return "\n".join([*lines, "Nothing to do.", ""])
    for each, why in promotion.refused[:_SHOWN]:
        lines.append(f"- ❌ {code(each.path)}: {escape(_said_of(each, why))}")
    lines += [f"- ❌ {code(path)} has to be said with {code('--set')}" for path in promotion.unsaid[:_SHOWN]]
    lines += [
        f"_{escape(note)}_\n" for note in _notes(outcome, written=False)[: 1 + bool(promotion.left_out)] if promotion.kept
    ]
    text = "\n".join(lines) + "\n"
    return text if outcome.comparison is None else text + comparison_markdown(outcome.comparison)
