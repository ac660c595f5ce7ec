"""What is for one's own machine."""

from tests.policy.cases.making import spec

_READ = {"host": "mariadb", "password": "vault:cdc-pipeline/docker/shop#password", "tables": ["shop.orders"]}
_PIPELINE = {
    "name": "orders",
    "tenant": "shop",
    "source": {"mariadb": _READ},
    "sink": {"postgres": {"database": "warehouse", "host": "db", "password": "vault:cdc-pipeline/docker/db#password"}},
}

DEVELOPMENT = (
    spec(
        "development-databases",
        "declared in staging",
        "development",
        {"development": {"mariadb": {}, "apply": False}, "pipelines": [_PIPELINE]},
        base="docker",
    ),
    spec(
        "development-images",
        "built in staging",
        "sink.build",
        {"sink": {"build": "sink_worker"}, "pipelines": [_PIPELINE]},
        "Container/sink-orders-0",
        base="docker",
    ),
)
