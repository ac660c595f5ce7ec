"""The document of all rules."""

from typing import Any

from policies.catalogue import render_catalogue
from policies.model import Rule
from policies.rules import ALL, changes, waivers


def test_the_catalogue_has_an_entry_for_every_rule() -> None:
    text = render_catalogue()
    rules: list[Rule[Any]] = [*ALL, *changes.RULES, *waivers.RULES]
    ids = [rule.id for rule in rules]
    assert [line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")] == ids
    assert f"{len(ids)} rules." in text


def test_the_catalogue_is_the_same_every_time() -> None:
    assert render_catalogue() == render_catalogue()
