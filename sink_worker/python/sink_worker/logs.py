"""Structured logs: one JSON object a line on the standard error, in the shape of B section 8."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor

from sink_worker.settings import LogSettings


def set_up_logs(settings: LogSettings, **context: object) -> None:
    """``context`` is in every line of this process. Of other libraries only warnings are written, in the same form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
        _with(context),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings)],
    ))  # fmt: skip
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("sink_worker").setLevel(settings.level.upper())


def _rendering(settings: LogSettings) -> list[Processor]:
    if settings.format == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _with(context: dict[str, object]) -> Processor:
    def add(_logger: object, _name: str, event: EventDict) -> EventDict:
        return {**event, **{name: value for name, value in context.items() if name not in event}}

    return add
