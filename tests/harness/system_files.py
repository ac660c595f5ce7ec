"""What an image has of its distribution, lent by this machine."""

from pathlib import Path

from tests.harness.namespace import bind

FOLDERS = ("bin", "lib", "lib64", "sbin")


def system_files(root: Path) -> None:
    """Programs and libraries under ``root``, read-only, ``/proc`` and ``/dev``, and an empty ``/etc``."""
    bind(Path("/usr"), root / "usr", read_only=True)
    for name in FOLDERS:
        system = Path("/", name)
        if system.is_symlink():
            (root / name).symlink_to(system.readlink())
        elif system.is_dir():
            bind(system, root / name, read_only=True)
    bind(Path("/proc"), root / "proc")
    bind(Path("/dev"), root / "dev")
    (root / "etc").mkdir(exist_ok=True)


def java_settings(root: Path) -> None:
    """Where Debian's Java keeps what its own folder only links to."""
    for settings in Path("/etc").glob("java-*"):
        bind(settings, root / "etc" / settings.name, read_only=True)
