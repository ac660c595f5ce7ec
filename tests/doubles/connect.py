"""A fake of a Kafka Connect cluster: what ``cdc connect`` sees of one, in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from operations.connect.cluster import Config, ConnectError, Offsets, State


class Killed(BaseException):
    """The process ends here, with no warning."""


@dataclass
class Source:
    """The database: how far its log is, and which changes were written to Kafka, in order, by every connector of it."""

    end: int = 0
    written: list[int] = field(default_factory=list)


@dataclass
class FakeCluster:
    """Connectors run whenever they are looked at: each then writes all changes after its position, and commits that.

    ``before`` is called before each request, and may raise. ``fails`` are connectors that fail when they run here.
    """

    name: str
    sources: Mapping[str, Source]
    before: Callable[[str], None] = lambda _request: None
    fails: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    configs: dict[str, Config] = field(default_factory=dict)
    lives: dict[str, str] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)

    def states(self) -> Mapping[str, State]:
        self.before(f"{self.name} states")
        self.run()
        return {name: self._state(name) for name in self.configs}

    def run(self) -> None:
        """Let every connector do what it would have done by now."""
        for name, lives in self.lives.items():
            if lives == "running" and name not in self.fails and not idle(self.configs[name]):
                source = self.sources[name]
                source.written += range(self.positions.get(name, 0), source.end)
                self.positions[name] = source.end

    def _state(self, name: str) -> State:
        if self.lives[name] == "running":
            return State("failed", 1, "it is broken here") if name in self.fails else State("running", 1)
        return State("stopped")

    def config(self, connector: str) -> Config:
        self.before(f"{self.name} config")
        return self.configs[connector]

    def refusals(self, connector: str, config: Config) -> list[str]:
        self.before(f"{self.name} refusals")
        return ["a: is wrong"] if connector in self.refuses else []

    def put(self, connector: str, config: Config) -> None:
        self.before(f"{self.name} put")
        self.configs[connector] = config
        self.lives.setdefault(connector, "running")

    def create_stopped(self, connector: str, config: Config) -> None:
        self.before(f"{self.name} create")
        if connector in self.configs:
            raise ConnectError(f"{connector} already exists")
        self.configs[connector], self.lives[connector] = config, "stopped"

    def stop(self, connector: str) -> None:
        self.before(f"{self.name} stop")
        self.run()
        self.lives[connector] = "stopped"

    def restart(self, connector: str) -> None:
        self.before(f"{self.name} restart")
        self.restarted.append(connector)

    def resume(self, connector: str) -> None:
        self.before(f"{self.name} resume")
        self.lives[connector] = "running"

    def restart_failed(self, connector: str) -> None:
        self.before(f"{self.name} restart")

    def delete(self, connector: str) -> None:
        """Its position stays, as it does in Kafka."""
        self.before(f"{self.name} delete")
        self.run()
        del self.configs[connector], self.lives[connector]

    def offsets(self, connector: str) -> Offsets:
        self.before(f"{self.name} offsets")
        self.run()
        if connector not in self.positions:
            return ()
        return (_offset(connector, self.positions[connector]),)

    def write_offsets(self, connector: str, offsets: Offsets) -> None:
        self.before(f"{self.name} write")
        if self.lives[connector] != "stopped":
            raise ConnectError(f"{connector} is not stopped")
        for entry in offsets:
            if entry["partition"] == {"server": _server(connector)}:
                self.positions[connector] = entry["offset"]["pos"]


def idle(config: Config) -> bool:
    """Whether a Debezium source does nothing at all."""
    return config.get("snapshot.mode") == "configuration_based" and not any(
        value == "true" for key, value in config.items() if key.startswith("snapshot.mode.configuration.based.")
    )


def _offset(connector: str, position: int) -> Mapping[str, Any]:
    return {"partition": {"server": _server(connector)}, "offset": {"file": "binlog.000001", "pos": position, "event": 2}}


def _server(connector: str) -> str:
    """What positions are kept by: it is the same on both colours, where names are not."""
    return connector.removesuffix("-blue").removesuffix("-green")
