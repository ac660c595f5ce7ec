"""One exposition out of several processes': counters and histograms add up, of gauges the largest counts."""

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

_Labels = tuple[tuple[str, str], ...]
_ADDED_GAUGES = frozenset({"cdc_partitions_assigned", "cdc_partitions_halted", "process_resident_memory_bytes"})


def add_up(texts: Iterable[str]) -> bytes:
    """Prometheus' text format in, and out."""
    families: dict[str, Metric] = {}
    samples: dict[str, dict[tuple[str, _Labels], float]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            families.setdefault(family.name, family)
            merged = samples.setdefault(family.name, {})
            largest = family.type == "gauge" and family.name not in _ADDED_GAUGES
            for sample in family.samples:
                if sample.name.endswith("_created"):
                    continue
                key = (sample.name, tuple(sorted(sample.labels.items())))
                before = merged.get(key)
                merged[key] = (
                    sample.value if before is None else max(before, sample.value) if largest else before + sample.value
                )
    return "".join(_rendered(families[name], samples[name]) for name in families).encode()


def _rendered(family: Metric, samples: dict[tuple[str, _Labels], float]) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    lines = [f"# HELP {name} {_escaped(family.documentation)}", f"# TYPE {name} {family.type}"]
    for (sample, labels), value in samples.items():
        inside = ",".join(f'{label}="{_escaped(text, quotes=True)}"' for label, text in labels)
        lines.append(f"{sample}{{{inside}}} {value!r}" if inside else f"{sample} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str, *, quotes: bool = False) -> str:
    escaped = text.replace("\\", r"\\").replace("\n", r"\n")
    return escaped.replace('"', r"\"") if quotes else escaped
