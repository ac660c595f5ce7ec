"""What is for one's own machine stays there (requirement B10)."""

from collections.abc import Iterator

from policies.model import OUTSIDE_DEVELOPMENT, Rule, Subject, Violation
from policies.rules.places import origin


def _databases(subject: Subject) -> Iterator[Violation]:
    if subject.spec.development is not None:
        yield Violation("development", f"a {subject.spec.tier} environment with databases that are for trying things out")


def _built(subject: Subject) -> Iterator[Violation]:
    for workload in subject.rendered.workloads:
        if workload.build is not None:
            yield Violation(f"{origin(subject, workload)}.build", "an image is built where it runs", workload.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "development-databases",
        "The platform's own source databases are for development only",
        "They have demo rows in them, one disk, no backup and no encryption, and go with the stack.",
        "Leave development out, and name the real sources in the pipelines.",
        "Requirement B10: the development stack",
        OUTSIDE_DEVELOPMENT,
        _databases,
    ),
    Rule(
        "development-images",
        "Images are built once, and not where they run",
        "What is built on the machine was judged by nobody, and the next machine's build is another one.",
        "Build it where changes are checked, push it, and name it with its tag or digest.",
        "SLSA build track; requirement B10",
        OUTSIDE_DEVELOPMENT,
        _built,
    ),
)
