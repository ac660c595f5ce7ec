"""Prometheus, its tool for rules, and its exporter that opens connections; the operator's resource definitions."""

import shutil
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.debian import ensure_packages
from tests.toolchain.kubernetes import go_json

OPERATOR = "github.com/prometheus-operator/prometheus-operator"
INSIDE = "example/prometheus-operator-crd"
KINDS = ("podmonitors", "probes", "prometheusrules")


def prometheus_program() -> Path:
    """The program ``prometheus``."""
    return ensure_packages({"prometheus": "prometheus"})["prometheus"]


def promtool() -> Path:
    """The program ``promtool``."""
    return ensure_packages({"promtool": "prometheus"})["promtool"]


def prober_program() -> Path:
    """The blackbox exporter."""
    return ensure_packages({"prometheus-blackbox-exporter": "prometheus-blackbox-exporter"})["prometheus-blackbox-exporter"]


def prometheus_programs() -> tuple[Path, ...]:
    """All three."""
    return prometheus_program(), promtool(), prober_program()


def monitoring_definitions() -> list[Path]:
    """The definitions of PodMonitor, Probe and PrometheusRule, as the operator's makers publish them."""
    return sorted(ensure("prometheus-operator-crds", versions.PROMETHEUS_OPERATOR, _copy_definitions).iterdir())


def _copy_definitions(folder: Path) -> None:
    made = go_json("prometheus-operator-crds", "mod", "download", "-json", f"{OPERATOR}@{versions.PROMETHEUS_OPERATOR}")
    for kind in KINDS:
        name = f"monitoring.coreos.com_{kind}.yaml"
        shutil.copyfile(Path(made["Dir"]) / INSIDE / name, folder / name)
