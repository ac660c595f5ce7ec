"""Builds the project's images with a docker engine and checks them: ``python -m tests.images``. Needs root, and ten minutes.

The images that they are made from stand in for those of a registry; the Dockerfiles are the project's own.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.images.bases import import_bases
from tests.images.checks import CDC, SINK, check_cdc, check_image, check_sink_worker
from tests.images.engine import docker_engine

ROOT = Path(__file__).parents[2]
CONTEXTS = {SINK: ROOT / "sink_worker", CDC: ROOT}


def main() -> int:
    """0 where both are built, and are as they must be."""
    with TemporaryDirectory(prefix="cdc-images-") as folder:
        work = Path(folder)
        with docker_engine(work) as docker:
            import_bases(docker)
            for image, context in CONTEXTS.items():
                docker.run("build", "--network=host", f"--tag={image}", context)
                check_image(docker, image)
            check_sink_worker(docker, ROOT, work)
            check_cdc(docker, work, ROOT)
    print("both images are built, and are as they must be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
