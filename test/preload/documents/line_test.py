import unittest

from webui_preload.documents.jobs import Job
from webui_preload.documents.line import Entry, Line


def entry(name: str) -> Entry:
    return Entry(Job("upload", name, "user", {}))


class LineTest(unittest.TestCase):
    def setUp(self) -> None:
        self.line = Line(2)
        self.entries = [entry(name) for name in "abcd"]
        for one in self.entries:
            self.line.join(one)

    def test_takes_the_first_two_and_counts_the_others(self) -> None:
        a, b, c, d = self.entries
        self.assertEqual([self.line.next(), self.line.next(), self.line.next()], [a, b, None])
        self.assertEqual(list(self.line.places()), [(1, c), (2, d)])

    def test_a_turn_that_is_over_is_the_next_ones(self) -> None:
        _, b, c, d = self.entries
        self.line.next()
        self.line.next()
        self.line.leave(b)
        self.line.leave(c)
        self.assertEqual(self.line.next(), d)
        self.assertFalse(self.line.is_waited_in())

    def test_what_is_left_to_do_for_one_goes_before_the_others(self) -> None:
        a, _, _, _ = self.entries
        self.line.next()
        self.line.next()
        self.line.leave(a)
        self.line.join_first(a)
        self.assertEqual([self.line.next(), self.line.next()], [a, None])
