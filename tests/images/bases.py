"""Stand in for the base images, which cannot be fetched: the same Debian with the same Python, and this machine's Rust."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.images.engine import Docker
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.debian import ensure_packages

PYTHON, RUST = "python:3.11-slim-bookworm", "rust:1.95-slim-bookworm"
RELEASE = "bookworm"
PACKAGES = "python3.11,python3.11-venv,python3-pip,ca-certificates"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
TRUSTING = ("PIP_CERT", "SSL_CERT_FILE", "CARGO_HTTP_CAINFO")
"""What this machine trusts, a package proxy's certificate say, the build has to trust as well."""


def import_bases(docker: Docker) -> None:
    """Both, under the names that the Dockerfiles know them by."""
    _import(
        docker, PYTHON, ensure("docker-base", RELEASE, _python), {"PATH": PATH, **dict.fromkeys(TRUSTING, f"/{CERTIFICATES}")}
    )
    _import(docker, RUST, ensure("docker-rust", _rust_version(), _rust), {})


def _import(docker: Docker, name: str, folder: Path, environment: dict[str, str]) -> None:
    changes = [f"--change=ENV {key}={value}" for key, value in environment.items()]
    docker.run("import", *changes, folder / "root.tar", name)


def _python(folder: Path) -> None:
    debootstrap = ensure_packages({"debootstrap": "debootstrap"})["debootstrap"]
    root = folder / "root"
    run_step("docker-base", [str(debootstrap), "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(root)])
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3.11")
    (root / "usr/local/bin/pip").symlink_to("/usr/bin/pip3")
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink(missing_ok=True)
    shutil.copy(Path("/", CERTIFICATES), root / CERTIFICATES)
    for archive in (root / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()
    _pack(folder, root)


def _rust(folder: Path) -> None:
    """Without its documents, which nothing reads here."""
    root = folder / "root"
    sysroot = Path(subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip())
    shutil.copytree(sysroot, root / "usr/local/rustup/toolchains/here", ignore=shutil.ignore_patterns("share"), symlinks=True)
    programs = root / "usr/local/cargo/bin"
    programs.mkdir(parents=True)
    for name in ("cargo", "rustc"):
        (programs / name).symlink_to(f"/usr/local/rustup/toolchains/here/bin/{name}")
    _pack(folder, root)


def _rust_version() -> str:
    return subprocess.check_output(["rustc", "--version"], text=True).split()[1]


def _pack(folder: Path, root: Path) -> None:
    run_step("docker-base", ["tar", "--numeric-owner", "-C", str(root), "-cf", str(folder / "root.tar"), "."])
    shutil.rmtree(root)
    os.sync()
