"""A verdict on the terminal, after what it judges."""

from rich.console import Console

from operations.terminal import print_markup
from policies.engine import Verdict
from policies.reports import render_text

_PLACES = 5


def print_verdict(out: Console, verdict: Verdict) -> None:
    """The verdict of the rules with the first few places of each that is broken; ``cdc check`` shows more."""
    print_markup(out, render_text(verdict, markup=True, limit=_PLACES))
