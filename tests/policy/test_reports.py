"""Verdicts as people and machines read them."""

import json
import re
from datetime import date
from io import StringIO

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from policies.engine import judge
from policies.reports import render_json, render_markdown, render_text
from policies.reports.markdown import code, escape
from tests.policy.environments import good
from tests.policy.verdicts import NASTY, TODAY, many, mixed


def test_the_text_says_the_verdict_first_and_every_rule_place_and_remedy() -> None:
    verdict = mixed()
    text = render_text(verdict)
    assert text.startswith(f"prod (production): failed: 4 mandatory, 2 advisory, 1 waived; {len(verdict.rules)} rules\n")
    for finding in verdict.findings:
        assert finding.rule in text
        assert finding.path in text
        assert finding.waiver is not None or finding.remedy in text


def test_the_text_of_a_clean_verdict_is_one_line() -> None:
    verdict = judge(good(), TODAY)
    assert render_text(verdict) == f"prod (production): passed: nothing found; {len(verdict.rules)} rules\n"


def test_marked_up_text_shows_the_same_words_and_no_markup_of_others() -> None:
    verdict = mixed()
    console = Console(file=StringIO(), width=10_000, force_terminal=False, highlight=False)
    console.print(render_text(verdict, markup=True), end="")
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == render_text(verdict)


@pytest.mark.parametrize("markup", [True, False])
def test_no_text_of_others_moves_the_cursor_or_begins_a_line(markup: bool) -> None:
    text = render_text(mixed(), markup=markup)
    assert "\x1b" not in text
    assert "\nnext" not in text


def test_of_many_findings_of_one_rule_some_are_shown_and_the_rest_counted() -> None:
    text = render_text(many())
    assert text.count("shop_a_") < 200
    assert "… and 280 more" in text
    assert "… and" not in render_text(many(), limit=1000)


def test_json_tells_everything_that_the_verdict_knows() -> None:
    verdict = mixed()
    document = json.loads(render_json(verdict))
    assert document["version"] == 1
    assert (document["environment"], document["tier"], document["passed"]) == ("prod", "production", False)
    assert date.fromisoformat(document["today"]) == TODAY
    assert document["counts"] == {"mandatory": 4, "advisory": 2, "waived": 1, "rules": len(mixed().rules)}
    read_back = [(f["rule"], f["level"], f["path"], f["resource"], f["message"], f["ran"]) for f in document["findings"]]
    assert read_back == [(f.rule, f.level, f.path, f.resource, f.message, f.ran) for f in verdict.findings]
    waived = [finding["waiver"] for finding in document["findings"] if finding["waiver"]]
    assert waived == [{"owner": NASTY, "reason": f"agreed with {NASTY}", "expires": "2027-03-01"}]


def test_json_has_the_keys_that_its_readers_rely_on() -> None:
    document = json.loads(render_json(mixed()))
    assert set(document) == {"version", "environment", "tier", "today", "passed", "counts", "findings"}
    keys = {"rule", "title", "level", "path", "resource", "message", "remedy", "ran", "waiver"}
    assert all(set(finding) == keys for finding in document["findings"])


def test_markdown_says_the_verdict_and_has_a_row_for_every_finding() -> None:
    text = render_markdown(mixed())
    assert text.startswith("### ❌ failed: `prod` (production)\n")
    assert render_markdown(judge(good(), TODAY)).startswith("### ✅ passed")
    assert [text.count(f"<code>{rule}</code>") for rule in ("kafka-heap", "kafka-controller-quorum")] == [1, 1]
    assert "`kafka.controllers.replicas`" in text


def test_tables_stay_whole_whatever_a_spec_says() -> None:
    html = MarkdownIt("commonmark").enable("table").render(render_markdown(mixed()))
    for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL):
        assert len(re.findall(r"<t[hd]", row)) in {2, 3}, row
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_nobody_is_called_by_a_report() -> None:
    assert not re.search(r"[@#]\w", re.sub(r"`[^`]*`|&#\w+;|^#+ ", "", render_markdown(mixed()), flags=re.MULTILINE))


@pytest.mark.parametrize(
    "text", ["a|b", "a`b", "``", "`", "*a*", "_a_", "[a](b)", "<i>", "a\\b", "~~a~~", "https://a.b/c", ":smile:"]
)
def test_escaped_text_is_read_as_itself(text: str) -> None:
    html = MarkdownIt("commonmark", {"linkify": False}).enable("table").render(f"| x |\n|---|\n| {escape(text)} |\n")
    cell = re.findall(r"<td>(.*?)</td>", html)
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert cell == [shown]


@pytest.mark.parametrize("text", ["a|b", "a`b", "``a", "kafka.topics[0]", 'kafka.config["a.b"]'])
def test_code_is_read_as_itself(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(f"| x |\n|---|\n| {code(text)} |\n")
    cell = re.findall(r"<td><code>(.*?)</code></td>", html)
    assert cell == [text.replace('"', "&quot;")]


def test_a_comment_with_many_findings_fits_into_a_pull_request() -> None:
    assert len(render_markdown(many())) < 65_536
