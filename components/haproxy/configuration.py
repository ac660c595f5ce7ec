"""HAProxy's configuration, valid for 2.6 and for every later release. It holds no secret. Pure."""

from collections.abc import Iterator

from components.core.quantities import format_duration
from components.core.secrets import NEXT, PREVIOUS
from components.haproxy.backend import SAFE_METHODS, Backend, Server
from components.haproxy.spec import HaproxySpec
from components.haproxy.text import Line, Section, dump

SECRETS = "/run/secrets/haproxy"
CERTIFICATE = "server.pem"
CERTIFICATE_KEY = f"{CERTIFICATE}.key"
"""HAProxy looks for a certificate's key beside it, under its name with ``.key``."""
CLIENT_CA = "client-ca.pem"

LIVE, READY, METRICS, STATS = "/live", "/ready", "/metrics", "/stats"

BUFFER_BYTES = 65_536
"""A request that fits in a buffer can be sent a second time: schemas do, and Connect's configurations."""

_CONNECTION_BYTES = 4 * BUFFER_BYTES
"""What one connection may take: a buffer each way on either side of HAProxy."""

_REMEMBERED = "5m"
"""How long a password that was right is not hashed again: a hash is slow on purpose, and would cost milliseconds a request."""

_RETRIED = ("conn-failure", "empty-response", "response-timeout")


def configuration(spec: HaproxySpec, backends: tuple[Backend, ...], host: str) -> str:
    """The whole file. ``host`` is the address it listens on, ``*`` for all; each backend has a frontend of its name."""
    sections = [_global(spec), _defaults(), _resolvers(), _statistics(spec, backends, host)]
    for backend in backends:
        sections.append(_frontend(spec, backend, host))
        if spec.authentication_of(backend.name) == "basic":
            sections.append(_known_clients(backend))
        sections.append(_backend(backend))
    return dump(sections)


def userlist(frontend: str, end: str = "") -> str:
    """The name of the list of who may enter ``frontend``; it stands in a file that is made where HAProxy starts. ``end`` says
    with which password: the one before, or the one after."""
    return f"users-{frontend}" + (f"-{end}" if end else "")


def userlists(spec: HaproxySpec, frontend: str) -> tuple[str, ...]:
    """All of a frontend's: who is in one of them may enter."""
    ends = (NEXT, PREVIOUS) if any(user.is_rotated for user in spec.users_of(frontend)) else ()
    return tuple(userlist(frontend, end) for end in ("", *ends))


