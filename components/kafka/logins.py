"""Logins of Kafka's users that are rotated. Pure; the decision is in ADR 10.

A user has one SCRAM credential for each mechanism. Its login is a mechanism and its password, in one file, so that whoever
reads it reads two that belong together. A rotation gives the *other* mechanism the next password and makes that the login; the
one before goes on until the rotation after.
"""

from collections.abc import Mapping

from components.core.secrets import NEXT, SecretFile

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
FIRST = "SCRAM-SHA-512"
"""What a login begins with: whatever was there before knows no other."""

PASSWORD, MECHANISM = "password", "scram-mechanism"
"""Keys of a login, in Vault and in its file."""

NEXT_PASSWORD = f"{PASSWORD}-{NEXT}"
"""Of the mechanism that is not in use. Only who gives users their passwords is told."""


def other(mechanism: str) -> str:
    """The mechanism that is not in use."""
    first, second = MECHANISMS
    return second if mechanism == first else first


def login_name(user: str) -> str:
    """The name of a login in its program's folder of secrets."""
    return f"{user}.login"


def login_file(user: str) -> SecretFile:
    """What a program reads."""
    return SecretFile(login_name(user), user, PASSWORD, beside=(MECHANISM,))


def is_login(file: SecretFile) -> bool:
    """Whether a file is one of these."""
    return MECHANISM in file.beside


def logins_to_set(file: SecretFile) -> SecretFile:
    """What is to be read by whoever gives the user its passwords: the login, and the password of the other mechanism."""
    return SecretFile(file.name, file.secret, file.key, file.vault, beside=(MECHANISM, NEXT_PASSWORD))


def passwords(login: Mapping[str, str]) -> dict[str, str]:
    """Passwords by mechanism: that of the login, and the next one of the other mechanism. Nothing for what is no login."""
    mechanism = login.get(MECHANISM, "")
    if mechanism not in MECHANISMS:
        return {}
    found = {mechanism: login.get(PASSWORD, ""), other(mechanism): login.get(NEXT_PASSWORD, "")}
    return {name: password for name, password in found.items() if password}
