"""The layout of the rendered tree."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core import yaml_text
from components.core.context import Context
from components.core.errors import RenderError
from components.core.rendered import Manifest, Rendered
from components.loading import parse_environment
from components.platform import render
from operations.tree import kustomizations, path_of, stream, tree
from tests.harness.cdc_command import REPOSITORY, SMALL

CONTEXT = Context(environment="prod", tier="production", target="kubernetes", namespace="cdc")


def manifest(component: str, kind: str, name: str, namespace: str | None = "cdc") -> Manifest:
    metadata: dict[str, Any] = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return Manifest(component, {"apiVersion": "v1", "kind": kind, "metadata": metadata})


def small_tree() -> dict[str, str]:
    spec = parse_environment(SMALL, "prod")
    return tree(render(spec), spec.context)


def test_every_object_has_a_file_that_holds_exactly_it() -> None:
    spec = parse_environment(SMALL, "prod")
    rendered = render(spec)
    files = tree(rendered, spec.context)
    read_back = {m.id: yaml_text.load(files[path_of(m, spec.context)], "file") for m in rendered.manifests}
    assert read_back == {m.id: m.body for m in rendered.manifests}


def test_every_file_says_where_it_comes_from_and_ends_with_a_line_break() -> None:
    for path, text in small_tree().items():
        assert text.startswith("# rendered by cdc-platform from Pulumi.prod.yaml; do not edit\n"), path
        assert text.endswith("\n"), path


def test_the_same_spec_gives_the_same_files_in_the_same_order() -> None:
    assert list(small_tree().items()) == list(small_tree().items())
    assert list(small_tree()) == sorted(small_tree())


def test_each_folder_has_a_kustomization_that_lists_exactly_what_is_in_it() -> None:
    files = small_tree()
    folders = {""} | {path.rpartition("/")[0] for path in files}
    assert "kafka/topics" in folders
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        listed = yaml_text.load(files[f"{prefix}kustomization.yaml"], "kustomization")["resources"]
        inside = {path.removeprefix(prefix).partition("/")[0] for path in files if path.startswith(prefix)}
        assert listed == sorted(inside - {"kustomization.yaml"})


def test_a_folder_that_holds_only_folders_has_a_kustomization_too() -> None:
    listed = dict(kustomizations(["pipelines/orders/kafkatopic_x.yaml"]))
    assert sorted(listed) == ["kustomization.yaml", "pipelines/kustomization.yaml", "pipelines/orders/kustomization.yaml"]
    assert yaml_text.load(listed["pipelines/kustomization.yaml"], "x")["resources"] == ["orders"]


def test_topics_and_users_are_named_by_themselves_and_other_objects_by_kind_and_name() -> None:
    assert path_of(manifest("kafka/topics", "KafkaTopic", "shop-orders"), CONTEXT) == "kafka/topics/shop-orders.yaml"
    assert path_of(manifest("kafka/topics", "Secret", "shop-orders"), CONTEXT) == "kafka/topics/secret_shop-orders.yaml"
    assert path_of(manifest("foundation", "Namespace", "cdc", None), CONTEXT) == "foundation/namespace_cdc.yaml"
    assert path_of(manifest("kafka", "Role", "x", "strimzi"), CONTEXT) == "kafka/role_strimzi_x.yaml"


def test_a_topic_called_kustomization_does_not_take_the_kustomization_s_place() -> None:
    path = path_of(manifest("kafka/topics", "KafkaTopic", "kustomization"), CONTEXT)
    assert path == "kafka/topics/kafkatopic_kustomization.yaml"


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True) | st.just("kustomization")
OBJECTS = st.builds(
    manifest,
    st.sampled_from(["kafka", "kafka/topics", "kafka/users", "pipelines/a"]),
    st.sampled_from(["KafkaTopic", "KafkaUser", "Role", "RoleBinding"]),
    NAMES,
    st.sampled_from(["cdc", "other", "a", None]),
)


@given(st.lists(OBJECTS, max_size=30))
def test_two_objects_never_share_a_file(objects: list[Manifest]) -> None:
    distinct = {(m.component, m.id): m for m in objects if not (m.namespace is None and m.kind.startswith("Kafka"))}
    at_home = {(m.component, m.kind, m.namespace or "cdc", m.name): m for m in distinct.values()}
    paths = [path_of(m, CONTEXT) for m in at_home.values()]
    folders = {path.rpartition("/")[0] for path in paths}
    assert len({*paths, *(f"{folder}/kustomization.yaml" for folder in folders)}) == len(paths) + len(folders)


def test_two_parts_that_render_the_same_file_are_an_error_and_not_a_lost_object() -> None:
    twice = Rendered(manifests=(manifest("kafka", "Role", "x"), manifest("kafka", "Role", "x")))
    with pytest.raises(RenderError, match=r"kafka/role_x\.yaml"):
        tree(twice, CONTEXT)


def test_on_docker_the_tree_is_the_compose_file_and_what_it_binds() -> None:
    text = (REPOSITORY / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    spec = parse_environment(text, "dev")
    files = tree(render(spec), spec.context)
    services = yaml_text.load(files["compose.yaml"], "compose.yaml")["services"]
    bound = {
        Path(volume["source"]).as_posix()
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind" and volume["source"].startswith("./")
    }
    assert bound
    assert bound <= files.keys()
    assert not any(path.endswith("kustomization.yaml") for path in files)


def test_the_stream_holds_the_same_objects_as_the_tree() -> None:
    spec = parse_environment(SMALL, "prod")
    rendered = render(spec)
    documents = "".join(stream(rendered, spec.context)).split("---\n")[1:]
    assert [yaml_text.load(document, "stream") for document in documents] == [m.body for m in rendered.manifests]
