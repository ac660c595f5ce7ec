"""Backups as a Pulumi component."""

from components.backup import render
from components.backup.names import COMPONENT
from components.targets.component import PlatformComponent


class Backup(PlatformComponent):
    """The CronJobs that make backups, and where they keep them."""

    token = "cdc:backup:Backup"  # noqa: S105 - a Pulumi type token
    part = COMPONENT
    render = staticmethod(render.render)
