"""How records are written: Avro with a schema registry, or JSON that carries its schema (requirement A3). Pure."""

from collections.abc import Mapping
from typing import Literal

from components.kafka.clients import secret_of
from components.schema_registry.access import RegistryAccess

Converter = Literal["confluent", "apicurio", "json"]

_JSON = {"": "org.apache.kafka.connect.json.JsonConverter", "schemas.enable": "true"}


def converters(converter: Converter, registry: RegistryAccess | None, folder: str) -> dict[str, str]:
    """A connector's ``key.converter`` and ``value.converter`` with their settings; secrets lie in ``folder``."""
    if registry is None or converter == "json":
        settings: Mapping[str, str] = _JSON
    elif converter == "confluent":
        settings = _confluent(registry, folder)
    else:
        settings = _apicurio(registry, folder)
    return {
        f"{side}.converter{'.' if key else ''}{key}": value
        for side in ("key", "value")
        for key, value in sorted(settings.items())
    }


def _confluent(registry: RegistryAccess, folder: str) -> dict[str, str]:
    """Confluent's converter; the API is the same whatever the registry's distribution."""
    settings = {
        "": "io.confluent.connect.avro.AvroConverter",
        "schema.registry.url": registry.url,
        "auto.register.schemas": "true",
        "use.latest.version": "true",
        "normalize.schemas": "true",
    }
    if registry.ca is not None:
        settings |= {
            "schema.registry.ssl.truststore.type": "PEM",
            "schema.registry.ssl.truststore.location": f"{folder}/{registry.ca.name}",
        }
    if registry.user is not None and registry.password is not None:
        password = secret_of(folder, registry.password.name)
        settings |= {"basic.auth.credentials.source": "USER_INFO", "basic.auth.user.info": f"{registry.user}:{password}"}
    return settings


def _apicurio(registry: RegistryAccess, folder: str) -> dict[str, str]:
    """Apicurio's converter in Confluent's wire format: a zero byte, the content's id in four bytes, Avro."""
    settings = {
        "": "io.apicurio.registry.utils.converter.AvroConverter",
        "apicurio.registry.url": registry.url,
        "apicurio.registry.auto-register": "true",
        "apicurio.registry.find-latest": "false",
        "apicurio.registry.if-exists": "RETURN_OR_UPDATE",
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "contentId",
    }
    if registry.ca is not None:
        settings["apicurio.rest.request.ssl.ca-bundle.location"] = f"{folder}/{registry.ca.name}"
    if registry.user is not None and registry.password is not None:
        settings |= {
            "apicurio.auth.username": registry.user,
            "apicurio.auth.password": secret_of(folder, registry.password.name),
        }
    return settings
