"""Every alert that an environment has. Pure."""

from components.connect.names import COMPONENT as CONNECT
from components.environment import EnvironmentSpec
from components.kafka.render_docker import COMPONENT as KAFKA
from components.observability import alerts_of_pipelines as pipelines
from components.observability import alerts_of_platform as platform
from components.observability.alert import Alert
from components.observability.alerts_of_stores import stores
from components.observability.scraping import MIRROR_MAKER, jobs, tls_ports
from components.schema_registry import derive as registry
from components.tracing.names import COLLECTOR


def alerts(spec: EnvironmentSpec) -> tuple[Alert, ...]:
    """Those that can ever fire in ``spec``: of what is deployed and has metrics."""
    scraped = {job.name for job in jobs(spec)}
    found = [*pipelines.lag(spec), *platform.topics(spec), *platform.targets(spec)]
    if KAFKA in scraped:
        found += platform.nodes()
    if spec.sink is not None and spec.pipelines and not spec.stands_by:
        found += [*pipelines.sinks(), *pipelines.stores()]
    if CONNECT in scraped:
        found += platform.connectors()
    if spec.haproxy is not None or registry.NAME in scraped:
        found += platform.services(spec)
    if MIRROR_MAKER in scraped:
        found += platform.replication(spec)
    if tls_ports(spec):
        found += platform.certificates(spec)
    if spec.backup is not None and spec.target == "kubernetes":
        found += platform.backups(spec)
    found += stores(spec)
    if COLLECTOR in scraped:
        found += platform.spans()
    return tuple(found)
