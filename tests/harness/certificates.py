"""Certificate authorities and the PEM files that nodes and clients of a Kafka cluster hold."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

LIFETIME = datetime.timedelta(days=2)
ENDED = datetime.timedelta(minutes=-30)


@dataclass(frozen=True)
class Identity:
    """A private key and its certificate, as PEM."""

    key: str
    certificate: str

    @property
    def keystore(self) -> str:
        """What Kafka reads as a keystore of type PEM."""
        return self.key + self.certificate


class CertificateAuthority:
    """An authority that signs for two days. ``certificate`` is its own, as PEM."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = self._sign(builder)

    def issue(
        self, common_name: str, *host_names: str, organization: str = "", lifetime: datetime.timedelta = LIFETIME
    ) -> Identity:
        """An identity whose subject is ``common_name``, good for both sides of a connection; :data:`ENDED` is a lifetime that
        is over."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(common_name, organization), key.public_key(), lifetime)
        if host_names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in host_names]), False)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return Identity(pem, self._sign(builder))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: datetime.timedelta = LIFETIME
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + lifetime)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> str:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def truststore(ca: str, password: str) -> bytes:
    """A store of Java's (PKCS #12) that trusts ``ca``."""
    trusted = pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(ca.encode()), b"ca")
    return pkcs12.serialize_java_truststore([trusted], BestAvailableEncryption(password.encode()))


def keystore(identity: Identity, password: str) -> bytes:
    """A store of Java's (PKCS #12) with a key and its certificate."""
    key = load_pem_private_key(identity.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate(identity.certificate.encode())
    return pkcs12.serialize_key_and_certificates(b"client", key, certificate, None, BestAvailableEncryption(password.encode()))


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write ``files`` into ``folder``, readable by the users of containers; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return folder


def _name(common_name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
