"""How HAProxy starts: what is secret is put together there, in memory, and stands in no rendered file. Pure."""

from components.core import versions
from components.haproxy.backend import Backend
from components.haproxy.configuration import SECRETS, userlist
from components.haproxy.spec import HaproxySpec

USER = 99
"""``haproxy`` of its own image."""

RUN = "/run/haproxy"
USERS = f"{RUN}/users.cfg"

_USER = f"""user() {{
  hash=$(cat "{SECRETS}/$1.hash")
  case $hash in
    *[!A-Za-z0-9./\\$=,]* | [!\\$]* | '')
      echo "{SECRETS}/$1.hash holds no hash as crypt(3) writes it; make one with: openssl passwd -6" >&2
      exit 1
      ;;
  esac
  echo "  user $1 password '$hash'"
}}"""
"""Quoted, a hash's ``$`` is HAProxy's no more; and nothing that is not a hash gets in."""


def image(haproxy: HaproxySpec) -> str:
    """What its containers are made of."""
    return haproxy.image or versions.HAPROXY_IMAGE


def start_script(haproxy: HaproxySpec, fronted: tuple[Backend, ...], configuration: str) -> str:
    """A script for ``sh`` that becomes HAProxy: a master, which SIGUSR2 tells to start workers anew from its files."""
    lists = [backend.name for backend in fronted if haproxy.authentication_of(backend.name) == "basic"]
    lines = ["#!/bin/sh", "set -eu"]
    files = f"-f {configuration}"
    if lists:
        lines += ["umask 077", _USER, "{"]
        for frontend in lists:
            lines.append(f"  echo 'userlist {userlist(frontend)}'")
            lines += [f"  user {user.name}" for user in haproxy.users_of(frontend)]
        lines.append(f"}} > {USERS}")
        files += f" -f {USERS}"
    lines.append(f"exec haproxy -W -db {files}")
    return "\n".join(lines) + "\n"
