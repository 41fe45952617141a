import logging
import sys
import unittest
from types import TracebackType

import psycopg
import redis
from sqlalchemy.exc import OperationalError
from webui_preload.services.outage import DATABASE, REDIS, OutageFilter, Outages, service_of

REFUSED = redis.ConnectionError("Error 111 connecting to 127.0.0.1:6379. Connection refused.")


class ServiceOfTest(unittest.TestCase):
    def test_a_lost_redis(self) -> None:
        for error in (REFUSED, redis.TimeoutError("Timeout reading from h"), redis.BusyLoadingError("loading")):
            self.assertEqual(service_of(error), REDIS)

    def test_a_lost_database_whatever_it_is_wrapped_in(self) -> None:
        lost = psycopg.OperationalError("server closed the connection unexpectedly")
        shutdown = psycopg.errors.AdminShutdown("terminating connection due to administrator command")
        wrapped = OperationalError("SELECT 1", {}, lost)
        request = RuntimeError("the request failed")
        request.__cause__ = wrapped
        for error in (lost, shutdown, wrapped, request, ExceptionGroup("unhandled", [ValueError(), wrapped])):
            self.assertEqual(service_of(error), DATABASE, repr(error))

    def test_what_a_service_that_is_there_complains_of_is_no_outage(self) -> None:
        for error in (
            psycopg.errors.DeadlockDetected("deadlock detected"),
            psycopg.errors.QueryCanceled("canceling statement due to statement timeout"),
            psycopg.errors.DiskFull("could not extend file"),
            psycopg.IntegrityError("duplicate key"),
            redis.ResponseError("WRONGTYPE"),
            redis.exceptions.MaxConnectionsError("Too many connections"),
            ConnectionRefusedError("a model's server"),
            ValueError("Connection refused"),
        ):
            self.assertIsNone(service_of(error), repr(error))


class OutagesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.outages = Outages(self.said.append, lambda: self.now)
        self.printed: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.printed.append(record.getMessage())  # type: ignore[method-assign]
        handler.addFilter(OutageFilter(self.outages))
        self.log = logging.getLogger("outage_test")
        self.log.propagate = False
        self.log.handlers = [handler]

    def fail(self, error: BaseException) -> None:  # type: ignore[override]
        try:
            raise error
        except BaseException:
            self.log.exception("a request failed")

    def test_a_thousand_failures_are_two_lines(self) -> None:
        for _ in range(1000):
            self.fail(REFUSED)
            self.log.error("Cannot publish to redis... giving up")
        self.now += 20.06
        self.assertTrue(self.outages.answers(REDIS))
        self.assertEqual(
            self.said,
            [
                "Redis is lost: Error 111 connecting to 127.0.0.1:6379. Connection refused. What fails because of it "
                "is counted, not logged",
                "Redis answers again, after 20.1 s; log entries left out: 2000",
            ],
        )
        self.assertEqual(self.printed, [])

    def test_what_fails_late_is_no_further_loss_but_what_the_watch_sees_is(self) -> None:
        self.fail(REFUSED)
        self.outages.answers(REDIS)
        self.now += 14
        self.fail(redis.TimeoutError("Timeout writing to socket"))
        self.log.error("Cannot publish to redis... giving up")
        self.assertFalse(self.outages.is_lost(REDIS))
        self.assertEqual(self.printed, [])
        self.outages.lost(REDIS, "the watch")
        self.assertTrue(self.outages.is_lost(REDIS))
        self.outages.answers(REDIS)
        self.now += 16
        self.fail(REFUSED)
        self.assertTrue(self.outages.is_lost(REDIS))

    def test_all_else_is_logged_as_ever(self) -> None:
        self.fail(REFUSED)
        self.fail(ValueError("a defect"))
        self.fail(psycopg.errors.DeadlockDetected("deadlock detected"))
        self.log.warning("a user could not sign in")
        self.assertEqual(self.printed, ["a request failed", "a request failed", "a user could not sign in"])

    def test_words_alone_are_believed_only_while_the_service_is_known_to_be_lost(self) -> None:
        self.log.error("Cannot publish to redis... giving up")
        self.outages.lost(REDIS, "Connection refused")
        self.log.error("Cannot publish to redis... giving up")
        self.log.error("the database system is shutting down")
        self.assertEqual(
            self.printed, ["Cannot publish to redis... giving up", "the database system is shutting down"]
        )

    def test_each_service_has_lines_of_its_own(self) -> None:
        self.fail(REFUSED)
        self.fail(psycopg.OperationalError("connection to server at 1 failed"))
        self.assertFalse(self.outages.answers("another"))
        self.outages.answers(DATABASE)
        self.assertTrue(self.outages.is_lost(REDIS))
        self.assertEqual(len(self.said), 3)

    def test_a_record_that_cannot_be_understood_is_not_lost(self) -> None:
        class Odd(Exception):
            @property
            def __cause__(self) -> None:  # type: ignore[override]
                raise RuntimeError

        error = Odd()
        trace: TracebackType | None = None
        self.log.error("odd", exc_info=(Odd, error, trace))
        self.assertEqual(self.printed, ["odd"])
        self.assertIsNone(sys.exc_info()[0])
