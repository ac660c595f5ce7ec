"""The benchmark's own arithmetic and inputs: what it states must be what was measured, and all peers must get the same work."""

import json
import socket
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from bench import machine, report
from bench.demands import Demand, demands
from bench.generate import TOPICS_OF_A_PIPELINE, Size, pipelines_text, spec_text, stack_file
from bench.measure import BenchmarkFailed, Case, Command, Measurement, Run, growth_exponent, in_turns
from bench.peers.inputs import as_yaml, by_identity, entries, topics_and_users
from bench.peers.tools import Peer
from bench.plot import bars, plot
from bench.suites import PYYAML_C, QUICK, WRITTEN_OUT, Group
from bench.workspace import REPOSITORY, Workspace, into_empty_folder, require_same_objects
from components.core.rendered import Manifest
from components.environment import EnvironmentSpec
from components.loading import parse_environment
from components.platform import render
from policies.engine import judge
from policies.model import Subject

SMALL = Size(60, 6)
TODAY = date(2026, 1, 1)


def spec_of(text: str) -> EnvironmentSpec:
    """The environment that a generated spec describes."""
    return parse_environment(stack_file(text), "bench")


def measured(name: str, topics: int, *seconds: float, variant: str = "") -> Measurement:
    """A measurement with these wall clocks."""
    return Measurement(name, name, topics, tuple(Run(value, value / 2, 2**20) for value in seconds), variant)


def groups_of(ours: float, helm: float) -> dict[str, Group]:
    """Everything that the plot and the demands read, with these seconds at the largest size."""
    most = QUICK.largest.topics
    streams = [measured("whole", 1_000, ours / 10), measured("whole", most, ours), measured("render", 1_000, ours / 10)]
    streams += [measured("render", most, ours), measured("helm", 1_000, helm / 10), measured("helm", most, helm)]
    steps = [measured("import", most, 0.2, variant=WRITTEN_OUT), measured("validate", most, 0.3, variant=WRITTEN_OUT)]
    steps += [measured("validate", 1_000, 0.03, variant=WRITTEN_OUT)]
    steps += [measured("read YAML", most, 1.5, variant=PYYAML_C)]
    start = [measured("python", 0, 0.05), measured("prod", 0, 0.5)]
    return {
        "stream": Group("stream", "To one stream", streams),
        "steps": Group("steps", "Inside one process", steps),
        "start": Group("start", "Cold start", start),
    }


