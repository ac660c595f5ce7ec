"""Whatever is asked of the admin API, it answers as its own description says (schemathesis), and never with a defect."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sink_worker.admin.application import make_api, make_application
from sink_worker.admin.settings import AdminSettings, Role
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.sink.unit.fake_backend import FakeBackend
from tests.sink.unit.test_admin_api import TOKENS, bearer, tokens_file

EXAMPLES = 12
"""For each route and test: a fixed budget, well under a quarter of a minute."""

VALID_CSV_IS_NOT_DESCRIBED = "POST /v1/validation/sheet"
"""OpenAPI says that a sheet is text, and not which text is one."""


class Later:
    """An application that is there once the tests run."""

    def __init__(self) -> None:
        self.application: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.application is not None
        await self.application(scope, receive, send)


served = Later()
schema = schemathesis.openapi.from_dict(make_api(FakeBackend()).openapi())
schema.app = served


@pytest.fixture(scope="module", autouse=True)
def _served(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The whole application stands behind the description."""
    own = AdminSettings(tokens_file=tokens_file(tmp_path_factory.mktemp("fuzz")), requests_per_minute=10**9)
    served.application = make_application(own, FakeBackend())


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: Any) -> None:
    left_out = [positive_data_acceptance] if case.operation.label == VALID_CSV_IS_NOT_DESCRIBED else []
    case.call_and_validate(headers=bearer(TOKENS[Role.ADMIN]), excluded_checks=left_out)
