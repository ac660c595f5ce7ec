"""What one process spends where: ``python -m bench.inside WHAT …`` measures itself and prints ``{step: [seconds, cpu]}``.

The first imports are one of the steps, so this module imports nothing but the standard library before they are timed.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Stopwatch:
    """Wall clock and processor time of each named step."""

    def __init__(self) -> None:
        self.taken: dict[str, tuple[float, float]] = {}

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        began, cpu_began = time.perf_counter(), time.process_time()
        yield
        self.taken[step] = (time.perf_counter() - began, time.process_time() - cpu_began)


def steps(root: str, stack: str) -> dict[str, tuple[float, float]]:
    """Everything that ``cdc`` does with a spec, step by step, as its verbs do it together."""
    watch = Stopwatch()
    with watch.time("import"):
        from datetime import date

        from components.core import yaml_text
        from components.environment import CONFIG_KEY
        from components.loading import build_environment
        from components.platform import render
        from operations.publish import publish
        from operations.tree import stream, tree
        from policies.engine import judge
        from policies.model import Subject
    path = Path(root, f"Pulumi.{stack}.yaml")
    with watch.time("read YAML"):
        text = path.read_text()
        value = yaml_text.load(text, path.name)["config"][CONFIG_KEY]
    with watch.time("validate"):
        spec = build_environment(value, stack, path.name, text, ("config", CONFIG_KEY))
    with watch.time("render"):
        rendered = render(spec)
    with watch.time("check"):
        verdict = judge(Subject(spec, rendered), date(2026, 1, 1))
    assert verdict.passed, verdict.failures
    with watch.time("write YAML to one stream"), open(os.devnull, "w") as nowhere:
        nowhere.writelines(stream(rendered, spec.context))
    with watch.time("write YAML as a tree of texts"):
        files = tree(rendered, spec.context)
    with tempfile.TemporaryDirectory(prefix="cdc-bench-") as folder, watch.time("write files"):
        publish(files, spec.name, Path(folder, "tree"))
    return watch.taken


def whole(root: str, stack: str, folder: str | None = None) -> None:
    """Load, validate, render, check, and write to standard output or to ``folder``: all of it in one process."""
    from datetime import date

    from components.loading import load_environment
    from components.platform import render
    from operations.publish import publish
    from operations.tree import stream, tree
    from policies.engine import judge
    from policies.model import Subject

    spec = load_environment(Path(root), stack)
    rendered = render(spec)
    verdict = judge(Subject(spec, rendered), date(2026, 1, 1))
    if folder is None:
        sys.stdout.writelines(stream(rendered, spec.context))
    else:
        publish(tree(rendered, spec.context), stack, Path(folder))
    sys.exit(0 if verdict.passed else 1)


def pyyaml(implementation: str, spec: str, objects: str) -> dict[str, tuple[float, float]]:
    """PyYAML alone: reading the spec, and writing the objects. ``implementation`` is ``c`` or ``pure``."""
    import yaml

    loader: Any = yaml.CSafeLoader if implementation == "c" else yaml.SafeLoader
    dumper: Any = yaml.CSafeDumper if implementation == "c" else yaml.SafeDumper
    text, bodies = Path(spec).read_text(), json.loads(Path(objects).read_text())
    watch = Stopwatch()
    with watch.time("read YAML"):
        yaml.load(text, Loader=loader)
    with watch.time("write YAML to one stream"), open(os.devnull, "w") as nowhere:
        yaml.dump_all(bodies, nowhere, Dumper=dumper, sort_keys=False)
    return watch.taken


PROGRAMS: dict[str, Callable[..., dict[str, tuple[float, float]] | None]] = {
    "steps": steps,
    "whole": whole,
    "pyyaml": pyyaml,
}


def main(arguments: list[str]) -> None:
    """Runs one of :data:`PROGRAMS` with the arguments that follow its name, under the same conditions as ``cdc``."""
    from components.core.garbage import collect_rarely

    collect_rarely()
    taken = PROGRAMS[arguments[0]](*arguments[1:])
    if taken is not None:
        json.dump(taken, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
