"""The sink workers."""

from tests.policy.cases.making import spec

SINK = (
    spec(
        "personal-data-masked",
        "one column of two is clear",
        'pipelines[0].personalData["shop.orders"].columns.phone',
        {"pipelines[0].personalData": {"shop.orders": {"columns": {"email": "hash", "phone": "clear"}}}},
    ),
    spec("sink-replicas", "one", "sink.replicas", {"sink.replicas": 1}),
    spec("sink-postgres-encryption", "none", "sink.postgresTls", {"sink.postgresTls": "disable"}),
    spec("sink-postgres-encryption", "unchecked", "sink.postgresTls", {"sink.postgresTls": "require"}),
    spec("sink-admin-mutual-tls", "no certificates", "sink.admin.clients", {"sink.admin": {"tokens": "vault:admin#tokens"}}),
    spec(
        "sink-admin-mutual-tls",
        "tokens too",
        "sink.admin.tokens",
        {"sink.admin": {"clients": {"CN=alice": "admin"}, "tokens": "vault:admin#tokens"}},
    ),
    spec(
        "sink-schema-changes-kept",
        "a pipeline",
        "pipelines[0].schemaChanges.breaking",
        {"pipelines[0].schemaChanges": {"breaking": "log_and_skip"}},
    ),
    spec(
        "sink-schema-changes-kept",
        "one table",
        'pipelines[0].schemaChanges.tables["shop.orders"].dropped',
        {"pipelines[0].schemaChanges": {"tables": {"shop.orders": {"breaking": "queue", "dropped": "log_and_skip"}}}},
    ),
    spec("sink-lossless", "rounds", "sink.settings.onMismatch", {"sink.settings.onMismatch": "coerce"}),
    spec("sink-exists", "none", "pipelines[0].sink", {"sink": None}),
)
