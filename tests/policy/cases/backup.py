"""Backups."""

from tests.policy.cases.making import manifests, spec

BACKUP = (
    spec("backup-declared", "none", "backup", {"backup": None}),
    spec("backup-pipelines", "one left out", "pipelines[1]", {"backup.data": {"pipelines": ["orders", "invoices"]}}),
    spec("backup-encryption", "off", "backup.key", {"backup.key": None}),
    spec("backup-schedule", "never weekly", "backup.schedule.weekly", {"backup.schedule": {"weekly": None}}),
    manifests(
        "backup-schedule",
        "two at a time",
        "backup.schedule.daily",
        "CronJob/cdc/backup-daily",
        lambda body: body["spec"].update(concurrencyPolicy="Allow"),
        "CronJob",
        name="backup-daily",
    ),
)
