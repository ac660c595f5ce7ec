"""The sink workers."""

from tests.policy.cases.making import spec

SINK = (
    spec("sink-replicas", "one", "sink.replicas", {"sink.replicas": 1}),
    spec("sink-postgres-encryption", "none", "sink.postgresTls", {"sink.postgresTls": "disable"}),
    spec("sink-postgres-encryption", "unchecked", "sink.postgresTls", {"sink.postgresTls": "require"}),
    spec("sink-lossless", "rounds", "sink.settings.onMismatch", {"sink.settings.onMismatch": "coerce"}),
    spec("sink-exists", "none", "pipelines[0].sink", {"sink": None}),
)
