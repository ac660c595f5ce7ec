"""Options that several verbs take together reach a command as one value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from operations.bundles import bundled


@dataclass(frozen=True)
class Door:
    """Options of a test."""

    house: Annotated[str, typer.Option("--house", metavar="NAME")]
    key: Annotated[Path | None, typer.Option("--key-file", metavar="FILE")] = None
    number: Annotated[int, typer.Option("--number", min=1)] = 7


def run(*words: str) -> tuple[int, str, list[object]]:
    """Exit code and output of a command, and what it was called with."""
    seen: list[object] = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @bundled
    def command(
        name: Annotated[str, typer.Argument()],
        *,
        door: Door,
        number: Annotated[int, typer.Option("--of", help="Not the door's.")] = 1,
    ) -> None:
        """Opens a door."""
        seen.extend([name, door, number])

    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output, seen


def test_what_is_given_and_what_is_not_reach_the_command_as_one_value() -> None:
    assert run("mine", "--house", "blue")[2] == ["mine", Door("blue"), 1]
    given = run("--key-file", "k.pem", "--number", "3", "mine", "--house", "red", "--of", "2")
    assert given[2] == ["mine", Door("red", Path("k.pem"), 3), 2]


@pytest.mark.parametrize(
    ("words", "named"), [(["mine"], "--house"), (["mine", "--house", "blue", "--number", "0"], "--number")]
)
def test_a_wrong_option_is_refused_by_the_name_that_its_user_knows(words: list[str], named: str) -> None:
    code, output, seen = run(*words)
    assert (code, seen) == (2, [])
    assert named in output


def test_help_shows_the_options_in_the_place_of_the_bundle() -> None:
    output = run("--help")[1]
    assert output.index("--house") < output.index("--key-file") < output.index("--number") < output.index("--of")
    assert "Opens a door." in output
