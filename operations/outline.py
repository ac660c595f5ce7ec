"""What a stack declares, as a reviewer reads it: objects by component, with the facts that matter. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from components.core.rendered import Manifest, Rendered, Workload
from components.kafka.state import KafkaState, Topic, User
from operations.facts import manifest_facts, shown_name, topic_facts, user_facts, workload_facts


@dataclass(frozen=True, slots=True)
class Item:
    """One object: Kubernetes object, container, volume, network or file."""

    component: str
    kind: str
    name: str
    facts: tuple[str, ...] = ()
    stateful: bool = False
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """Everything, in the order of its components; ``counts`` by kind, the most frequent first."""

    items: tuple[Item, ...]
    counts: Mapping[str, int]

    @property
    def stateful(self) -> int:
        return sum(item.stateful for item in self.items)

    def components(self) -> dict[str, list[Item]]:
        """Items by component, both in order."""
        found: dict[str, list[Item]] = {}
        for item in self.items:
            found.setdefault(item.component, []).append(item)
        return found


def outline(rendered: Rendered, state: KafkaState) -> Outline:
    """The outline of what was rendered. ``state`` tells the topics and users, where no object stands for each of them."""
    items = [*map(_manifest, rendered.manifests), *map(_workload, rendered.workloads)]
    items += [Item(_component_of_volume(rendered, name), "Volume", name, stateful=True) for name in rendered.volumes]
    if rendered.network is not None:
        items.append(Item("foundation", "Network", rendered.network))
    bound = {workload.tree_path(target) for workload in rendered.workloads for target in workload.files}
    if not rendered.manifests:
        items += [*map(_topic, state.topics), *map(_user, state.users)]
    items += [Item(path.rpartition("/")[0], "File", path.rpartition("/")[2]) for path in rendered.files if path not in bound]
    items.sort(key=lambda item: (item.component, item.kind, item.namespace or "", item.name))
    return Outline(tuple(items), dict(Counter(item.kind for item in items).most_common()))


def _manifest(manifest: Manifest) -> Item:
    return Item(
        manifest.component,
        manifest.kind,
        shown_name(manifest),
        tuple(manifest_facts(manifest)),
        manifest.stateful,
        manifest.namespace,
    )


def _topic(topic: Topic) -> Item:
    facts = tuple(filter(None, topic_facts(topic.partitions, topic.replicas, topic.config)))
    return Item("kafka/topics", "Topic", topic.name, facts, stateful=True)


def _user(user: User) -> Item:
    facts = user_facts(user.authentication, len(user.acls), user.quota.produce, user.quota.consume)
    return Item("kafka/users", "User", user.name, tuple(filter(None, facts)))


def _workload(workload: Workload) -> Item:
    return Item(workload.component, "Container", workload.name, tuple(workload_facts(workload)), workload.stateful)


def _component_of_volume(rendered: Rendered, name: str) -> str:
    owners = (w.component for w in rendered.workloads for mount in w.mounts if mount.volume == name)
    return next(owners, "foundation")
