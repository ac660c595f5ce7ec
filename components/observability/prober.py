"""The prober: Prometheus' blackbox exporter, which opens TLS connections and says when certificates end. Pure."""

from components.core import yaml_text

CONFIGURATION = "/etc/cdc/prober.yml"
MODULE = "certificate"
PROGRAM = "blackbox_exporter"
USER = 65534
"""``nobody`` of its image."""


def configuration() -> str:
    """It trusts anybody: whether a certificate is to be trusted is what clients say, and an expired one must still be read."""
    tcp = {"tls": True, "tls_config": {"insecure_skip_verify": True}, "preferred_ip_protocol": "ip4"}
    return yaml_text.dump({"modules": {MODULE: {"prober": "tcp", "timeout": "5s", "tcp": tcp}}})


def command(host: str, port: int) -> tuple[str, ...]:
    """``host`` is what it listens on; empty for every address."""
    return (PROGRAM, f"--config.file={CONFIGURATION}", f"--web.listen-address={host}:{port}")
