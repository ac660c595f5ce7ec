"""Cargo.lock without the registry's name: `Cargo.lock.in` is what is kept, `Cargo.lock` what cargo reads.

`lock.py restore` has cargo write Cargo.lock with exactly the versions and checksums of Cargo.lock.in. `lock.py strip` writes
Cargo.lock.in from Cargo.lock, after a dependency changed.
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK, KEPT = HERE / "Cargo.lock", HERE / "Cargo.lock.in"


def strip(lock: str) -> str:
    """The lock without its `source` lines, which name the registry."""
    return "".join(line for line in lock.splitlines(keepends=True) if not line.startswith('source = "registry+'))


def versions(lock: str) -> dict[str, str]:
    """Each package's version. No two versions of one package are in the lock."""
    return {package["name"]: package["version"] for package in tomllib.loads(lock)["package"]}


def restore() -> bool:
    """Whether Cargo.lock now says what Cargo.lock.in says, checksums included."""
    kept = KEPT.read_text()
    if LOCK.exists() and strip(LOCK.read_text()) == kept:
        return True
    _cargo("generate-lockfile")
    for name, version in versions(kept).items():
        found = versions(LOCK.read_text()).get(name)
        if found is not None and found != version:
            _cargo("update", name, "--precise", version)
    return strip(LOCK.read_text()) == kept


def _cargo(*arguments: str) -> None:
    subprocess.run(["cargo", *arguments, "--quiet"], cwd=HERE, check=True)


def main() -> int:
    """0, or 1 where cargo cannot be brought to the kept versions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["restore", "strip"])
    if parser.parse_args().action == "strip":
        KEPT.write_text(strip(LOCK.read_text()))
        return 0
    if restore():
        return 0
    sys.stderr.write(
        f"{LOCK.name} differs from {KEPT.name}\n  → run `cargo update`, look at the difference, then `lock.py strip`\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
