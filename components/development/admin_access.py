"""How a developer enters the admin APIs of one's own machine: by a token that is made up, and certificates that sign
themselves."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from components.core.errors import CdcError
from components.core.secrets import SecretFile
from components.sink.companions import CERTIFICATE, KEY, TOKENS

TOKEN_FILE = "sink-admin.token"  # noqa: S105 - the name of the file
"""Beside the containers' folders, none of which has it."""
DEVELOPER, ROLE = "developer", "admin"
TOKEN_BYTES = 32
"""The least that an admin API takes."""
_YEARS = timedelta(days=3650)
_LOOPBACK = "127.0.0.1"


def is_key(file: SecretFile) -> bool:
    """Whether it is the key of an admin API's certificate."""
    return file.name == KEY


def is_certificate(file: SecretFile) -> bool:
    """Whether it is that certificate."""
    return file.name == CERTIFICATE


def is_list_of_tokens(file: SecretFile) -> bool:
    """Whether it lists the digests of an admin API's tokens."""
    return file.name == TOKENS


def list_of_tokens(token: str) -> str:
    """What an admin API knows of ``token``, as ``sink-worker admin token`` prints it; good for as long as it lies there."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return json.dumps([{"name": DEVELOPER, "role": ROLE, "sha256": digest, "expires": None}])


def new_key() -> str:
    """PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def self_signed(host: str, key_pem: str) -> str:
    """A certificate of ``host``, ``localhost`` and 127.0.0.1, PEM: whoever trusts it trusts that one server."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import NameOID

    key = load_pem_private_key(key_pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CdcError(f"{host}/{KEY}: is no key of an elliptic curve\n      → remove it, or put its certificate beside it")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = [x509.DNSName(host), x509.DNSName("localhost"), x509.IPAddress(ip_address(_LOOPBACK))]
    begin = datetime.now(UTC) - timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, begin + _YEARS)
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
