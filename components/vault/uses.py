"""Which program reads which secret, over the whole environment: each component answers for its own. Pure.

A test finds what a pod or a container mounts and nobody answers for.
"""

from components.core.once import once_for_each
from components.core.secrets import Use
from components.environment import EnvironmentSpec
from components.kafka.uses import secret_uses as of_kafka


@once_for_each
def uses(spec: EnvironmentSpec) -> tuple[Use, ...]:
    """Every program that reads a secret, by name."""
    programs = [use for component in spec.components.values() for use in component.secret_uses(spec)]
    found = (*of_kafka(spec, programs), *programs)
    return tuple(sorted((use for use in found if use.files), key=lambda use: use.workload))
