"""Prometheus, Grafana and the exporters as containers on one machine. Pure."""

import shlex
from typing import Any

from components.core import versions, yaml_text
from components.core.quantities import format_duration
from components.core.rendered import HealthCheck, Mount, Rendered, Workload
from components.core.secrets import mounted, referenced
from components.environment import EnvironmentSpec
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client, password_file
from components.kafka.logins import MECHANISM, PASSWORD
from components.kafka.nodes import nodes
from components.observability import prober, rules
from components.observability.dashboards import DASHBOARDS
from components.observability.derive import USER as EXPORTER_USER
from components.observability.names import (
    CERTIFICATES,
    COMPONENT,
    EXPORTER,
    GRAFANA,
    GRAFANA_PORT,
    PROBER,
    PROBER_PORT,
    PROMETHEUS,
)
from components.observability.render_companions import workloads as companions
from components.observability.scraping import EXPORTER_PORT, PROMETHEUS_PORT, WITHOUT_SCHEME, Job, jobs, tls_ports
from components.observability.spec import ObservabilitySpec

FOLDER = "/etc/cdc"
CONFIGURATION = f"{FOLDER}/prometheus.yml"
RULES_ENDING = ".rules.yml"
SAMPLES, GRAFANA_DATA = "/prometheus", "/var/lib/grafana"
"""Where their images keep data, in folders of the images' users."""
NOBODY, GRAFANA_USER = "65534:65534", "472:0"
EXPORTER_SECRETS, GRAFANA_SECRETS = "/run/secrets/kafka-exporter", "/run/secrets/grafana"
ARGUMENTS = "/tmp/arguments"  # noqa: S108 - the container's own
GRAFANA_PASSWORD = "admin.password"  # noqa: S105 - a file's name
_PROVISIONING = "/etc/grafana/provisioning"
_TEMPORARY = "/tmp:mode=1777,size=16m"  # noqa: S108 - the container's own


def render(spec: EnvironmentSpec, observed: ObservabilitySpec) -> Rendered:
    """A container each, and volumes for samples and for Grafana's own state."""
    workloads = [_prometheus(spec, observed), _exporter(spec, observed)]
    if observed.grafana.enabled:
        workloads.append(_grafana(observed))
    if tls_ports(spec):
        workloads.append(_prober(observed))
    workloads += companions(spec)
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    volumes = tuple(sorted({mount.volume for workload in workloads for mount in workload.mounts if mount.volume}))
    return Rendered(workloads=tuple(workloads), volumes=volumes, files=files)


def _prometheus(spec: EnvironmentSpec, observed: ObservabilitySpec) -> Workload:
    own = observed.prometheus
    files = {CONFIGURATION: prometheus_yml(spec, observed)}
    files |= {f"{FOLDER}/{name}{RULES_ENDING}": rules.text(groups) for name, groups in rules.documents(spec).items()}
    return Workload(
        component=COMPONENT,
        name=PROMETHEUS,
        image=own.image or versions.PROMETHEUS_IMAGE,
        command=(
            "prometheus",
            f"--config.file={CONFIGURATION}",
            f"--storage.tsdb.path={SAMPLES}",
            f"--storage.tsdb.retention.time={format_duration(own.retention)}",
            f"--storage.tsdb.retention.size={own.retention_size}B",
            f"--web.listen-address={PROMETHEUS}:{PROMETHEUS_PORT}",
        ),
        files=files,
        mounts=(Mount(SAMPLES, volume=f"{PROMETHEUS}-data"),),
        ports=((PROMETHEUS_PORT, PROMETHEUS_PORT),) if own.publish else (),
        tmpfs=(_TEMPORARY,),
        user=NOBODY,
        memory_bytes=own.resources.memory,
        cpu_millicores=own.resources.cpu_limit_millicores,
        health=_answers(PROMETHEUS, PROMETHEUS_PORT, "/-/healthy"),
        stateful=True,
    )


def _answers(host: str, port: int, path: str) -> HealthCheck:
    return HealthCheck(("wget", "-q", "-O", "/dev/null", f"http://{host}:{port}{path}"))


