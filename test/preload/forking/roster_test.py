import unittest

from webui_preload.forking.roster import Request, Roster


def yes(_worker: str) -> bool:
    return True


class RosterTest(unittest.TestCase):
    def setUp(self) -> None:
        self.roster = Roster()

    def ask(self, *workers: str, replaces: bool = False) -> None:
        for worker in workers:
            self.roster.request(Request(worker, replaces))

    def next(self) -> str | None:
        request = self.roster.next(yes)
        return request.worker if request else None

    def test_one_at_a_time_until_the_first_has_seeded_the_database(self) -> None:
        self.ask("a", "b", "c")
        self.assertEqual(self.next(), "a")
        self.assertIsNone(self.next())
        self.roster.ready("a")
        self.assertEqual([self.next(), self.next(), self.next()], ["b", "c", None])

    def test_where_the_first_dies_the_second_takes_its_part(self) -> None:
        self.ask("a", "b", "c")
        self.next()
        self.roster.gone("a")
        self.assertEqual(self.next(), "b")
        self.assertIsNone(self.next())
        self.assertFalse(self.roster.has_been_ready)

    def test_one_replacement_at_a_time_until_the_former_worker_has_left(self) -> None:
        self.ask("a", "b", replaces=True)
        self.assertEqual(self.next(), "a")
        self.roster.ready("a")
        self.assertIsNone(self.next(), "memory is planned for one worker more, not for two")
        self.ask("fresh")
        self.assertEqual(self.next(), "fresh", "a worker that replaces none need not wait")
        self.roster.replaced("a")
        self.assertEqual(self.next(), "b")

    def test_a_replacement_that_dies_makes_room(self) -> None:
        self.ask("a", "b", replaces=True)
        self.next()
        self.roster.gone("a")
        self.assertEqual(self.next(), "b")

    def test_a_request_that_cannot_be_met_yet_holds_up_no_other(self) -> None:
        self.ask("a", "b")
        request = self.roster.next(lambda worker: worker == "b")
        self.assertEqual(request and request.worker, "b")

    def test_a_withdrawn_request_is_forgotten(self) -> None:
        self.ask("a", "b")
        self.roster.gone("a")
        self.assertEqual(self.next(), "b")
