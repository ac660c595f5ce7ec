"""The Pulumi program: load this stack's spec, declare the platform, export what its users need."""

import sys
from pathlib import Path

import pulumi

from components.core.errors import CdcError
from components.core.garbage import collect_rarely
from components.development.secrets import make_up, secrets_folder
from components.loading import load_environment
from components.outputs import stack_outputs
from components.stack import CdcPlatform

collect_rarely()
try:
    spec = load_environment(Path(__file__).parent, pulumi.get_stack())
    if spec.tier == "development" and spec.target == "docker" and not pulumi.runtime.is_dry_run():
        make_up(spec, secrets_folder(Path(__file__).parent))
except CdcError as error:
    pulumi.log.error(str(error))
    sys.exit(error.exit_code)

CdcPlatform(spec.name, spec)
for name, value in stack_outputs(spec).items():
    pulumi.export(name, value)
