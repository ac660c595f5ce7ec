"""Where an environment goes, and how."""

from collections.abc import Iterator

from policies.model import ADVICE, EVERYWHERE, PRODUCTION, Rule, Subject, Violation, levels
from policies.rules.places import origin

MOST_OBJECTS_IN_STACK = 1_000


def _context(subject: Subject) -> Iterator[Violation]:
    if subject.spec.target == "kubernetes" and subject.spec.kubernetes.context is None:
        yield Violation("kubernetes.context", "the environment goes to whichever cluster is current")


def _one_machine(subject: Subject) -> Iterator[Violation]:
    if subject.spec.target == "docker":
        yield Violation("target", "every broker and every replica is on one machine")


def _size(subject: Subject) -> Iterator[Violation]:
    spec = subject.spec
    if spec.target != "kubernetes" or spec.kubernetes.topics_and_users != "pulumi":
        return
    objects = len(subject.state.topics) + len(subject.state.users)
    if objects > MOST_OBJECTS_IN_STACK:
        yield Violation("kubernetes.topicsAndUsers", f"the stack registers {objects:,} topics and users one by one")


def _rendered_state(subject: Subject) -> Iterator[Violation]:
    """Rules judge topics and users as derived; this one holds what is applied to that."""
    if subject.spec.target != "kubernetes":
        return
    topics = {topic.resource_name: topic for topic in subject.state.topics}
    for manifest in subject.of_kind("KafkaTopic"):
        topic, spec = topics.pop(manifest.name, None), manifest.body["spec"]
        if topic is None or (topic.partitions, topic.replicas, topic.config) != (
            spec.get("partitions"),
            spec.get("replicas"),
            spec.get("config"),
        ):
            yield Violation(origin(subject, manifest), "differs from the topic that the spec asks for", manifest.id)
    for topic in topics.values():
        yield Violation(topic.origin, f"topic {topic.name} is not rendered", subject.topic_resource(topic))
    rendered = {manifest.name: manifest.body["spec"] for manifest in subject.of_kind("KafkaUser")}
    authorized = subject.spec.kafka.authorization.type == "simple"
    for user in subject.state.users:
        spec = rendered.pop(user.name, None)
        rights = len((spec or {}).get("authorization", {}).get("acls", ()))
        if (
            spec is None
            or spec["authentication"]["type"] != user.authentication
            or rights != (len(user.acls) if authorized else 0)
        ):
            yield Violation(user.origin, f"user {user.name} is not rendered as the spec asks", subject.user_resource(user))
    for name in rendered:
        yield Violation("kafka.users", f"user {name} is rendered and nobody asked for it")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "environment-context",
        "The environment names the cluster it goes to",
        "Without a context pulumi up reaches the cluster that happens to be current, which was another one yesterday.",
        "Set kubernetes.context to the kubeconfig context of this environment.",
        "Pulumi documentation, Kubernetes provider, context",
        PRODUCTION,
        _context,
    ),
    Rule(
        "environment-one-machine",
        "Production is not one machine",
        "Three replicas on one disk are one replica; with the machine everything goes.",
        "Set target to kubernetes; docker is for development and trials.",
        "Requirement A2: a broker lost, no acknowledged write lost",
        levels("mandatory", "disabled", "disabled"),
        _one_machine,
    ),
    Rule(
        "environment-stack-size",
        f"A stack registers at most {MOST_OBJECTS_IN_STACK:,} topics and users",
        "Pulumi needs about 9 ms for each at every preview, whether it changed or not.",
        "Set kubernetes.topicsAndUsers to gitops: Argo CD or Flux applies them from the rendered tree.",
        "Measured: 9 to 11 s for a preview of 1,000 custom resources",
        ADVICE,
        _size,
    ),
    Rule(
        "environment-rendered-state",
        "Topics and users are rendered as the spec asks",
        "Rules judge what the spec asks for; what is applied must be that and nothing else.",
        "This is a fault of the platform, not of the spec: report it with the object's name.",
        "Design decision 3: the same pure function feeds the resources, the rendered tree and the rules",
        EVERYWHERE,
        _rendered_state,
    ),
)
