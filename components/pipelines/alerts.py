"""From where on a pipeline is not well (requirements A8 and B12)."""

from components.core.model import SpecModel, setting
from components.core.quantities import Duration, Percent

MOST_RECORDS = 1_000_000_000_000


class PipelineAlertsSpec(SpecModel):
    """One pipeline's own thresholds; what is left out is ``observability.thresholds``'."""

    lag: int | None = setting(
        None, help="Records behind, in its worst partition.", becomes="alert HighConsumerLag", ge=1, le=MOST_RECORDS
    )
    lag_time: Duration | None = setting(
        None, help="How long its oldest unwritten change waits.", becomes="alert PipelineBehind"
    )
    errors: Percent | None = setting(None, help="Errors, in percent of events.", becomes="alert PipelineErrors")
    dead_letters: int | None = setting(
        None, help="Refused events that wait for somebody.", becomes="alert DeadLetters", ge=1, le=MOST_RECORDS
    )
