"""Every hop as a document (``docs/security.md``). Pure."""

import sys
from collections.abc import Mapping
from pathlib import Path

from components.environment import EnvironmentSpec
from components.loading import load_environment
from policies.hops import Hop, hops
from policies.reports.markdown import escape

_INTRODUCTION = """# Every hop

<!-- Generated from the specs and the code. Do not edit: `make generated` writes this file anew. -->

Who opens connections to whom, by which protocol, and how it is protected. *mutual*: the client shows a certificate too;
elsewhere it logs in with a password or a token, or is told nothing that is secret. The rule `transport-encrypted` refuses a
production environment with a hop in plain text that is not in the last table; `transport-verified` one in which a program is
configured with an address of `http://`, with Kafka's protocols in plain text, or with an `sslmode` that does not verify.
`network-opening-missing` and `network-opening-surplus` hold the network policies against what programs are configured to reach.
"""


def render_page(environments: Mapping[str, EnvironmentSpec]) -> str:
    """The hops of each environment, by its name; then why some may be in plain text."""
    found = {name: hops(spec) for name, spec in environments.items()}
    parts = [_INTRODUCTION, *(_table(name, own) for name, own in found.items())]
    accepted = {(hop.target, hop.accepted) for own in found.values() for hop in own if not hop.encrypted and hop.accepted}
    lines = ["## In plain text, and why", "", "| to | why that is accepted |", "|---|---|"]
    lines += [f"| {escape(target)} | {escape(why)} |" for target, why in sorted(accepted)]
    return "\n".join([*parts, *lines, ""])


def _table(name: str, own: tuple[Hop, ...]) -> str:
    lines = [f"## {name}", "", "| from | to | protocol | port | encrypted | mutual |", "|---|---|---|---|---|---|"]
    for hop in own:
        encrypted, mutual = ("yes" if value else "no" for value in (hop.encrypted, hop.mutual))
        cells = (escape(hop.source), escape(hop.target), hop.protocol, str(hop.port), encrypted, mutual)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(render_page({stack: load_environment(Path.cwd(), stack) for stack in sys.argv[1:]}), end="")