def _global(spec: HaproxySpec) -> Section:
    threads = min(64, -(-spec.resources.cpu_limit_millicores // 1000))
    lines: list[Line] = [
        ("log", "stdout", "format", "raw", "local0", "info"),
        ("nbthread", str(threads)),
        ("maxconn", str(spec.resources.memory // _CONNECTION_BYTES)),
        ("hard-stop-after", format_duration(spec.drain)),
        ("tune.bufsize", str(BUFFER_BYTES)),
    ]
    if spec.tls.enabled:
        lines.append(("ssl-default-bind-options", "ssl-min-ver", spec.tls.minimum, "no-tls-tickets"))
    return Section("global", tuple(lines))


def _defaults() -> Section:
    """A connection that waits for its next request is told to close with the next answer, and never closed under it. A request
    is passed on once all of it is there, or a buffer is full: only what is held can be sent a second time."""
    return Section(
        "defaults",
        (
            ("mode", "http"),
            ("log", "global"),
            ("option", "httplog"),
            ("option", "dontlognull"),
            ("option", "forwardfor"),
            ("option", "http-buffer-request"),
            ("option", "idle-close-on-response"),
            ("option", "redispatch", "1"),
            ("timeout", "connect", "2s"),
            ("timeout", "check", "2s"),
            ("timeout", "queue", "5s"),
            ("timeout", "client", "60s"),
            ("timeout", "server", "60s"),
            ("timeout", "http-request", "10s"),
            ("timeout", "http-keep-alive", "30s"),
        ),
    )


def _resolvers() -> Section:
    """A pod or container that comes back has another address. What is known is kept while DNS itself fails."""
    kept = tuple(("hold", reason, "7d") for reason in ("other", "refused", "timeout"))
    lines: tuple[Line, ...] = (
        ("parse-resolv-conf",),
        ("accepted_payload_size", "8192"),
        ("resolve_retries", "3"),
        ("timeout", "resolve", "1s"),
        ("timeout", "retry", "1s"),
        ("hold", "valid", "1s"),
        ("hold", "nx", "10s"),
        *kept,
    )
    return Section("resolvers", lines, "dns")


def _statistics(spec: HaproxySpec, backends: tuple[Backend, ...], host: str) -> Section:
    """Ready once any service has a server: until DNS has answered there is none."""
    asked = ("{", "path", READY, "}")
    ready = [
        ("http-request", "return", "status", "200", "if", *asked, "{", f"nbsrv({backend.name})", "gt", "0", "}")
        for backend in backends
    ]
    return Section(
        "frontend",
        (
            ("bind", f"{host}:{spec.stats_port}"),
            ("monitor-uri", LIVE),
            ("http-request", "set-log-level", "silent"),
            ("http-request", "use-service", "prometheus-exporter", "if", "{", "path", METRICS, "}"),
            *ready,
            ("http-request", "return", "status", "503", "if", *asked),
            ("stats", "enable"),
            ("stats", "uri", STATS),
            ("stats", "refresh", "10s"),
            ("stats", "hide-version"),
        ),
        "stats",
    )


def _frontend(spec: HaproxySpec, backend: Backend, host: str) -> Section:
    lines: list[Line] = [_bind(spec, backend, host)]
    if spec.authentication_of(backend.name) == "basic":
        lines += _authentication(backend.name, userlists(spec, backend.name))
    lines.append(("default_backend", backend.name))
    return Section("frontend", tuple(lines), backend.name)


def _bind(spec: HaproxySpec, backend: Backend, host: str) -> Line:
    words = ["bind", f"{host}:{backend.port}"]
    if spec.tls.enabled:
        words += ["ssl", "crt", f"{SECRETS}/{CERTIFICATE}", "alpn", "h2,http/1.1"]
    if spec.authentication_of(backend.name) == "tls":
        words += ["ca-file", f"{SECRETS}/{CLIENT_CA}", "verify", "required"]
    return words


def _known_table(frontend: str) -> str:
    return f"known-{frontend}"


def _authentication(frontend: str, lists: tuple[str, ...]) -> Iterator[Line]:
    """A password is hashed when it is first seen, and then only every :data:`_REMEMBERED`; of what was right, only the
    digest is kept, in memory. The servers are not told it."""
    known = ("{", f"var(txn.credentials),table_gpc0({_known_table(frontend)})", "gt", "0", "}")
    yield ("http-request", "set-var(txn.credentials)", "req.fhdr(authorization),sha2(256)")
    right = [word for each in lists for word in ("||", "{", f"http_auth({each})", "}")]
    yield ("http-request", "auth", "realm", frontend, "unless", *known, *right)
    yield ("http-request", "track-sc0", "var(txn.credentials)", "table", _known_table(frontend), "unless", *known)
    yield ("http-request", "sc-inc-gpc0(0)", "unless", *known)
    yield ("http-request", "del-header", "Authorization")


def _known_clients(backend: Backend) -> Section:
    table = ("stick-table", "type", "binary", "len", "32", "size", "10k", "expire", _REMEMBERED, "store", "gpc0")
    return Section("backend", (table,), _known_table(backend.name))


def _backend(backend: Backend) -> Section:
    lines: list[Line] = [
        ("balance", backend.balance),
        ("timeout", "server", f"{backend.timeout_seconds}s"),
        ("retries", str(backend.retries)),
        ("retry-on", *_RETRIED, *map(str, backend.retried)),
        ("http-request", "disable-l7-retry", "unless", "{", "method", *backend.repeatable, "}"),
        *_own_retries(backend),
        *_affinity(backend),
    ]
    if backend.prefix:
        own = () if backend.own is None else ("unless", "{", "path_beg", backend.own.path, "}")
        lines.append(("http-request", "set-path", f"{backend.prefix}%[path]", *own))
    lines += [
        *_health(backend),
        ("default-server", *_server_defaults(backend)),
        *(_server(backend, server) for server in backend.servers),
    ]
    return Section("backend", tuple(lines), backend.name)


def _health(backend: Backend) -> Iterator[Line]:
    yield ("option", "httpchk")
    if backend.ready is not None:
        yield ("http-check", "connect", "port", str(backend.ready.port))
        yield from _asked(backend.ready.path, backend.name)
        yield ("http-check", "connect", "default")
    yield from _asked(backend.health_path, backend.name)


def _asked(path: str, host: str) -> Iterator[Line]:
    yield ("http-check", "send", "meth", "GET", "uri", path, "ver", "HTTP/1.1", "hdr", "Host", host)
    yield ("http-check", "expect", "status", "200")


def _own_retries(backend: Backend) -> Iterator[Line]:
    if backend.own is not None:
        parameter, beginning = backend.own.repeatable_if
        below = ("{", "path_beg", backend.own.path, "}", "!{", "method", *SAFE_METHODS, "}")
        asked = ("!{", f"url_param({parameter})", "-m", "beg", beginning, "}")
        yield ("http-request", "disable-l7-retry", "if", *below, *asked)


def _affinity(backend: Backend) -> Iterator[Line]:
    """Each HAProxy remembers for itself which server it chose for a thing."""
    if not backend.affinity:
        return
    yield ("stick-table", "type", "string", "len", "255", "size", "100k", "expire", "30m")
    yield ("stick", "on", "var(txn.thing)", "if", "{", "var(txn.thing)", "-m", "found", "}")
    for entry in (*backend.affinity, *(() if backend.own is None else backend.own.affinity)):
        part = f"path,field({entry.part},/)"
        yield ("http-request", "set-var(txn.thing)", part, "if", "{", "path_beg", entry.prefix, "}")
    if backend.own is not None:
        name = f"req.hdr({backend.own.named_by})"
        named = ("{", "path_beg", backend.own.path, "}", "{", name, "-m", "found", "}")
        yield ("http-request", "set-var(txn.thing)", name, "if", *named)


def _server_defaults(backend: Backend) -> Line:
    """Down after two failed checks, back after one that succeeds; requests go elsewhere at the first failure all the same."""
    words = ["check", "inter", "2s", "fastinter", "1s", "fall", "2", "rise", "1", "resolvers", "dns"]
    if backend.server_ca is not None:
        words += ["ssl", "verify", "required", "ca-file", f"{SECRETS}/{backend.server_ca.name}"]
    return words


def _server(backend: Backend, server: Server) -> Line:
    """Names are looked up at the start as well, but for those with several addresses: that would give each the first."""
    address = f"{server.host}:{server.port}"
    if server.instances > 1:
        words = ["server-template", f"{server.name}-", f"1-{server.instances}", address, "init-addr", "none"]
    else:
        words = ["server", server.name, address, "init-addr", "last,libc,none"]
    if backend.server_ca is not None:
        words += ["verifyhost", server.host, "sni", f"str({server.host})"]
    return [*words, "backup"] if server.backup else words