def prometheus_yml(spec: EnvironmentSpec, observed: ObservabilitySpec) -> str:
    """What is read and how often, where the rules are, and who is told."""
    interval = format_duration(observed.scrape_interval)
    timeout = format_duration(min(observed.scrape_interval, 10_000))
    document: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": timeout,
            "evaluation_interval": interval,
            "external_labels": {"environment": spec.name},
        },
        "rule_files": [f"{FOLDER}/*{RULES_ENDING}"],
        "scrape_configs": [_scrape(job) for job in jobs(spec)],
    }
    if observed.prometheus.alertmanager is not None:
        document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [observed.prometheus.alertmanager]}]}]}
    ports = tls_ports(spec)
    if ports:
        document["scrape_configs"].append(_probes(tuple(ports)))
    return yaml_text.dump(document)


def _scrape(job: Job) -> dict[str, Any]:
    if job.asked:
        [(host, _)] = job.hosts
        return _asked(job.name, job.path, job.asked, f"{host}:{job.port}")
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for host, labels in job.hosts:
        groups.setdefault(tuple(labels.items()), []).append(f"{host}:{job.port}")
    static = [{"targets": targets, **({"labels": dict(labels)} if labels else {})} for labels, targets in groups.items()]
    return {"job_name": job.name, "metrics_path": job.path, "static_configs": static}


def _probes(ports: tuple[str, ...]) -> dict[str, Any]:
    """Each port is asked by the prober; what is said of it is about the port."""
    asked = _asked(CERTIFICATES, "/probe", ports, f"{PROBER}:{PROBER_PORT}")
    return {**asked, "params": {"module": [prober.MODULE]}}


def _asked(name: str, path: str, targets: tuple[str, ...], program: str) -> dict[str, Any]:
    """One ``program`` is asked about each target; the metrics' instance is the target, without what it is spoken to in."""
    return {
        "job_name": name,
        "metrics_path": path,
        "static_configs": [{"targets": list(targets)}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "regex": WITHOUT_SCHEME, "target_label": "instance"},
            {"target_label": "__address__", "replacement": program},
        ],
    }


def _exporter(spec: EnvironmentSpec, observed: ObservabilitySpec) -> Workload:
    client = kafka_client(spec.kafka, spec.context, EXPORTER_USER)
    return Workload(
        component=COMPONENT,
        name=EXPORTER,
        image=observed.kafka_exporter.image or versions.KAFKA_EXPORTER_IMAGE,
        command=("sh", "-c", exporter_script(spec)),
        mounts=(mounted(EXPORTER, EXPORTER_SECRETS),) if client.secrets else (),
        tmpfs=(_TEMPORARY,),
        user=NOBODY,
        memory_bytes=observed.kafka_exporter.resources.memory,
        cpu_millicores=observed.kafka_exporter.resources.cpu_limit_millicores,
        health=_answers(EXPORTER, EXPORTER_PORT, "/healthz"),
        depends_on=tuple(node.name for node in nodes(spec.kafka) if node.is_broker),
    )


def exporter_script(spec: EnvironmentSpec) -> str:
    """Becomes the exporter. It takes a password as an argument only, and arguments from a file (kingpin's ``@``): the file is
    put together in memory, where nobody else reads it, and the password stands in no list of processes."""
    client = kafka_client(spec.kafka, spec.context, EXPORTER_USER)
    arguments = [f"--kafka.server={server}" for server in client.bootstrap.split(",")]
    arguments += [f"--kafka.version={spec.kafka.version}", f"--web.listen-address={EXPORTER}:{EXPORTER_PORT}"]
    if client.tls:
        arguments += ["--tls.enabled", f"--tls.ca-file={EXPORTER_SECRETS}/{CLUSTER_CA}"]
    lines = ["set -eu", "umask 077"]
    if client.with_password:
        arguments += ["--sasl.enabled", f"--sasl.username={client.user}"]
        given = '"--sasl.mechanism=${mechanism}" "--sasl.password=${password}"'
        written = f"printf '%s\\n' {shlex.join(arguments)} {given}"
        lines += [_login(client), f"{written} > {ARGUMENTS}", f"exec kafka_exporter @{ARGUMENTS}"]
    else:
        lines.append(f"exec kafka_exporter {shlex.join(arguments)}")
    return "\n".join(lines)


