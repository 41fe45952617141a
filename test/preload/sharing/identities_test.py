import asyncio
import base64
import os
import secrets
import types
import unittest
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from child import in_child
from webui_preload.sharing.identities import EntropyRecorder, Identities, find_identities


class Plain:
    pass


class Slotted:
    __slots__ = ("ident",)
    ident: str


class WithClassAttribute:
    ident = ""


async def _wait(future: "asyncio.Future[int]") -> int:
    return await future


def in_child_of(identities: Identities, look: Callable[[], object]) -> str:
    """What ``look`` returns in a forked child after its ids were drawn anew."""

    def check() -> str:
        identities.redraw()
        return str(look())

    return in_child(check)


class IdentitiesTest(unittest.TestCase):
    def find(self, recorder: EntropyRecorder) -> Identities:
        found = find_identities(recorder.draws)
        self.assertEqual(found.unreachable, [])
        return found

    def test_two_children_of_one_parent_have_ids_of_their_own(self) -> None:
        with EntropyRecorder() as recorder:
            module = types.ModuleType("app")
            module.INSTANCE_ID = str(uuid.uuid4())  # type: ignore[attr-defined]
        found = self.find(recorder)
        original = module.INSTANCE_ID
        answers = {in_child_of(found, lambda: module.INSTANCE_ID) for _ in range(3)}
        self.assertEqual(len(answers | {original}), 4)
        self.assertEqual(module.INSTANCE_ID, original, "the parent keeps its own")
        for answer in answers:
            self.assertEqual(uuid.UUID(answer).version, 4)

    def test_what_asyncio_keeps_for_reuse_is_left_alone(self) -> None:
        async def wait_for_many() -> int:
            loop = asyncio.get_running_loop()
            futures = [loop.create_future() for _ in range(300)]
            waiting = [loop.create_task(_wait(future)) for future in futures]
            await asyncio.sleep(0)
            for future in futures:
                future.set_result(1)
            return sum(await asyncio.gather(*waiting))

        def check() -> str:
            with EntropyRecorder() as recorder:
                ident = [str(uuid.uuid4())]
                first = asyncio.run(wait_for_many())
            found = find_identities(recorder.draws)
            return f"{first} {asyncio.run(wait_for_many())} {len(ident)} {len(found.places)}"

        self.assertEqual(in_child(check), "300 300 1 1")

    def test_every_form_and_place_is_renewed_and_stays_of_its_kind(self) -> None:
        plain, slotted = Plain(), Slotted()
        captured = uuid.uuid4().hex
        with EntropyRecorder() as recorder:
            plain.ident = uuid.uuid4()  # type: ignore[attr-defined]
            slotted.ident = uuid.uuid4().hex
            WithClassAttribute.ident = secrets.token_urlsafe(32)
            captured = secrets.token_hex(24)
            listed: list[Any] = [None, uuid.uuid4().int]
            collected = {uuid.uuid4().bytes}
            keyed = {str(uuid.uuid4()): "value"}
            composed = {"key": f"suppress-{uuid.uuid4()}-end", "self": [0]}

        def closure() -> str:
            return captured

        def everything() -> list[Any]:
            return [
                plain.ident,  # type: ignore[attr-defined]
                slotted.ident,
                WithClassAttribute.ident,
                closure(),
                listed[1],
                *collected,
                *keyed,
                composed["key"],
            ]

        # Hashes: a list of the values themselves would be one more place to renew.
        before = [(type(value), hash(value)) for value in everything()]
        found = self.find(recorder)
        found.redraw()
        after = everything()
        for (kind, old), new in zip(before, after, strict=True):
            self.assertNotEqual(old, hash(new), new)
            self.assertIs(type(new), kind)
        self.assertEqual(after[0].version, 4)
        self.assertEqual(len(base64.urlsafe_b64decode(after[2] + "=")), 32)
        self.assertEqual(len(after[3]), 48)
        self.assertEqual(keyed[after[6]], "value")
        self.assertRegex(str(after[7]), r"^suppress-[0-9a-f-]{36}-end$")

    def test_an_id_in_two_places_stays_one_id(self) -> None:
        with EntropyRecorder() as recorder:
            ident = str(uuid.uuid4())
        first, second = {"id": ident, "self": []}, {"id": ident, "self": []}
        found = self.find(recorder)
        found.redraw()
        self.assertEqual(first["id"], second["id"])
        self.assertNotEqual(first["id"], ident)

    def test_a_place_that_cannot_be_written_is_reported(self) -> None:
        with EntropyRecorder() as recorder:
            frozen: tuple[Any, ...] = (str(uuid.uuid4()), [])
        found = find_identities(recorder.draws)
        self.assertEqual(len(found.unreachable), 1, found.unreachable)
        self.assertIn("tuple", found.unreachable[0])
        self.assertTrue(frozen)

    def test_children_draw_different_random_numbers(self) -> None:
        import random

        import numpy

        def draw() -> str:
            return f"{random.random()} {numpy.random.random()}"

        found = find_identities([])
        numbers = [in_child_of(found, draw).split() for _ in range(2)]
        self.assertNotEqual(numbers[0][0], numbers[1][0])
        self.assertNotEqual(numbers[0][1], numbers[1][1])

    def test_a_seed_that_looks_like_a_uuid_is_no_identity(self) -> None:
        from numpy.random import SeedSequence

        with EntropyRecorder() as recorder:
            seed = SeedSequence(uuid.uuid4().int)
        self.assertEqual(find_identities(recorder.draws).unreachable, [])
        self.assertTrue(seed.entropy)

    def test_the_source_of_entropy_is_given_back(self) -> None:
        urandom = os.urandom
        with EntropyRecorder():
            self.assertIsNot(os.urandom, urandom)
        self.assertIs(os.urandom, urandom)

    def test_other_values_are_left_alone(self) -> None:
        with EntropyRecorder() as recorder:
            own = Plain()
            own.ident = str(uuid.uuid4())  # type: ignore[attr-defined]
        other = {"id": str(uuid.uuid4()), "self": []}
        before = dict(other)
        self.find(recorder).redraw()
        self.assertEqual(other, before)
        self.assertTrue(weakref.ref(own)())
