"""Backups in a bucket of an S3-compatible store."""

import configparser
import json
import os
import secrets as entropy
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from operations.backup.errors import BackupError
from operations.backup.store import LOCK

LEASE_SECONDS = 300
"""How long a lock holds that is not renewed: so long does a run wait that follows one that was killed."""

_RENEW_SECONDS = 60
_SECONDS_TO_CONNECT, _SECONDS_TO_READ, _ATTEMPTS = 10, 60, 5
_AT_ONCE = 1000
"""Objects that one request deletes."""

_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where it is. Without ``credentials`` (a file as AWS's own programs read it) they are the machine's own; ``ca`` is what
    signed the store's certificate, where not everybody trusts that."""

    name: str
    region: str
    endpoint: str | None = None
    credentials: Path | None = None
    ca: Path | None = None


class BucketStore:
    """``prefix`` ends in ``/``, or is empty. A store that knows no conditional writes can hold no lock, and is refused."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket.name, prefix
        self._client = _client(bucket)
        self._run = entropy.token_hex(8)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def put(self, name: str, content: bytes) -> None:
        self._write(name, content)

    def get(self, name: str) -> bytes:
        content: bytes = self._ask("get_object", name)["Body"].read()
        return content

    def sizes(self, prefix: str) -> dict[str, int]:
        below = self._prefix + prefix
        found = {entry["Key"].removeprefix(below): entry["Size"] for entry in self._listed("Contents", Prefix=below)}
        return dict(sorted(found.items()))

    def children(self) -> list[str]:
        found = self._listed("CommonPrefixes", Prefix=self._prefix, Delimiter="/")
        return sorted(entry["Prefix"].removeprefix(self._prefix).rstrip("/") for entry in found)

    def drop(self, child: str) -> None:
        """The manifest goes first: what is left of a run that dies here is known as unfinished."""
        self._ask("delete_object", f"{child}/manifest.json")
        names = [f"{child}/{name}" for name in self.sizes(f"{child}/")]
        for begin in range(0, len(names), _AT_ONCE):
            listed = [{"Key": self._prefix + name} for name in names[begin : begin + _AT_ONCE]]
            answer = self._do(
                lambda listed=listed: self._client.delete_objects(  # type: ignore[misc]
                    Bucket=self._bucket, Delete={"Objects": listed, "Quiet": True}
                )
            )
            if answer.get("Errors"):
                raise self._unusable(answer["Errors"][0].get("Message", "an object stays"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A lease, renewed while it is held: it ends by itself after a process that was killed."""
        lease = _Lease(self._take(), self._write_lock)
        lease.start()
        try:
            yield
        finally:
            kept = lease.end()
            if kept:
                self._ask("delete_object", LOCK)
        if not kept:
            raise BackupError(
                f"{self}: the lock was lost while a backup was made\n      → look with cdc backup list, and make it again"
            )

    def _take(self) -> str:
        tag = self._write_lock(IfNoneMatch="*")
        if tag is None:
            tag = self._take_over()
        if self._write_lock(IfNoneMatch="*") is not None:
            self._ask("delete_object", LOCK)
            remedy = "use one that knows conditional writes (If-None-Match), as AWS and MinIO do, or a folder"
            raise BackupError(f"{self}: the store overwrites what it was told not to\n      → {remedy}")
        return tag

    def _take_over(self) -> str:
        """The lock of a run that is no more. Its age is told by the store's clock alone."""
        try:
            held = self._ask("get_object", LOCK)
        except FileNotFoundError:
            held = None
        if held is not None:
            holder = held["Body"].read(200).decode(errors="replace") or "another process"
            asked = self._do(lambda: self._client.head_bucket(Bucket=self._bucket))
            age = (_date(asked) - held["LastModified"]).total_seconds()
            if age < LEASE_SECONDS:
                wait = f"wait for it; if it was killed, the lock ends in {int(LEASE_SECONDS - age) + 1} s"
                raise BackupError(f"{self}: a backup is being made by {holder}\n      → {wait}")
        tag = self._write_lock(**({"IfNoneMatch": "*"} if held is None else {"IfMatch": held["ETag"]}))
        if tag is None:
            raise BackupError(f"{self}: somebody else has just begun a backup\n      → wait for it")
        return tag

    def _write_lock(self, **condition: str) -> str | None:
        """Its tag, which stores make of the content; ``None`` where the condition does not hold."""
        holder = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "run": self._run}).encode()
        try:
            return str(self._write(LOCK, holder, **condition)["ETag"])
        except _RefusedError:
            return None

    def _write(self, name: str, content: bytes, **condition: str) -> Any:
        """The store compares the digest with what it has got. Said beforehand, it is in one piece: a store that refuses the
        condition at once does not find the rest of the content where it expects the next request."""
        digest = b64encode(sha256(content).digest()).decode()
        return self._ask("put_object", name, Body=content, ChecksumSHA256=digest, **condition)

    def _listed(self, what: str, **where: str) -> Iterator[dict[str, Any]]:
        pages = self._do(lambda: list(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **where)))
        yield from (entry for page in pages for entry in page.get(what, ()))

    def _ask(self, verb: str, name: str, **more: Any) -> Any:
        return self._do(lambda: getattr(self._client, verb)(Bucket=self._bucket, Key=self._prefix + name, **more), name)

    def _do(self, request: Callable[[], Any], name: str = "") -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return request()
        except ClientError as error:
            said = error.response.get("Error", {})
            if said.get("Code") in _ABSENT and name:
                raise FileNotFoundError(f"{self}{name}") from None
            if said.get("Code") in _REFUSED:
                raise _RefusedError(str(self)) from None
            raise self._unusable(f"{said.get('Code')}: {said.get('Message') or 'no reason is given'}") from None
        except BotoCoreError as error:
            raise self._unusable(str(error)) from None

    def _unusable(self, why: str) -> BackupError:
        remedy = "see that the bucket is there, and that the credentials may list, read, write and delete in it"
        return BackupError(f"{self}: {why}\n      → {remedy}")


