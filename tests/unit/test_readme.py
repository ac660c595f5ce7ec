"""The README names only what exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_file_that_the_readme_names_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    tests = re.findall(r"`(tests/[^`]+|bench[^`]*|docs/[^`]+)`", README)
    assert [path for path in {*links, *tests} if not (ROOT / path).exists()] == []


def test_the_readme_shows_development_as_it_is_in_one_screen() -> None:
    stack = (ROOT / "Pulumi.dev.yaml").read_text().splitlines()
    assert len(stack) <= 40
