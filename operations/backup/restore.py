"""Puts a backup into a cluster: topics, records, schemas, rights, connectors that do not run yet, where groups stand."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operations.audit_log import AuditLog
from operations.backup.chunks import decode
from operations.backup.contents import Contents, Sources
from operations.backup.errors import BackupError
from operations.backup.loading import Loader, Placed, control_topic, new_offset, read_progress
from operations.backup.manifest import Manifest
from operations.backup.patience import until
from operations.backup.sealing import Seal
from operations.backup.store import Store
from operations.backup.verify import read_contents, read_file, refuse_damaged
from operations.connect.cluster import Offsets
from operations.live.kafka import Cluster, Partition, Settings
from operations.live.observed import Entity
from operations.live.requests import QuotaChange, connect, quotas, set_quotas

WHILE_LOADING = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.after.max.ms": str(2**63 - 1),
}
"""Of topics that get records: what is old is neither refused nor deleted before its offsets are known."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done, and what could not be, in words."""

    topics: int
    records: int
    groups: int
    connectors: int
    schemas: int
    notes: tuple[str, ...]


@dataclass
class Restore:
    """One restore. ``into_existing``: what is there already is added to and never changed."""

    store: Store
    manifest: Manifest
    seal: Seal
    target: Sources
    settings: Settings
    into_existing: bool
    log: AuditLog
    tell: Callable[[str, int, int], None]

    def run(self) -> Restored:
        """All of it, or what an earlier run has left to do. Nothing is changed where a file is damaged or the target is in
        use."""
        refuse_damaged(self.store, self.manifest, lambda done, total: self.tell("checked", done, total))
        contents = Contents.of(json.loads(read_contents(self.store, self.manifest, self.seal)))
        there = self.target.kafka.topics()
        control = control_topic(self.manifest.id)
        if control not in there:
            self._refuse_in_use(contents, there)
            self.target.kafka.create_topic(control, 1, min(3, self.target.kafka.brokers()), {"retention.ms": "-1"})
        notes = self._make_topics(contents, there)
        placed = self._load()
        groups, skipped = self._place_groups(contents, placed)
        notes += skipped
        notes += self._rights(contents)
        schemas = self._schemas(contents)
        connectors = self._connectors(contents, notes)
        for topic in self._loaded_topics:
            self.target.kafka.configure(topic, self._settled(contents.topics[topic]["config"]))
        self.target.kafka.delete_topic(control)
        return Restored(len(contents.topics), self.manifest.records, groups, connectors, schemas, tuple(notes))

    @property
    def _loaded_topics(self) -> list[str]:
        return sorted(self.manifest.spans)

    def _refuse_in_use(self, contents: Contents, there: Mapping[str, Any]) -> None:
        other = [name for name in there if name.startswith("cdc-restore.")]
        if other:
            raise BackupError(
                f"{self.target.kafka.name}: the restore of {other[0].removeprefix('cdc-restore.')} is not finished"
                "\n      → finish that first, or delete its topic once the cluster is empty"
            )
        if self.into_existing:
            return
        places = [
            (name, number) for name in self._loaded_topics if name in there for number in range(there[name]["partitions"])
        ]
        used = sorted({place[0] for place, end in self.target.kafka.ends(places).items() if end > 0})
        groups = sorted(set(contents.groups) & set(self.target.kafka.groups()))
        found = [f"topic {name} has records" for name in used] + [f"group {name} stands somewhere" for name in groups]
        if contents.schemas and self.target.schemas is not None and not self.target.schemas.is_empty():
            found.append("the schema registry has subjects")
        if contents.connectors and self.target.connect is not None:
            found += [
                f"connector {name} is there" for name in sorted(set(self.target.connect.states()) & set(contents.connectors))
            ]
        if found:
            shown = "\n  ".join(found[:10])
            raise BackupError(
                f"{self.target.kafka.name}: is not empty; nothing was restored:\n  {shown}"
                "\n      → restore into an empty cluster, or say --into-existing to add to what is there"
            )

    def _make_topics(self, contents: Contents, there: Mapping[str, Any]) -> list[str]:
        notes, brokers = [], self.target.kafka.brokers()
        for name, wanted in contents.topics.items():
            loaded = name in self.manifest.spans
            if name in there:
                if loaded and there[name]["partitions"] < wanted["partitions"]:
                    raise BackupError(
                        f"topic {name}: has {there[name]['partitions']} partitions, and had {wanted['partitions']}"
                        "\n      → give it as many, and run the same again"
                    )
                if loaded:
                    self.target.kafka.configure(name, WHILE_LOADING)
                continue
            replicas = min(wanted["replicas"], brokers)
            if replicas < wanted["replicas"]:
                notes.append(f"topic {name}: {replicas} replicas, not {wanted['replicas']}: there are not more brokers")
            config = {**wanted["config"], **(WHILE_LOADING if loaded else {})}
            if int(config.get("min.insync.replicas", 1)) > replicas:
                config["min.insync.replicas"] = str(replicas)
            with self.log.changing(f"topic {name}", None, {"partitions": wanted["partitions"], "config": wanted["config"]}):
                self.target.kafka.create_topic(name, wanted["partitions"], replicas, config)
        return notes

    def _settled(self, config: Mapping[str, str]) -> dict[str, str | None]:
        """What a topic says for itself once it is loaded; the rest is the cluster's to say again."""
        return {key: config.get(key) for key in WHILE_LOADING}

    def _load(self) -> dict[str, int]:
        loader = Loader(
            self.store, self.manifest, self.seal, self.settings, lambda done, total: self.tell("restored", done, total)
        )
        with self.log.changing("records", None, {"backup": self.manifest.id, "records": self.manifest.records}):
            return loader.load(self._progress)

    def _progress(self) -> dict[str, int]:
        with Cluster(self.target.kafka.name, self.settings) as reader:
            return read_progress(reader, self.manifest)

    def _place_groups(self, contents: Contents, placed: Mapping[str, int]) -> tuple[int, list[str]]:
        """Groups by their new offsets; those of topics whose records are not in the backup stand nowhere."""
        chunks: defaultdict[Partition, list[Placed]] = defaultdict(list)
        for file in sorted(self.manifest.files, key=lambda each: each.first):
            if file.topic:
                chunks[file.topic, file.partition].append(Placed(file, placed[file.name]))
        places = [(topic, int(number)) for topic, partitions in self.manifest.spans.items() for number in partitions]
        ends = self._settled_ends(places, chunks)
        restored, notes = 0, []
        for group, old in contents.groups.items():
            stands = self.target.kafka.committed(group)
            new = {
                place: new_offset(place, offset, chunks[place], ends[place], self._old_offsets)
                for place, offset in old.items()
                if place in ends and place not in stands
            }
            left = sorted({place[0] for place in old if place not in ends})
            if left:
                notes.append(f"group {group}: not placed in {', '.join(left)}, whose records are not in the backup")
            if new:
                shown = [{f"{place[0]}/{place[1]}": offset for place, offset in each.items()} for each in (old, new)]
                with self.log.changing(f"group {group}", None, {"offsets": shown[1], "were": shown[0]}):
                    self.target.kafka.commit(group, new)
                restored += 1
        return restored, notes

    def _settled_ends(self, places: Sequence[Partition], chunks: Mapping[Partition, Sequence[Placed]]) -> dict[Partition, int]:
        """Where each partition ends. A transaction is committed before all of its partitions say so: until then readers of
        committed records get less, and a group that had read everything would be put too far back."""
        written = {place: max(one.first + one.file.records for one in found) for place, found in chunks.items() if found}
        ends: dict[Partition, int] = {}

        def settled() -> bool:
            ends.update(self.target.kafka.ends(places))
            return all(ends.get(place, end) >= end for place, end in written.items())

        until("all that was restored can be read", settled)
        return ends

    def _old_offsets(self, file: Any) -> Any:
        return decode(read_file(self.store, self.manifest, self.seal, file)).offsets

    def _rights(self, contents: Contents) -> list[str]:
        notes = []
        if contents.acls:
            if self.target.kafka.acls() is None:
                notes.append(f"{len(contents.acls)} ACLs were not restored: the target's brokers judge nobody")
            else:
                with self.log.changing("ACLs", None, contents.acls):
                    self.target.kafka.create_acls(contents.acls)
        notes += self._quotas(contents)
        missing = sorted(set(contents.users) - set(self.target.kafka.scram_users()))
        if missing:
            notes.append(
                f"users without a password here: {', '.join(missing)}; Kafka gives no hashes: set them, as the spec says"
            )
        return notes

    def _quotas(self, contents: Contents) -> list[str]:
        """Those of entities that have none here."""
        if contents.quotas is None:
            return ["quotas are not in this backup: set them, as the spec says"]
        wanted: dict[Entity, dict[str, float]] = {
            tuple((str(kind), name) for kind, name in each["entity"]): each["values"] for each in contents.quotas
        }
        if not wanted:
            return []
        with connect(self.settings) as connection:
            there = quotas(connection)
            changes = [QuotaChange(entity, values) for entity, values in wanted.items() if entity not in there]
            if changes:
                shown = [{"entity": change.entity, "values": change.values} for change in changes]
                with self.log.changing("quotas", None, shown):
                    set_quotas(connection, changes)
        return []

    def _schemas(self, contents: Contents) -> int:
        if contents.schemas is None or self.target.schemas is None or not contents.schemas["subjects"]:
            return 0
        subjects = {subject: [entry["id"] for entry in found] for subject, found in contents.schemas["subjects"].items()}
        with self.log.changing("schemas", None, subjects):
            self.target.schemas.restore(contents.schemas)
        return sum(len(ids) for ids in subjects.values())

    def _connectors(self, contents: Contents, notes: list[str]) -> int:
        """Made without being started, and put where they were; whoever restores starts them when all is judged."""
        if not contents.connectors or self.target.connect is None:
            return 0
        connect = self.target.connect
        states = connect.states()
        for name, found in contents.connectors.items():
            if name not in states:
                with self.log.changing(f"connector {name}", None, found):
                    connect.create_stopped(name, found["config"])
            elif states[name].lives != "stopped":
                notes.append(f"connector {name} runs here already: its position was left alone")
                continue
            offsets: Offsets = tuple(found["offsets"])
            if offsets and not found["config"].get("connector.class", "").endswith("SinkConnector"):
                with self.log.changing(f"connector {name} offsets", None, list(offsets)):
                    self._write_offsets(name, offsets)
        return len(contents.connectors)

    def _write_offsets(self, name: str, offsets: Offsets) -> None:
        """Connect takes positions only of one that has come to rest."""
        from operations.backup.patience import until

        connect = self.target.connect
        assert connect is not None
        until(f"connector {name} is stopped", lambda: getattr(connect.states().get(name), "lives", "") == "stopped")
        connect.write_offsets(name, offsets)
