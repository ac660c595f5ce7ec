"""A verdict that holds one of everything, for the reports."""

from datetime import date
from typing import Any

from policies.engine import Subject, Verdict, judge
from policies.model import EVERYWHERE, Rule
from policies.rules import ALL
from tests.policy.environments import with_spec

TODAY = date(2026, 11, 22)
NASTY = "team | `x` <b>@you</b> [red]\x1b[31m\nnext"


def _fails(_: Subject) -> Any:
    raise ZeroDivisionError("division by zero")


BROKEN_RULE: Rule[Subject] = Rule("rule-that-fails", "A rule that fails", "Why.", "Do it.", "Source", EVERYWHERE, _fails)


def mixed() -> Verdict:
    """A failure of a topic and one of the cluster, advice, a waived finding, an unused waiver, and a rule that fails."""
    changes = {
        "kafka.topics": [{"name": "shop_a", "tenant": "shop", "replicas": 2, "minInSyncReplicas": 1, "maxMessage": "8MiB"}],
        "kafka.brokers.jvm.heap": "6Gi",
        "kafka.controllers.replicas": 4,
        "waivers": [
            {"rule": "kafka-heap", "owner": NASTY, "reason": f"agreed with {NASTY}", "expires": "2027-03-01"},
            {"rule": "kafka-racks", "owner": "team-shop", "reason": "agreed in the review", "expires": "2027-03-01"},
        ],
    }
    return judge(with_spec(changes), TODAY, [*ALL, BROKEN_RULE])


def many() -> Verdict:
    """More findings of one rule than anybody reads."""
    topics = [{"name": f"shop_a_{i}", "tenant": "shop", "replicas": 2} for i in range(300)]
    return judge(with_spec({"kafka.topics": topics}), TODAY)
