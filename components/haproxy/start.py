"""How HAProxy starts: what is secret is put together there, in memory, and stands in no rendered file. Pure."""

from collections.abc import Iterator

from components.core import versions
from components.core.secrets import NEXT, PREVIOUS
from components.haproxy.backend import Backend
from components.haproxy.configuration import SECRETS, userlist, userlists
from components.haproxy.spec import HaproxySpec, HaproxyUserSpec

USER = 99
"""``haproxy`` of its own image."""

RUN = "/run/haproxy"
USERS = f"{RUN}/users.cfg"
LOOK_SECONDS = 10
"""How often it looks whether a secret has changed."""

_HASHED = f"""hashed() {{
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

_PLAIN = f"""plain() {{
  secret=$(cat "{SECRETS}/$1.password$2")
  case $secret in
    *[!\\ -~]* | *\\'* | '')
      echo "{SECRETS}/$1.password$2 is empty, or holds a ' or what cannot be typed" >&2
      exit 1
      ;;
  esac
  echo "  user $1 insecure-password '$secret'"
}}"""
"""What the platform keeps itself: HAProxy is told it in every request anyway, and it is in a file that only it may read."""

_WATCH = f"""seen() {{
  cat {SECRETS}/* | cksum
}}
watch() {{
  known=$1
  started=
  turn=0
  while sleep 1 && kill -0 $$ 2> /dev/null; do
    set -- $(cat /proc/$$/task/$$/children)
    if [ $# -gt 1 ]; then started=1; elif [ -n "$started" ]; then return; fi
    turn=$(((turn + 1) % {LOOK_SECONDS}))
    [ $turn -eq 0 ] || continue
    now=$(seen)
    if [ "$now" != "$known" ] && (users); then
      known=$now
      kill -USR2 $$
    fi
  done
}}"""
"""``$$`` is HAProxy's master by then. What it cannot read is not taken: the workers that run go on. The master ends once it has
no child left, and this is one: it ends when no other is left."""


def image(haproxy: HaproxySpec) -> str:
    """What its containers are made of."""
    return haproxy.image or versions.HAPROXY_IMAGE


def start_script(haproxy: HaproxySpec, fronted: tuple[Backend, ...], configuration: str) -> str:
    """A script for ``sh`` that becomes HAProxy: a master, which SIGUSR2 tells to start workers anew from its files. Whenever a
    secret has changed, a certificate among them, it is told."""
    frontends = [backend.name for backend in fronted if haproxy.authentication_of(backend.name) == "basic"]
    files = f"-f {configuration}" + (f" -f {USERS}" if frontends else "")
    lines = ["#!/bin/sh", "set -eu", "umask 077", "export LC_ALL=C", _HASHED, _PLAIN, "users() {"]
    if frontends:
        lines += ["  {", *(f"    {line}" for line in _lists(haproxy, frontends)), f"  }} > {USERS}.new"]
        lines.append(f"  mv {USERS}.new {USERS}")
    else:
        lines.append("  :")
    lines += ["}", _WATCH, "users", 'watch "$(seen)" &', f"exec haproxy -W -db {files}"]
    return "\n".join(lines) + "\n"


def _lists(haproxy: HaproxySpec, frontends: list[str]) -> Iterator[str]:
    """HAProxy takes one password for each name in a list: those before and after have lists of their own."""
    for frontend in frontends:
        yield f"echo 'userlist {userlist(frontend)}'"
        yield from (_user(user) for user in haproxy.users_of(frontend))
        for end in (NEXT, PREVIOUS) if len(userlists(haproxy, frontend)) > 1 else ():
            yield f"echo 'userlist {userlist(frontend, end)}'"
            for user in haproxy.users_of(frontend):
                if user.is_rotated:
                    yield f"plain {user.name} .{end}"


def _user(user: HaproxyUserSpec) -> str:
    return f"hashed {user.name}" if user.password_hash is not None else f"plain {user.name} ''"