def _login(client: KafkaClient) -> str:
    """Sets ``mechanism``, as the exporter calls it, and ``password``: of a login both in one reading, so that they belong
    together."""
    if client.login is None:
        return f'mechanism=scram-sha512 password=$(cat "{EXPORTER_SECRETS}/{password_file(client.user)}")'
    cases = f"{MECHANISM}) mechanism=scram-sha${{value##*-}} ;; {PASSWORD}) password=${{value}} ;;"
    return f'while IFS="=" read -r key value; do case $key in {cases} esac; done < "{EXPORTER_SECRETS}/{client.login}"'


def _prober(observed: ObservabilitySpec) -> Workload:
    return Workload(
        component=COMPONENT,
        name=PROBER,
        image=observed.prober.image or versions.PROBER_IMAGE,
        command=prober.command(PROBER, PROBER_PORT),
        files={prober.CONFIGURATION: prober.configuration()},
        user=NOBODY,
        memory_bytes=observed.prober.resources.memory,
        cpu_millicores=observed.prober.resources.cpu_limit_millicores,
        health=_answers(PROBER, PROBER_PORT, "/-/healthy"),
    )


def _grafana(observed: ObservabilitySpec) -> Workload:
    own = observed.grafana
    dashboards = {f"{FOLDER}/dashboards/{dashboard.uid}.json": dashboard.json() for dashboard in DASHBOARDS}
    files = {
        f"{_PROVISIONING}/datasources/datasources.yaml": _datasources(),
        f"{_PROVISIONING}/dashboards/dashboards.yaml": _folders(),
        **dashboards,
    }
    return Workload(
        component=COMPONENT,
        name=GRAFANA,
        image=own.image or versions.GRAFANA_IMAGE,
        command=("/run.sh",),
        environment=_grafana_settings(own.password is not None),
        files=files,
        mounts=(
            Mount(GRAFANA_DATA, volume=f"{GRAFANA}-data"),
            *([] if own.password is None else [_grafana_secrets(own.password)]),
        ),
        ports=((GRAFANA_PORT, GRAFANA_PORT),) if own.publish else (),
        tmpfs=(_TEMPORARY, "/var/log/grafana:mode=1777,size=16m"),
        user=GRAFANA_USER,
        memory_bytes=own.resources.memory,
        cpu_millicores=own.resources.cpu_limit_millicores,
        health=_answers(GRAFANA, GRAFANA_PORT, "/api/health"),
        depends_on=(PROMETHEUS,),
        stateful=True,
    )


def _grafana_secrets(password: str) -> Mount:
    file = referenced(password, GRAFANA_PASSWORD, GRAFANA)
    assert file.name == GRAFANA_PASSWORD
    return mounted(GRAFANA, GRAFANA_SECRETS)


def _grafana_settings(with_password: bool) -> dict[str, str]:
    """Nothing is sent anywhere; without a password everybody looks and nobody changes anything."""
    settings = {
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_SERVER_HTTP_ADDR": GRAFANA,
        "GF_USERS_ALLOW_SIGN_UP": "false",
    }
    if with_password:
        return settings | {"GF_SECURITY_ADMIN_PASSWORD__FILE": f"{GRAFANA_SECRETS}/{GRAFANA_PASSWORD}"}
    open_to_all = {"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer"}
    return settings | open_to_all | {"GF_AUTH_DISABLE_LOGIN_FORM": "true", "GF_AUTH_BASIC_ENABLED": "false"}


def _datasources() -> str:
    source = {
        "name": "Prometheus",
        "type": "prometheus",
        "uid": PROMETHEUS,
        "access": "proxy",
        "url": f"http://{PROMETHEUS}:{PROMETHEUS_PORT}",
        "isDefault": True,
    }
    return yaml_text.dump({"apiVersion": 1, "datasources": [source]})


def _folders() -> str:
    provider = {
        "name": "cdc",
        "folder": "CDC",
        "type": "file",
        "disableDeletion": True,
        "options": {"path": f"{FOLDER}/dashboards"},
    }
    return yaml_text.dump({"apiVersion": 1, "providers": [provider]})
