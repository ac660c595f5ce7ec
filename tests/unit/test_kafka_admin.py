"""What becomes of a request that librdkafka gives up on its way."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from operations.live import kafka_admin
from operations.live.kafka import UnreachableError
from operations.live.kafka_admin import KafkaAdmin

Admin = Callable[..., KafkaAdmin]


@pytest.fixture(name="answering")
def _answering(monkeypatch: pytest.MonkeyPatch) -> Admin:
    """An administrator whose fake client answers each request with the next of some codes; ``None`` is success."""

    def make(*codes: int | None) -> KafkaAdmin:
        left = list(codes)

        class FakeClient:
            def __init__(self, *_: object, **__: object) -> None: ...

            def create_topics(self, topics: list[Any], **_: object) -> dict[str, "Future[None]"]:
                return {topics[0].topic: self._answer()}

            def delete_topics(self, topics: list[str], **_: object) -> dict[str, "Future[None]"]:
                return {topics[0]: self._answer()}

            def _answer(self) -> "Future[None]":
                answer: Future[None] = Future()
                code = left.pop(0)
                if code is None:
                    answer.set_result(None)
                else:
                    answer.set_exception(KafkaException(KafkaError(code)))
                return answer

        monkeypatch.setattr(kafka_admin, "AdminClient", FakeClient)
        return KafkaAdmin("kafka", {"bootstrap.servers": "nowhere:9092"})

    return make


@pytest.mark.parametrize("then", [None, KafkaError.TOPIC_ALREADY_EXISTS])
def test_a_topic_is_made_whether_or_not_the_request_that_was_given_up_made_it(answering: Admin, then: int | None) -> None:
    answering(KafkaError._DESTROY_BROKER, then).create_topic("orders", 1, 1, {})


@pytest.mark.parametrize("then", [None, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_a_topic_is_gone_whether_or_not_the_request_that_was_given_up_took_it_away(answering: Admin, then: int | None) -> None:
    answering(KafkaError._DESTROY_BROKER, then).delete_topic("orders")


def test_any_other_refusal_names_the_topic(answering: Admin) -> None:
    with pytest.raises(UnreachableError, match="topic orders: "):
        answering(KafkaError.POLICY_VIOLATION).create_topic("orders", 1, 1, {})
