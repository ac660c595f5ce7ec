"""What would be lost with the cluster is kept elsewhere, unreadable to others, and often enough (requirement A13)."""

from collections.abc import Iterator

from policies.model import OUTSIDE_DEVELOPMENT, PRODUCTION, Rule, Subject, Violation


def _declared(subject: Subject) -> Iterator[Violation]:
    """A standby that has not taken over is a copy itself; its source is backed up."""
    spec = subject.spec
    if spec.backup is None and spec.pipelines and not spec.stands_by:
        yield Violation("backup", "what a mistake deletes on every replica cannot be brought back")


def _pipelines(subject: Subject) -> Iterator[Violation]:
    spec = subject.spec
    if spec.backup is None or spec.stands_by or "*" in spec.backup.data.pipelines:
        return
    for index, pipeline in enumerate(spec.pipelines):
        if pipeline.name not in spec.backup.data.pipelines:
            yield Violation(f"pipelines[{index}]", f"records of {pipeline.name} are in no backup")


def _encryption(subject: Subject) -> Iterator[Violation]:
    backup = subject.spec.backup
    if backup is not None and backup.key is None:
        yield Violation("backup.key", "whoever gets at a backup reads every row in it")


def _schedule(subject: Subject) -> Iterator[Violation]:
    backup = subject.spec.backup
    if backup is None:
        return
    for kind, schedule in (("daily", backup.schedule.daily), ("weekly", backup.schedule.weekly)):
        if schedule is None:
            yield Violation(f"backup.schedule.{kind}", f"no {kind} backup is made")
        elif subject.spec.target == "kubernetes":
            made = [manifest for manifest in subject.of_kind("CronJob") if manifest.name == f"backup-{kind}"]
            if not made or made[0].body["spec"]["concurrencyPolicy"] != "Forbid":
                where = made[0].id if made else None
                yield Violation(f"backup.schedule.{kind}", "nothing makes it, or two at a time", where)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "backup-declared",
        "An environment with pipelines is backed up",
        "Replicas and a standby repeat every deletion; only a backup remembers.",
        "Declare backup.",
        "Requirement A13",
        PRODUCTION,
        _declared,
    ),
    Rule(
        "backup-pipelines",
        "The records of every pipeline are in the backup",
        "A pipeline that was left out is found out when its records are needed.",
        "Name it in backup.data.pipelines, or waive the rule for it where its source can be read anew.",
        "Requirement A13",
        PRODUCTION,
        _pipelines,
    ),
    Rule(
        "backup-encryption",
        "Backups are encrypted",
        "A backup leaves the cluster, and with it everything that guards the records there.",
        "Make a key with openssl rand -hex 32, and refer to it in backup.key.",
        "Requirement A17",
        OUTSIDE_DEVELOPMENT,
        _encryption,
    ),
    Rule(
        "backup-schedule",
        "Backups are made daily and weekly, one at a time",
        "What was deleted by mistake is often noticed only after the last daily one is gone.",
        "Leave backup.schedule as it is, or write both.",
        "Requirement A13",
        PRODUCTION,
        _schedule,
    ),
)
