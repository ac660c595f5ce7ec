"""What the figures were measured on and with. No names of hosts and no paths: results are published."""

import importlib.metadata
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.peers import tools
from tests.toolchain import versions

_PACKAGES = ("cdc-platform", "pulumi", "pulumi-kubernetes", "pydantic", "pyyaml", "yaml-rs")


def facts() -> dict[str, Any]:
    """Cores, memory, how busy the machine was, and versions of everything measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _first(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo")) or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first(r"^MemTotal:\s*(\d+) kB$", Path("/proc/meminfo")) or 0) / 2**20),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "load_before": load(),
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
            "pulumi engine": versions.PULUMI_CLI,
            "helm": versions.HELM.removeprefix("v"),
            "kustomize": versions.KUSTOMIZE.removeprefix("v"),
            "cdk8s": tools.CDK8S,
        },
    }


def load() -> float:
    """Processes that ran or waited to run, on average over the last minute."""
    return round(os.getloadavg()[0], 1)


def _first(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1].strip() if found else ""
