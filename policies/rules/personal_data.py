"""Personal data leaves its source masked (requirement B9, section 9)."""

from collections.abc import Iterator

from components.core.paths import format_step
from policies.model import OUTSIDE_DEVELOPMENT, Rule, Subject, Violation


def _clear(subject: Subject) -> Iterator[Violation]:
    for index, pipeline in enumerate(subject.spec.pipelines):
        for table, personal in pipeline.personal_data.items():
            for column, mask in personal.columns.items():
                if mask.rule == "clear":
                    path = f"pipelines[{index}].personalData{format_step(table)}.columns{format_step(column)}"
                    yield Violation(path, f"{table}.{column} holds personal data, and is written as it is")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "personal-data-masked",
        "Columns with personal data are masked before they are written",
        "Whoever reads PostgreSQL, a dead letter or a log would read it too.",
        "Write hash, tokenize, partial or redact in pipelines[].personalData, or a waiver that says who answers for it.",
        "Requirement B9, section 9: data masking",
        OUTSIDE_DEVELOPMENT,
        _clear,
    ),
)
