"""For every rule, ways to break it and nothing else in an environment that keeps it."""

from tests.policy.cases.backup import BACKUP
from tests.policy.cases.connect import CONNECT
from tests.policy.cases.development import DEVELOPMENT
from tests.policy.cases.disaster_recovery import DISASTER_RECOVERY
from tests.policy.cases.environment import ENVIRONMENT
from tests.policy.cases.literal_secrets import SECRETS
from tests.policy.cases.making import Case
from tests.policy.cases.network import NETWORK
from tests.policy.cases.observability import OBSERVABILITY
from tests.policy.cases.registry import REGISTRY
from tests.policy.cases.replication import REPLICATION
from tests.policy.cases.scaling import SCALING
from tests.policy.cases.security import SECURITY
from tests.policy.cases.sink import SINK
from tests.policy.cases.storage import STORAGE
from tests.policy.cases.stores import STORES
from tests.policy.cases.topics import CLIENTS, NAMES, PIPELINES, TOPICS
from tests.policy.cases.vault import VAULT
from tests.policy.cases.workloads import WORKLOADS

CASES = (
    *CONNECT,
    *ENVIRONMENT,
    *DEVELOPMENT,
    *SECRETS,
    *REPLICATION,
    *STORAGE,
    *SECURITY,
    *CLIENTS,
    *TOPICS,
    *PIPELINES,
    *NAMES,
    *DISASTER_RECOVERY,
    *REGISTRY,
    *SINK,
    *SCALING,
    *STORES,
    *VAULT,
    *BACKUP,
    *WORKLOADS,
    *OBSERVABILITY,
    *NETWORK,
)

__all__ = ["CASES", "Case"]
