"""What the smallest production environment becomes, as a reviewer last read it."""

import pytest

from tests.golden import FOLDER, SHOWN, rendered


@pytest.mark.parametrize("name", SHOWN.values())
def test_a_golden_file_is_what_is_rendered(name: str) -> None:
    written = (FOLDER / "minimal" / name).read_text(encoding="utf-8")
    assert rendered()[name] == written, "read what changed, then: python -m tests.golden.regenerate"


def test_there_are_no_other_golden_files() -> None:
    assert {path.name for path in (FOLDER / "minimal").iterdir()} == set(SHOWN.values())
