# ruff: noqa: N802 - the service's methods are named by its protocol
"""A test double: stands in for ``pulumi-resource-kubernetes`` and ``pulumi-resource-docker``, which no registry serves.

It reaches no cluster and no Docker engine: a resource exists because the engine's state says so. What a program's author sees
in a preview holds as with the real providers: names that are made up when none is given, which changes update a resource in
place and which replace it, that a resource with a fixed name is deleted before its replacement, and that secrets stay secret.
It does not judge what a resource says: a real API server or Docker engine does that in other tests.
"""

import hashlib
import json
import sys
import uuid
from collections.abc import Mapping

import grpc  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.doubles.plugin_server import serve
from tests.doubles.property_diff import Change, differences, written
from tests.doubles.replacement_rules import CONTAINER, NETWORK, REMOTE_IMAGE, VOLUME, Rule, docker_rule, kubernetes_rule

KUBERNETES = "kubernetes"
AUTONAMED_ANNOTATION = "pulumi.com/autonamed"
DEFAULTED = "__defaults"
DOCKER_NAMED_TYPES = frozenset((CONTAINER, NETWORK, VOLUME))
NAMES = frozenset((("name",), ("metadata", "name"), ("metadata", "namespace")))


class ResourceProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers for every resource of one package."""

    def __init__(self, package: str, version: str) -> None:
        self._package = package
        self._version = version
        self._configuration: Mapping[str, object] = {}

    async def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Secrets arrive marked as secrets, and are sent back so."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    async def GetPluginInfo(self, request: Empty, context: grpc.aio.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version that the double claims."""
        return plugin_pb2.PluginInfo(version=self._version)

    async def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        """A schema without resources: Python programs bring their own types."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self._package, "version": self._version}))

    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Every provider configuration is taken as it is."""
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """A changed provider configuration updates the provider and replaces nothing."""
        return diff_response(list(differences(request.old_inputs, request.news)), forces=lambda path: False)

    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Remember the options, of which some decide what is replaced."""
        self._configuration = MessageToDict(request.args)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        """Every function returns nothing."""
        return provider_pb2.InvokeResponse()

    async def Check(self, request: provider_pb2.CheckRequest, context: grpc.aio.ServicerContext) -> provider_pb2.CheckResponse:
        """The inputs, with a name where none was given."""
        inputs = request.news
        if self._package == KUBERNETES:
            name_kubernetes_object(inputs, request)
        elif request.type in DOCKER_NAMED_TYPES:
            name_docker_object(inputs, request)
        return provider_pb2.CheckResponse(inputs=inputs)

    async def Diff(self, request: provider_pb2.DiffRequest, context: grpc.aio.ServicerContext) -> provider_pb2.DiffResponse:
        """What changed, and what of it needs a replacement; under the same fixed name the old one has to go first."""
        changes = list(differences(request.old_inputs, request.news))
        response = diff_response(changes, self._rule(request))
        renamed = any(change.path in NAMES for change in changes)
        response.deleteBeforeReplace = bool(response.replaces) and not renamed and not is_autonamed(request.news)
        return response

    def _rule(self, request: provider_pb2.DiffRequest) -> Rule:
        if self._package == KUBERNETES:
            return kubernetes_rule(request.news, self._configuration)
        return docker_rule(request.type)

    async def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """The inputs as the resource's state, and, but in a preview, an id; an image's own id, which containers name, too."""
        identifier = "" if request.preview else self._identifier(request)
        properties = Struct()
        properties.CopyFrom(request.properties)
        if request.type == REMOTE_IMAGE and not request.preview:
            properties["imageId"] = f"sha256:{hashlib.sha256(properties['name'].encode()).hexdigest()}"
        return provider_pb2.CreateResponse(id=identifier, properties=properties)

    def _identifier(self, request: provider_pb2.CreateRequest) -> str:
        if self._package == KUBERNETES:
            metadata = request.properties.fields["metadata"].struct_value.fields
            return "/".join(metadata[part].string_value for part in ("namespace", "name") if part in metadata)
        return request.properties.fields["name"].string_value if request.type == VOLUME else uuid.uuid4().hex * 2

    async def Read(self, request: provider_pb2.ReadRequest, context: grpc.aio.ServicerContext) -> provider_pb2.ReadResponse:
        """The state as the engine last knew it: nothing ever drifts."""
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.aio.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """The new inputs as the resource's state."""
        return provider_pb2.UpdateResponse(properties=request.news)

    async def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.aio.ServicerContext) -> Empty:
        """Every deletion succeeds."""
        return Empty()

    async def Cancel(self, request: Empty, context: grpc.aio.ServicerContext) -> Empty:
        """Nothing is ever under way for long."""
        return Empty()


def diff_response(changes: list[Change], forces: Rule) -> provider_pb2.DiffResponse:
    """The changes in the engine's terms; a change that ``forces`` holds for replaces the resource."""
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({str(change.path[0]) for change in changes}),
        replaces=sorted({str(change.path[0]) for change in changes if forces(change.path)}),
        hasDetailedDiff=True,
    )
    for change in changes:
        kind = f"{change.kind}_REPLACE" if forces(change.path) else change.kind
        response.detailedDiff[written(change.path)].kind = provider_pb2.PropertyDiff.Kind.Value(kind)
        response.detailedDiff[written(change.path)].inputDiff = True
    return response


def is_autonamed(inputs: Struct) -> bool:
    """Whether the resource's name was made up."""
    annotations = inputs.fields["metadata"].struct_value.fields["annotations"].struct_value.fields
    return AUTONAMED_ANNOTATION in annotations or "name" in list(inputs.fields[DEFAULTED].list_value)


def name_kubernetes_object(inputs: Struct, request: provider_pb2.CheckRequest) -> None:
    """Give an object a name and mark it as made up, if the program gave none; an object that has one keeps it."""
    if inputs.fields["metadata"].HasField("string_value"):
        return  # not known before the update
    metadata = inputs.fields["metadata"].struct_value.fields
    if "name" in metadata or "generateName" in metadata:
        return
    old = request.olds.fields["metadata"].struct_value.fields
    metadata["name"].string_value = old["name"].string_value if "name" in old else made_up_name(request)
    metadata["annotations"].struct_value.fields[AUTONAMED_ANNOTATION].string_value = "true"


def name_docker_object(inputs: Struct, request: provider_pb2.CheckRequest) -> None:
    """The same for Docker, where the mark is a list of the properties that were defaulted."""
    if "name" in inputs.fields:
        return
    old = request.olds.fields
    inputs.fields["name"].string_value = old["name"].string_value if "name" in old else made_up_name(request)
    inputs.fields[DEFAULTED].list_value.append("name")


def made_up_name(request: provider_pb2.CheckRequest) -> str:
    """The resource's Pulumi name and a suffix that the engine's seed decides."""
    return f"{request.name}-{hashlib.sha256(request.randomSeed).hexdigest()[:8]}"


def main() -> None:
    """Arguments: the package and the version to claim, then the engine's own."""
    package, version, *_ = sys.argv[1:]
    provider = ResourceProvider(package, version)
    serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))


if __name__ == "__main__":
    main()
