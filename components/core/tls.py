"""The references in the spec of whatever speaks TLS. Their defaults fit a Secret that cert-manager writes."""

from typing import Any

from components.core.model import setting

CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
"""The keys of a Secret of type ``kubernetes.io/tls``, as cert-manager writes it."""


def certificate(secret: str, *, becomes: str, help: str = "Reference to its certificate chain, PEM.") -> Any:  # noqa: A002
    """The field of a certificate that lies in the Secret ``secret``, unless another place is written."""
    return setting(f"secret:{secret}#{CERTIFICATE}", help=help, becomes=becomes)


def private_key(secret: str, *, becomes: str, help: str = "Reference to the certificate's private key, PEM.") -> Any:  # noqa: A002
    """The field of its key."""
    return setting(f"secret:{secret}#{KEY}", help=help, becomes=becomes)


def authority(secret: str, *, becomes: str, help: str = "Reference to what signed the certificate, PEM.") -> Any:  # noqa: A002
    """The field of what signed it, which the other side trusts."""
    return setting(f"secret:{secret}#{AUTHORITY}", help=help, becomes=becomes)
