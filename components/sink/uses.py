"""Which secrets the sink workers and the programs beside them read. Pure."""

from collections.abc import Iterator

from components.core.secrets import Use
from components.environment import EnvironmentSpec
from components.sink.companions import companions
from components.sink.derive import pipelines, worker_name
from components.sink.settings import secrets
from components.sink.spec import SinkWorkersSpec


def secret_uses(environment: EnvironmentSpec, sink: SinkWorkersSpec) -> Iterator[Use]:
    """For each pipeline its workers, and its companions."""
    for _, pipeline in pipelines(environment):
        name = worker_name(pipeline)
        containers = tuple(f"{name}-{number}" for number in range(sink.replicas))
        yield Use(name, secrets(environment, sink, pipeline), containers)
        for beside in companions(environment, sink, pipeline):
            yield Use(beside.name, beside.secrets, (beside.name,), (beside.name,))