class _RefusedError(BackupError):
    """A condition did not hold."""


class _Lease:
    """Renews a lock until it is ended."""

    def __init__(self, tag: str, write: Callable[..., str | None]) -> None:
        self._tag: str | None = tag
        self._write = write
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> bool:
        """Whether it was held all the time."""
        self._ended.set()
        self._thread.join()
        return self._tag is not None

    def _run(self) -> None:
        while self._tag is not None and not self._ended.wait(_RENEW_SECONDS):
            try:
                self._tag = self._write(IfMatch=self._tag)
            except BackupError:
                continue  # the next attempt, or whoever takes the lock, tells


def _client(bucket: Bucket) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_SECONDS_TO_CONNECT,
        read_timeout=_SECONDS_TO_READ,
        request_checksum_calculation="when_required",
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        s3={"addressing_style": "auto" if bucket.endpoint is None else "path"},
    )
    return boto3.session.Session().client(
        "s3",
        region_name=bucket.region,
        endpoint_url=bucket.endpoint,
        verify=None if bucket.ca is None else str(bucket.ca),
        config=config,
        **({} if bucket.credentials is None else _credentials(bucket.credentials)),
    )


def _credentials(file: Path) -> dict[str, str]:
    """Of the first section. No message repeats what is in the file."""
    parser = configparser.RawConfigParser()
    remedy = "write [default], aws_access_key_id=… and aws_secret_access_key=…, as AWS's own programs read them"
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
        section = parser[parser.sections()[0]]
        found = {key: section[key] for key in ("aws_access_key_id", "aws_secret_access_key")}
        token = section.get("aws_session_token")
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror}\n      → name a readable file") from None
    except (configparser.Error, UnicodeDecodeError, IndexError, KeyError):
        raise BackupError(f"{file}: holds no credentials\n      → {remedy}") from None
    return found if token is None else {**found, "aws_session_token": token}


def _date(answer: dict[str, Any]) -> Any:
    """What time it is where the store is."""
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
