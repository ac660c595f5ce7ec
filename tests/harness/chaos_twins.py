"""For every kind of experiment the test that does the same to real programs on this machine.

netem is in few kernels of build machines: latency is made by what forwards a published port. A partition is a route that leads
nowhere, in the network of the test's own. A process that is stopped (SIGSTOP) gets neither CPU nor memory, and is silent
with its connections open, as one behind a partition is.
"""

from components.chaos.kinds import KindName

_INTEGRATION = "tests/integration"
TWINS: dict[KindName, str] = {
    "broker-kill": f"{_INTEGRATION}/test_brokers.py::test_a_killed_broker_loses_no_acknowledged_write_and_stops_no_other",
    "broker-partition": f"{_INTEGRATION}/test_brokers.py::test_a_broker_that_falls_silent_is_led_around_and_comes_back",
    "broker-latency": f"{_INTEGRATION}/test_brokers.py::test_a_slow_way_to_a_broker_slows_writes_and_refuses_none",
    "broker-cpu": f"{_INTEGRATION}/test_brokers.py::test_a_broker_that_falls_silent_is_led_around_and_comes_back",
    "broker-memory": f"{_INTEGRATION}/test_brokers.py::test_a_broker_that_falls_silent_is_led_around_and_comes_back",
    "controller-partition": f"{_INTEGRATION}/test_brokers.py::test_a_leading_controller_that_is_cut_off_is_replaced",
    "registry-failure": f"{_INTEGRATION}/test_schema_registry.py::"
    "test_killing_a_registry_and_reloading_haproxy_fail_no_request",
    "connect-worker-kill": f"{_INTEGRATION}/test_connect.py::test_what_is_killed_goes_on_where_it_was",
    "postgres-away": "tests/sink/integration/test_failures_around.py::test_a_restart_of_a_server_loses_and_doubles_nothing",
    "redis-kill": f"{_INTEGRATION}/test_redis.py::test_a_dead_master_is_replaced_and_comes_back_as_a_replica",
}
"""By pytest's node ids."""
