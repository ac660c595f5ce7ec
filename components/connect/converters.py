"""How records are written: Avro with a schema registry, or JSON that carries its schema (requirement A3). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.core.secrets import SecretFile
from components.kafka.clients import secret_of

Converter = Literal["confluent", "apicurio", "json"]

_JSON = {"": "org.apache.kafka.connect.json.JsonConverter", "schemas.enable": "true"}


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How Connect reaches the schema registry: ``url`` of the API that its converter speaks; ``ca`` is the file of what signs
    its certificate, ``user`` comes with the password in the file ``password``."""

    url: str
    ca: SecretFile | None = None
    user: str | None = None
    password: SecretFile | None = field(default=None)

    @property
    def secrets(self) -> tuple[SecretFile, ...]:
        """The files that it needs in the workers' folder."""
        return tuple(file for file in (self.ca, self.password) if file is not None)


def converters(converter: Converter, registry: RegistryAccess | None, folder: str) -> dict[str, str]:
    """A connector's ``key.converter`` and ``value.converter`` with their settings; secrets lie in ``folder``."""
    if registry is None or converter == "json":
        settings: Mapping[str, str] = _JSON
    elif converter == "confluent":
        settings = _confluent(registry, folder)
    else:
        settings = _apicurio(registry)
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


def _apicurio(registry: RegistryAccess) -> dict[str, str]:
    """Apicurio's converter in Confluent's wire format: a zero byte, the content's id in four bytes, Avro."""
    return {
        "": "io.apicurio.registry.utils.converter.AvroConverter",
        "apicurio.registry.url": registry.url,
        "apicurio.registry.auto-register": "true",
        "apicurio.registry.find-latest": "false",
        "apicurio.registry.if-exists": "RETURN_OR_UPDATE",
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "contentId",
    }
