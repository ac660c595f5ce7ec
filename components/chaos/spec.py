"""What the user writes about experiments (requirement A14)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from components.chaos.kinds import KINDS, KindName
from components.component_spec import ComponentSpec
from components.core.cron import DAY_MINUTES, DAYS, WEEK_MINUTES, Cron, Schedule, parse
from components.core.errors import Problem, WrongValue
from components.core.model import DnsLabel, SpecModel, duplicates, setting
from components.core.quantities import Duration, Percent, format_duration

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_MINUTE = 60_000
_LONGEST = 60 * _MINUTE
REST_MINUTES = 10
"""How long the platform is left alone after an experiment: what one broke must be whole again before the next begins."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _load(percent: int) -> int:
    if percent > 100:
        raise WrongValue("is more than all of it", "write at most 100%")
    return percent


ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Load = Annotated[Percent, AfterValidator(_load)]


class WindowSpec(SpecModel):
    """When production may be disturbed, in UTC, and who answers for it."""

    days: tuple[Weekday, ...] = setting(help="Days of the week.", becomes="a check of every schedule", min_length=1)
    opens: ClockTime = setting(help="When the first may begin, such as 10:00 (UTC).", becomes="a check of every schedule")
    closes: ClockTime = setting(help="When the last must be over, on the same day.", becomes="a check of every schedule")
    owner: str = setting(help="Who answers for it and watches.", becomes="annotation of every Schedule", min_length=1)

    def problems(self) -> list[Problem]:
        if self.opens >= self.closes:
            return [Problem("closes", f"{self.closes} is not after {self.opens}", "write a later time of the same day")]
        return []

    def holds(self, start: int, minutes: int) -> bool:
        """Whether something that begins at a minute of the week, and takes ``minutes``, lies inside."""
        day, begins = divmod(start, DAY_MINUTES)
        return DAYS[day] in self.days and minute(self.opens) <= begins and begins + minutes <= minute(self.closes)


def minute(clock: str) -> int:
    """``10:30`` → minutes since midnight."""
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


class ExperimentSpec(SpecModel):
    """One thing that is broken on purpose; ``broker-kill`` alone is short for ``{kind: broker-kill}``."""

    shorthand: ClassVar[str | None] = "kind"
    kind: KindName = setting(help="What is done; docs/chaos.md lists them.", becomes="PodChaos, NetworkChaos or StressChaos")
    name: DnsLabel | None = setting(None, help="Its name; that of its kind when left out.", becomes="Schedule chaos-<name>")
    schedule: Schedule = setting(
        "0 10 * * tue", help="When it begins: five fields of cron, in UTC.", becomes="Schedule.spec.schedule"
    )
    duration: Duration = setting(
        _MINUTE, help="How long it takes; what is killed is killed once.", becomes="duration of the experiment"
    )
    latency: Duration = setting(200, help="broker-latency: what every packet is delayed by.", becomes="delay.latency")
    load: Load = setting(
        80,
        help="broker-cpu: share of its CPU that is taken; broker-memory: of the memory that its heap leaves.",
        becomes="stressors.cpu.load, stressors.memory.size",
    )

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.kind

    @property
    def cron(self) -> Cron:
        """Its schedule, read."""
        return parse(self.schedule)

    @property
    def minutes(self) -> int:
        """How long it takes, in whole minutes."""
        return 1 if KINDS[self.kind].at_once else -(-self.duration // _MINUTE)

    def problems(self) -> list[Problem]:
        found = []
        own = {"latency": "broker-latency", "load": "broker-cpu or broker-memory"}
        for field, kinds in own.items():
            if field in self.model_fields_set and self.kind not in kinds.split(" or "):
                found.append(Problem(field, f"is for {kinds}", "leave it out"))
        if KINDS[self.kind].at_once and "duration" in self.model_fields_set:
            found.append(Problem("duration", "what is killed is killed once", "leave it out"))
        if not 1000 <= self.duration <= _LONGEST:
            found.append(Problem("duration", f"{format_duration(self.duration)} is not between 1s and 1h", "write one that is"))
        return found


class ChaosSpec(ComponentSpec):
    """Experiments by Chaos Mesh, which must be installed in the cluster."""

    experiments: tuple[ExperimentSpec, ...] = setting(
        help="What is broken on purpose, and when.", becomes="Schedule chaos-<name>", min_length=1
    )
    window: WindowSpec | None = setting(
        None,
        help="When experiments may run. Without one there are none in production.",
        becomes="a check of every schedule",
    )

    def problems(self) -> list[Problem]:
        titles = [experiment.title for experiment in self.experiments]
        found = [
            Problem(f"experiments[{places[1]}].name", f"{title} is already experiments[{places[0]}]", "give it another name")
            for title, places in duplicates(titles).items()
        ]
        return [*found, *self._outside(), *self._together()]

    def _outside(self) -> Iterator[Problem]:
        if self.window is None or self.window.problems():
            return
        for index, experiment in enumerate(self.experiments):
            if not all(self.window.holds(start, experiment.minutes) for start in experiment.cron.starts()):
                yield Problem(
                    f"experiments[{index}].schedule",
                    f"{experiment.schedule} is not always inside chaos.window",
                    "write days and hours of the window, and * for the day of the month and the month",
                )

    def _together(self) -> Iterator[Problem]:
        """Two losses at once are another experiment, which nothing here promises to survive."""
        busy: dict[int, int] = {}
        for index, experiment in enumerate(self.experiments):
            taken = {
                (start + offset) % WEEK_MINUTES
                for start in experiment.cron.starts()
                for offset in range(experiment.minutes + REST_MINUTES)
            }
            other = min((busy[one] for one in taken if one in busy), default=None)
            if other is not None:
                yield Problem(
                    f"experiments[{index}].schedule",
                    f"begins while experiments[{other}] runs, or less than {REST_MINUTES} minutes before or after it",
                    "move one of them",
                )
            busy |= dict.fromkeys(taken, index)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        if environment.target == "docker":
            yield Problem(
                "chaos", "experiments are Chaos Mesh's, which runs on Kubernetes", "leave it out for the docker target"
            )
            return
        if environment.tier == "production" and self.window is None:
            yield Problem("chaos.window", "production is not disturbed at any time", "write days, opens, closes and owner")
        for index, experiment in enumerate(self.experiments):
            lack = KINDS[experiment.kind].lacks(environment)
            if lack is not None:
                yield Problem(
                    f"chaos.experiments[{index}].kind",
                    f"{experiment.kind} proves nothing here: the environment has {lack}",
                    "leave it out, or declare what it takes",
                )
