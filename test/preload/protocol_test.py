import random
import unittest

from webui_preload.contract import LONGEST_FRAME
from webui_preload.protocol import Decoder, Frame, ProtocolError, encode, number, text


class DecoderTest(unittest.TestCase):
    def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(self) -> None:
        frames = [{"type": "fork", "worker": "1-0"}, {"role": "channel", "stream": "stdout"}, {"name": "é\n"}]
        stream = b"".join(map(encode, frames))
        for size in range(1, len(stream) + 1):
            decoder = Decoder()
            received: list[Frame] = []
            for start in range(0, len(stream), size):
                received += decoder.feed(stream[start : start + size])
            self.assertEqual(received, frames)

    def test_what_is_no_frame_is_refused(self) -> None:
        for line in (b"hello\n", b"[1]\n", b"\xff\xfe\n", b"{\n", b"null\n", b"[" * 5000 + b"\n", b"\n"):
            with self.subTest(line=line[:20]), self.assertRaises(ProtocolError):
                list(Decoder().feed(line))

    def test_a_line_without_end_is_refused_before_it_fills_the_memory(self) -> None:
        decoder = Decoder()
        with self.assertRaises(ProtocolError):
            for _ in range(LONGEST_FRAME):
                list(decoder.feed(b"x" * 16))

    def test_random_bytes_never_raise_anything_else(self) -> None:
        source = random.Random(1)
        for _ in range(5000):
            data = bytearray(encode({"type": "fork", "worker": "12-3", "drainSeconds": 60}))
            for _ in range(source.randrange(1, 6)):
                data[source.randrange(len(data))] = source.randrange(256)
            try:
                for frame in Decoder().feed(bytes(data)):
                    text(frame, "type")
                    number(frame, "drainSeconds", 0, 100)
            except ProtocolError:
                pass


class FieldTest(unittest.TestCase):
    def test_fields_are_checked_for_type_and_range(self) -> None:
        self.assertEqual(text({"a": "b"}, "a"), "b")
        self.assertEqual(number({"a": 2.5}, "a", 0, 3), 2.5)
        for frame in ({}, {"a": ""}, {"a": 1}, {"a": "x" * 201}):
            with self.assertRaises(ProtocolError):
                text(frame, "a")
        for value in (True, "1", None, -1, 4, float("nan")):
            with self.assertRaises(ProtocolError):
                number({"a": value}, "a", 0, 3)
