"""A real store that speaks S3, over TLS on loopback, with one bucket."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.certificates import CertificateAuthority, write
from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_port, is_listening
from tests.toolchain.s3 import s3_gateway

READY_SECONDS = 60
BUCKET, ACCESS_KEY, SECRET_KEY = "backups", "tester", "not-to-be-seen-in-a-store"


class S3Server(OneProcess):
    """For the time of the context. ``credentials`` and ``ca`` are files for clients; the bucket's objects lie as files below
    ``objects``."""

    def __init__(self, folder: Path) -> None:
        super().__init__("the store")
        self.port = free_port()
        self.objects = folder / "s3" / BUCKET
        self.credentials, self.ca = folder / "s3.credentials", folder / "s3-ca.pem"
        self._folder = folder

    @property
    def endpoint(self) -> str:
        """Its address for clients."""
        return f"https://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self.objects.mkdir(parents=True)
        authority = CertificateAuthority("stores")
        own = authority.issue("store", LOOPBACK)
        tls = write(self._folder / "s3-tls", {"cert.pem": own.certificate, "key.pem": own.key})
        self.ca.write_text(authority.certificate)
        self.credentials.write_text(f"[default]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n")
        words: list[str | Path] = [s3_gateway(), "--quiet", "--keep-alive", "--port", f"{LOOPBACK}:{self.port}"]
        words += ["--cert", tls / "cert.pem", "--key", tls / "key.pem", "posix", self._folder / "s3"]
        variables = {"ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": SECRET_KEY}
        self._process = Process("S3", words, self._folder / "s3.log", env=variables)
        self._process.wait_ready(lambda: is_listening(self.port), READY_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self._process = None
