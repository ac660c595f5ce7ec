"""A standby does nothing that its source does, and lacks nothing that it will need (requirement A5)."""

from collections.abc import Iterator

from components.cassandra_agent.render import COMPONENT as AGENT
from components.schema_registry import apicurio, confluent
from components.schema_registry.derive import is_read_only
from components.sink.render import COMPONENT as SINK
from policies.model import EVERYWHERE, SHARED, Rule, Subject, Violation, properties

_SETTINGS = {
    confluent.PROPERTIES: ("leader.eligibility", "false"),
    apicurio.PROPERTIES: ("apicurio.storage.read-only.enabled", "true"),
}
"""By a registry's file: the setting, and its value where nothing new is taken."""


def _rests(subject: Subject) -> Iterator[Violation]:
    if not subject.spec.stands_by:
        return
    for manifest in subject.of_kind("KafkaConnector"):
        if manifest.body["spec"].get("state") != "stopped":
            yield Violation("mirrorMaker", "is not stopped", manifest.id)
    for manifest in subject.of_kind("Deployment", "HorizontalPodAutoscaler", "ScaledObject"):
        if manifest.component == SINK and manifest.body["spec"].get("replicas", 1) != 0:
            yield Violation("mirrorMaker", "would write the target", manifest.id)
    for workload in subject.rendered.workloads:
        if workload.component in {SINK, AGENT}:
            yield Violation("mirrorMaker", "runs", workload.id)


def _registry_files(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Resource, name and text of each of the registries' files."""
    for manifest in subject.of_kind("ConfigMap"):
        for name, body in manifest.body["data"].items():
            yield manifest.id, name, body
    for workload in subject.rendered.workloads:
        for path, body in workload.files.items():
            yield workload.id, path.rpartition("/")[2], body


def _read_only(subject: Subject) -> Iterator[Violation]:
    if not is_read_only(subject.spec):
        return
    for resource, name, body in _registry_files(subject):
        if name in _SETTINGS:
            key, wanted = _SETTINGS[name]
            value = properties(body).get(key)
            if value != wanted:
                yield Violation("mirrorMaker.registry", f"{key} is {value}", resource)


def _pipelines(subject: Subject) -> Iterator[Violation]:
    """Said of the source, whose pipelines they are."""
    recovery = subject.spec.disaster_recovery
    standby = None if recovery is None else subject.others.get(recovery.standby)
    if standby is None or standby.mirror_maker is None or standby.mirror_maker.source.environment != subject.spec.name:
        return
    there = {pipeline.name: pipeline for pipeline in standby.pipelines}
    for index, pipeline in enumerate(subject.spec.pipelines):
        other = there.get(pipeline.name)
        own = pipeline.source.chosen
        if other is None:
            yield Violation(f"pipelines[{index}]", f"{standby.name} has no pipeline {pipeline.name}")
        elif own is not None and other.source.chosen is not None:
            (kind, source), (its_kind, its_source) = own, other.source.chosen
            if (kind, sorted(source.tables)) != (its_kind, sorted(its_source.tables)):
                yield Violation(f"pipelines[{index}].source.{kind}.tables", f"{standby.name} captures others there")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "standby-rests",
        "Until a standby has taken over, none of its pipelines runs",
        "A second connector writes changes into topics that MirrorMaker fills, and a second sink writes its target twice.",
        "Leave connectors, sink workers and agents to the platform, and set mirrorMaker.failedOver when it takes over.",
        "Requirement A5; Strimzi documentation, KafkaConnector spec.state",
        EVERYWHERE,
        _rests,
    ),
    Rule(
        "standby-registry-read-only",
        "Until a standby has taken over, its registry takes no schema",
        "An id that it gave would be that of another schema in the source, and records with it would be read wrongly.",
        "Leave the registry's configuration to the platform.",
        "Requirement A5; Confluent documentation, leader.eligibility; Apicurio, apicurio.storage.read-only.enabled",
        EVERYWHERE,
        _read_only,
    ),
    Rule(
        "standby-pipelines",
        "The standby declares every pipeline, with the same tables",
        "What is first written after the loss of a site is written in a hurry; a connector with other tables reads others.",
        "Declare the pipeline in the standby as it is here, with the hosts of that site.",
        "Requirement A5: RTO < 5 min",
        SHARED,
        _pipelines,
    ),
)
