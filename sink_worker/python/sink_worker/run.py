"""``sink-worker run``: one process, or a supervisor of several."""

import contextlib
import ctypes
import gc
import signal
import sys
import threading
from collections.abc import Callable

import structlog

from sink_worker.errors import FatalError, SinkError
from sink_worker.health import HttpServer
from sink_worker.logs import set_up_logs
from sink_worker.process import WorkerProcess
from sink_worker.settings import HttpSettings, Settings
from sink_worker.supervisor import ChildRole, Supervisor, child_role, own_command

_M_ARENA_MAX = -8  # malloc.h
GARBAGE_THRESHOLD = 200_000
"""Objects made and not yet freed before the collector looks: a few batches' worth."""
SWITCH_SECONDS = 0.0005
_log = structlog.get_logger("sink_worker")


def run_worker(settings: Settings, config: str | None) -> int:
    """Until told to stop; the exit code."""
    _few_arenas()
    _tune_interpreter()
    role = child_role()
    if settings.processes > 1 and role is None:
        return _supervise(settings, config)
    name = settings.worker_id if role is None else f"{settings.worker_id}-{role.index}"
    set_up_logs(settings.log, worker_id=name)
    worker = WorkerProcess(settings.of_one_process(), name)
    _on_signals(worker.stop)
    server = _serve(settings, worker, role)
    try:
        worker.run()
    except SinkError as error:
        _log.critical("ended", error=str(error))
        return error.exit_code
    finally:
        server.close()
    return 0


def _few_arenas() -> None:
    """glibc gives each thread an arena that it never returns: two of them hold the resident memory down. Elsewhere, nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _tune_interpreter() -> None:
    """Two costs of Python's that grow with a batch, measured at a third and a tenth of all processor time.

    The collector of cycles walks over every message that is held, again and again; a batch has no cycles, so that it need
    look only now and then. And a writer that comes back from PostgreSQL waits a whole interval for the interpreter.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)


def _serve(settings: Settings, worker: WorkerProcess, role: ChildRole | None) -> HttpServer:
    where = (
        settings.http if role is None else HttpSettings(host="127.0.0.1", port=0, stalled_seconds=settings.http.stalled_seconds)
    )
    server = _listen(where, worker)
    server.start()
    if role is not None:
        role.tell_port(server.port)
        role.end_with_parent()
    return server


def _listen(where: HttpSettings, asked: WorkerProcess | Supervisor) -> HttpServer:
    try:
        return HttpServer(where, asked.probes())
    except OSError as error:
        raise FatalError(f"http: cannot listen on {where.host}:{where.port} ({error.strerror}); set http.port") from error


def _supervise(settings: Settings, config: str | None) -> int:
    set_up_logs(settings.log, worker_id=settings.worker_id)
    supervisor = Supervisor(own_command(config), settings.processes, settings.shutdown_seconds)
    _on_signals(supervisor.stop)
    server = _listen(settings.http, supervisor)
    server.start()
    try:
        return supervisor.run()
    finally:
        server.close()


def _on_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop; the work is done in the main thread's own time."""

    def handle(number: int, _frame: object) -> None:
        threading.Thread(target=lambda: _log.info("stopping", signal=signal.Signals(number).name), daemon=True).start()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
