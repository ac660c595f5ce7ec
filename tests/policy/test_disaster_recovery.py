"""Rules about a standby, where MirrorMaker's settings are a file."""

from dataclasses import replace

import pytest

from policies.model import Subject
from policies.rules.disaster_recovery import RULES
from tests.policy import environments as env

MIRROR = {"source": {"environment": "prod", "bootstrap": "prod:9093", "password": "secret:a#b"}}


def broken(old: str = "", new: str = "") -> set[str]:
    """The rules that a standby on docker breaks, with its rendered files changed as text."""
    subject = Subject.of(env.spec_with("docker", {"mirrorMaker": MIRROR}))
    workloads = []
    for workload in subject.rendered.workloads:
        files = {path: text.replace(old, new) if old else text for path, text in workload.files.items()}
        workloads.append(replace(workload, files=files))
    changed = replace(subject, rendered=replace(subject.rendered, workloads=tuple(workloads)))
    assert not old or changed.rendered != subject.rendered
    return {rule.id for rule in RULES if list(rule.check(changed))}


def test_a_standby_on_docker_keeps_every_rule() -> None:
    assert broken() == set()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("sync.topic.acls.enabled=false", "sync.topic.acls.enabled=true", "recovery-acl-sync"),
        ("sync.group.offsets.enabled=true", "sync.group.offsets.enabled=false", "recovery-group-offsets"),
        ("IdentityReplicationPolicy", "DefaultReplicationPolicy", "recovery-replication-policy"),
        (".checkpoints.topic.replication.factor=3", ".checkpoints.topic.replication.factor=1", "recovery-replication-factor"),
    ],
)
def test_a_setting_of_its_file_that_breaks_a_rule_is_found(old: str, new: str, rule: str) -> None:
    assert broken(old, new) == {rule}
