"""What is generated and committed is what the code gives now; `make generated` writes it anew."""

from pathlib import Path

import pytest

from components.loading import load_environment, stacks
from components.platform import render
from operations.ledger import LEDGER
from operations.tree import tree
from policies.catalogue import render_catalogue
from policies.hops_page import render_page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stack", stacks(ROOT))
def test_the_rendered_tree_of_every_stack_is_current(stack: str) -> None:
    spec = load_environment(ROOT, stack)
    folder = ROOT / "rendered" / stack

    committed = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}

    committed.pop(LEDGER)
    assert committed == tree(render(spec), spec.context)


def test_the_page_of_hops_is_current() -> None:
    specs = {stack: load_environment(ROOT, stack) for stack in ("prod", "prod-dr")}
    assert (ROOT / "docs" / "security.md").read_text() == render_page(specs)


def test_the_catalogue_of_policies_is_current() -> None:
    assert (ROOT / "docs" / "policies.md").read_text() == render_catalogue()
