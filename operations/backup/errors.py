"""What may be wrong with a backup, or with where it is restored to."""

from components.core.errors import CdcError


class BackupError(CdcError):
    """It cannot be made, read or restored as asked; nothing was changed by that."""


class DamagedError(CdcError):
    """Files of a backup are not what they were when it was made."""

    exit_code = 3
