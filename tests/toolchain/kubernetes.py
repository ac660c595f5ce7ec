"""A real Kubernetes API server and the programs around it, built from Go modules; Strimzi's custom resource definitions."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from tests.toolchain import versions
from tests.toolchain.cache import ToolUnavailable, ensure, run_step
from tests.toolchain.debian import ensure_packages
from tests.toolchain.java import java
from tests.toolchain.maven import Artifact, copy_dependencies

GO_ENVIRONMENT = {"GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"}
KUBERNETES = "k8s.io/kubernetes"
HELM = "helm.sh/helm/v3/cmd/helm"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5"

KEDA = "github.com/kedacore/keda/v2"
KEDA_KINDS = ("scaledobjects", "triggerauthentications")
CHAOS_MESH = "github.com/chaos-mesh/chaos-mesh"

STRIMZI_MODEL = "io.strimzi.api.kafka.model"
STRIMZI_KINDS = (
    "kafka.Kafka",
    "nodepool.KafkaNodePool",
    "topic.KafkaTopic",
    "user.KafkaUser",
    "connect.KafkaConnect",
    "connector.KafkaConnector",
    "mirrormaker2.KafkaMirrorMaker2",
    "rebalance.KafkaRebalance",
    "podset.StrimziPodSet",
)
STRIMZI_OPTIONS = (
    "--target-kube",
    "1.16+",
    "--crd-api-version",
    "v1",
    "--api-versions",
    "v1",
    "--storage-version",
    "v1",
    "--yaml",
)


def kube_apiserver() -> Path:
    """The program ``kube-apiserver``."""
    return _kubernetes_program("kube-apiserver")


def kubectl() -> Path:
    """The program ``kubectl``: the one on ``PATH``, else one that is built."""
    found = shutil.which("kubectl")
    return Path(found) if found else _kubernetes_program("kubectl")


def etcd() -> Path:
    """The program ``etcd``."""
    return ensure_packages({"etcd": "etcd-server"})["etcd"]


def helm() -> Path:
    """The program ``helm``; only benchmarks use it."""
    return _released_program("helm", HELM, versions.HELM)


def kustomize() -> Path:
    """The program ``kustomize``; only benchmarks use it."""
    return _released_program("kustomize", KUSTOMIZE, versions.KUSTOMIZE)


def strimzi_crds() -> list[Path]:
    """The YAML files of Strimzi's custom resource definitions, one for each kind."""
    return sorted(ensure("strimzi-crds", versions.STRIMZI, _generate_crds).glob("*.yaml"))


def keda_crds() -> list[Path]:
    """The YAML files of KEDA's custom resource definitions, as its module has them."""
    return sorted(ensure("keda-crds", versions.KEDA, _copy_keda).glob("*.yaml"))


def chaos_crds() -> list[Path]:
    """The definition of Chaos Mesh's Schedule, which holds those of all experiments."""
    return sorted(ensure("chaos-crds", versions.CHAOS_MESH, _copy_chaos).glob("*.yaml"))


def strimzi_libs() -> Path:
    """The folder with the jars of Strimzi's API and of the generator of its definitions."""
    return ensure("strimzi-libs", versions.STRIMZI, _copy_strimzi)


def _copy_keda(folder: Path) -> None:
    module = go_json("keda-crds", "mod", "download", "-json", f"{KEDA}@{versions.KEDA}")
    for kind in KEDA_KINDS:
        shutil.copyfile(Path(module["Dir"], "config/crd/bases", f"keda.sh_{kind}.yaml"), folder / f"{kind}.yaml")


def _copy_chaos(folder: Path) -> None:
    module = go_json("chaos-crds", "mod", "download", "-json", f"{CHAOS_MESH}@{versions.CHAOS_MESH}")
    shutil.copyfile(Path(module["Dir"], "config/crd/bases/chaos-mesh.org_schedules.yaml"), folder / "schedules.yaml")


def _generate_crds(folder: Path) -> None:
    libraries = strimzi_libs()
    files = [f"{STRIMZI_MODEL}.{kind}={folder / kind.rpartition('.')[2]}.yaml" for kind in STRIMZI_KINDS]
    generator = [f"{java(versions.JAVA_PREFERRED)}", "-cp", f"{libraries}/*", "io.strimzi.crdgenerator.CrdGenerator"]
    run_step("strimzi-crds", [*generator, *STRIMZI_OPTIONS, *files])


def _copy_strimzi(folder: Path) -> None:
    modules = [Artifact("io.strimzi", name, versions.STRIMZI) for name in ("api", "crd-generator")]
    copy_dependencies("strimzi-crds", modules, folder)


def _kubernetes_program(program: str) -> Path:
    return ensure(program, versions.KUBERNETES, partial(_build_kubernetes, program=program)) / program


def _build_kubernetes(folder: Path, program: str) -> None:
    """Build in a module that pins Kubernetes and, at its release, each module of its staging area."""
    module = go_json(program, "mod", "download", "-json", f"{KUBERNETES}@{versions.KUBERNETES}")
    stated = go_json(program, "mod", "edit", "-json", module["GoMod"])
    staging = versions.KUBERNETES.replace("v1.", "v0.")
    pins = [f"replace {old} => {old} {staging}" for old in (entry["Old"]["Path"] for entry in stated["Replace"])]
    source = folder / "source"
    _write_module(source, ["module scratch", f"go {stated['Go']}", f"require {KUBERNETES} {versions.KUBERNETES}", *pins])
    shutil.copyfile(Path(module["Dir"], "go.sum"), source / "go.sum")
    _go_build(program, source, f"{KUBERNETES}/cmd/{program}", folder, _kubernetes_link_flags())


def _kubernetes_link_flags() -> str:
    """What makes the program state the version that it was built from."""
    major, minor, _ = versions.KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": versions.KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())


def _released_program(program: str, package: str, version: str) -> Path:
    return ensure(program, version, partial(_build_released, program=program, package=package, version=version)) / program


def _build_released(folder: Path, program: str, package: str, version: str) -> None:
    """Build in a module that takes the program's own requirements as they are."""
    source = folder / "source"
    _write_module(source, ["module scratch"])
    run_step(program, ["go", "get", f"{package}@{version}"], cwd=source, env=GO_ENVIRONMENT)
    _go_build(program, source, package, folder, "")


def _write_module(source: Path, lines: list[str]) -> None:
    source.mkdir()
    (source / "go.mod").write_text("\n".join(lines) + "\n")


def _go_build(tool: str, source: Path, package: str, folder: Path, link_flags: str) -> None:
    """Build ``package`` with the module in ``source``, which is removed, to ``folder/tool``."""
    command = ["go", "build", "-trimpath", f"-ldflags=-s -w {link_flags}", "-o", f"{folder / tool}", package]
    run_step(tool, command, cwd=source, env=GO_ENVIRONMENT)
    shutil.rmtree(source)


def go_json(tool: str, *arguments: str) -> dict[str, Any]:
    """What a ``go`` command that prints one JSON object says."""
    try:
        done = subprocess.run(["go", *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise ToolUnavailable(f"{tool}: Go is not installed, and is needed to build {tool}") from error
    except subprocess.CalledProcessError as error:
        raise ToolUnavailable(f"{tool}: go {' '.join(arguments)} failed:\n{error.stdout}{error.stderr}") from error
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