@pytest.mark.parametrize("text", [spec_text(SMALL), pipelines_text(SMALL.topics // TOPICS_OF_A_PIPELINE)])
def test_generated_specs_break_no_rule_of_production(text: str) -> None:
    verdict = judge(Subject.of(spec_of(text)), TODAY)
    assert verdict.tier == "production"
    assert verdict.failures == ()


def test_a_generated_spec_has_the_size_it_is_asked_for_and_is_always_the_same() -> None:
    state = spec_of(spec_text(SMALL)).kafka_state
    assert (len(state.topics), len(state.users)) == (60, 6)
    assert spec_text(SMALL) == spec_text(SMALL)
    assert len(spec_of(pipelines_text(6)).kafka_state.topics) == 60


def test_a_spec_without_users_is_valid() -> None:
    assert spec_of(spec_text(Size(3, 0))).kafka_state.users == ()


def test_peers_are_given_one_entry_for_each_object_and_read_it_alike() -> None:
    manifests = topics_and_users(render(spec_of(spec_text(SMALL))).manifests)
    given = entries(manifests)
    assert [len(given["topics"]), len(given["users"])] == [60, 6]
    assert yaml.safe_load(as_yaml(given)) == given
    assert len(by_identity(manifest.body for manifest in manifests)) == 66


def fake_peer(answer: Callable[[list[Manifest]], list[object]]) -> Peer:
    """A peer whose program prints a file that was prepared from the objects."""

    def prepare(folder: Path, _entries: object, manifests: list[Manifest]) -> None:
        (folder / "answer.yaml").write_text(yaml.safe_dump_all(answer(manifests)))

    def stream(folder: Path) -> Command:
        return Command(("cat", "answer.yaml"), folder)

    return Peer("fake", "1", prepare, stream, None)


def test_a_peer_that_renders_the_same_objects_is_accepted(tmp_path: Path) -> None:
    peer = fake_peer(lambda manifests: [dict(manifest.body) for manifest in reversed(manifests)])
    require_same_objects("fake", peer, Workspace(tmp_path).declared(SMALL))


@pytest.mark.parametrize("fault", ["missing", "other"])
def test_a_peer_that_renders_other_objects_is_refused(tmp_path: Path, fault: str) -> None:
    def answer(manifests: list[Manifest]) -> list[object]:
        bodies = [json.loads(json.dumps(manifest.body)) for manifest in manifests]
        if fault == "missing":
            return bodies[1:]
        bodies[0]["spec"]["partitions"] += 1
        return bodies

    with pytest.raises(BenchmarkFailed, match=r"1 differ, such as .*KafkaTopic"):
        require_same_objects("fake", fake_peer(answer), Workspace(tmp_path).declared(SMALL))


def test_cases_take_turns_and_each_round_begins_with_another() -> None:
    seen: list[str] = []

    def case(name: str) -> Case:
        def measure() -> Run:
            seen.append(name)
            return Run(float(len(seen)), 0, 0)

        return Case(name, name, 1, measure)

    found = in_turns([case("a"), case("b"), case("c")], 3, lambda line: None)
    assert "".join(seen) == "abcbcacab"
    assert [m.runs[0].seconds for m in found] == [1, 2, 3]
    assert [m.name for m in found] == ["a", "b", "c"]


def test_what_is_stated_of_several_runs_is_their_median_and_their_extremes() -> None:
    found = measured("a", 1, 9.0, 1.0, 2.0)
    assert (found.seconds, found.fastest, found.slowest, found.cpu_seconds) == (2.0, 1.0, 9.0, 1.0)
    assert found.plain()["seconds"] == [9.0, 1.0, 2.0]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_growth_is_the_slope_on_logarithmic_axes(exponent: float) -> None:
    points = [(size, 3e-4 * size**exponent) for size in (1_000, 3_000, 10_000)]
    assert growth_exponent(points) == pytest.approx(exponent)


def test_a_process_is_measured_from_outside(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nx = bytearray(64 << 20)"
    run = Command((sys.executable, "-c", busy), tmp_path).run()
    assert 0.3 <= run.cpu_seconds < 3
    assert run.seconds >= run.cpu_seconds * 0.9
    assert 64 << 20 <= run.peak_bytes < 160 << 20


def test_the_memory_of_a_process_is_its_own_and_not_that_of_whoever_measures(tmp_path: Path) -> None:
    mine = bytearray(200 << 20)
    run = Command((sys.executable, "-I", "-S", "-c", "pass"), tmp_path).run()
    assert run.peak_bytes < len(mine) / 4


def test_a_command_that_fails_is_no_measurement_and_says_why(tmp_path: Path) -> None:
    command = Command((sys.executable, "-c", "import sys; sys.exit('no such chart')"), tmp_path)
    with pytest.raises(BenchmarkFailed, match=r"(?s)ended with 1.*no such chart"):
        command.run()
    assert command.run(allowed=(1,)).seconds > 0


def test_files_of_an_earlier_run_are_gone_before_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    measure = into_empty_folder(lambda folder: Command(("mkdir", str(folder)), tmp_path), out)
    measure()
    (out / "left").touch()
    measure()
    assert list(out.iterdir()) == []


def test_a_demand_is_met_only_below_its_bound() -> None:
    assert Demand("a", 1.19, 1.2, "×").met
    assert not Demand("a", 1.2, 1.2, "×").met


def test_demands_hold_what_was_measured_against_the_peers() -> None:
    found = {demand.text: demand for demand in demands(groups_of(ours=1.0, helm=2.0), QUICK)}
    assert found["10,000 topics to one stream, checked: of helm template"].value == 0.5
    assert found["10,000 topics to one stream, checked: of helm template"].processor == 0.5
    assert found["growth exponent, the whole process"].value == pytest.approx(1.0)
    assert found["growth exponent, without the start"].value == pytest.approx(1.0)
    assert found["cdc preview prod, cold start"].met
    slower = demands(groups_of(ours=3.0, helm=2.0), QUICK)
    assert [demand.value for demand in slower if not demand.met] == [1.5]


def test_what_was_not_measured_is_not_judged() -> None:
    without_helm = groups_of(ours=1.0, helm=2.0)["stream"]
    ours = Group("stream", "", [m for m in without_helm.measurements if m.name != "helm"])
    assert not [demand for demand in demands({"stream": ours}, QUICK) if "helm" in demand.text]
    assert demands({}, QUICK) == []


def test_each_measurement_is_a_line_compared_with_ours_of_the_same_size() -> None:
    headings, cells = report.table_of(groups_of(ours=1.0, helm=2.0)["stream"])
    lines = [dict(zip(headings, line, strict=True)) for line in cells]
    compared = {(line["what"], line["topics"]): line["compared"] for line in lines}
    assert compared["whole", "10,000"] == "1 ×"
    assert compared["helm", "10,000"] == compared["helm", "1,000"] == "2.00 ×"


def test_steps_are_lines_and_what_they_were_measured_on_are_columns() -> None:
    headings, cells = report.table_of(groups_of(ours=1.0, helm=2.0)["steps"])
    assert list(headings) == ["step", "written out, 10,000", "written out, 1,000", "PyYAML (C), 10,000"]
    assert [list(line) for line in cells] == [
        ["import", "0.20 s", "", ""],
        ["validate", "0.30 s", "30 ms", ""],
        ["read YAML", "", "", "1.50 s"],
    ]


def test_published_facts_name_neither_this_machine_nor_a_place_on_it() -> None:
    facts = json.dumps(machine.facts())
    assert socket.gethostname() not in facts
    assert str(REPOSITORY) not in facts
    assert str(Path.home()) not in facts


def test_markdown_holds_every_table_and_marks_a_missed_demand() -> None:
    groups = list(groups_of(ours=3.0, helm=2.0).values())
    found = demands({group.name: group for group in groups}, QUICK)
    text = report.markdown(groups, found, {**machine.facts(), "load_after": machine.load()}, "speed.svg")
    assert "| helm | 10,000 | 2.00 s | 2.00 s – 2.00 s | 1.00 s | 1 MiB | 0.67 × |" in text
    assert text.count("MISSED") == 1
    assert "![" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert all(widths)


def test_the_picture_is_well_formed_and_shows_each_series_and_bar() -> None:
    groups = groups_of(ours=1.0, helm=2.0)
    root = ElementTree.fromstring(plot(groups, QUICK.largest.topics))
    namespace = "{http://www.w3.org/2000/svg}"
    texts = [element.text or "" for element in root.iter(f"{namespace}text")]
    assert len(list(root.iter(f"{namespace}polyline"))) == 2
    assert {"cdc 1.00 s", "helm template 2.00 s"} <= set(texts)
    found = {bar.label: bar.seconds for bar in bars(groups, QUICK.largest.topics)}
    assert found == pytest.approx({"cdc": 0.275, "helm template": 1.0, "PyYAML alone (C)": 0.75})
