"""What backups' parts are called. Pure."""

COMPONENT = "backup"
USER = "backup"
KEY = "backup.key"
"""The file of the key, in the folder of secrets."""
GROUP = "cdc-backup"
"""Nothing is committed in it; the client asks for it all the same."""
