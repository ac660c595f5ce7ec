"""What backups' parts are called. Pure."""

COMPONENT = "backup"
USER = "backup"
KEY = "backup.key"
"""The file of the key, in the folder of secrets."""
GROUP = "cdc-backup"
"""Nothing is committed in it; the client asks for it all the same."""
S3_CREDENTIALS, S3_CA = "s3.credentials", "s3-ca.pem"
"""How a bucket is entered, and what signed its store's certificate."""
PODS = {"app.kubernetes.io/name": COMPONENT}
"""The label of whatever makes backups on Kubernetes."""


def metrics_folder(directory: str) -> str:
    """Where, beside backups, stands how old they are, for whoever watches; no stack has such a name."""
    return f"{directory}/.metrics"
