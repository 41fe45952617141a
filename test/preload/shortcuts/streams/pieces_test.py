import json
import unittest
from typing import Any

from webui_preload.shortcuts.streams.pieces import Lines


def line(delta: dict[str, Any], **more: Any) -> bytes:
    return b"data: %s\n" % json.dumps({"id": "x", "choices": [{"delta": delta, **more}]}).encode()


def fed(*lines: bytes, marks: str = ">") -> list[bytes]:
    together = Lines(marks)
    together.feed(b"\n".join(lines))
    return together.take()


def told(data: bytes) -> Any:
    return json.loads(data.removeprefix(b"data:"))


class LinesTest(unittest.TestCase):
    def test_joins_pieces_of_text_that_follow_each_other(self) -> None:
        [joined] = fed(*(line({"content": text}) for text in ("a", ' "é" \\', "\n", "🐟\u2028<", "b")))
        self.assertEqual(told(joined)["choices"][0]["delta"], {"content": 'a "é" \\\n🐟\u2028<b'})
        self.assertTrue(joined.endswith(b"}\n"))

    def test_leaves_a_single_piece_as_it_came(self) -> None:
        alone = b'data:{"choices": [ {"delta": {"content": "a", "role": "assistant"}}], "created": 1e400}\n'
        self.assertEqual(fed(alone), [alone])

    def test_keeps_each_kind_of_text_apart(self) -> None:
        kinds = ["reasoning_content", "reasoning_content", "content", "content", "reasoning"]
        joined = fed(*(line({kind: "a", "refusal": None}) for kind in kinds))
        deltas = [told(each)["choices"][0]["delta"] for each in joined]
        self.assertEqual([delta.get("reasoning_content") for delta in deltas], ["aa", None, None])
        self.assertEqual([delta.get("content") for delta in deltas], [None, "aa", None])

    def test_leaves_alone_what_does_more_than_add_text(self) -> None:
        others = [
            line({"content": "a"}, finish_reason="stop"),
            line({"content": "a", "tool_calls": [{"index": 0}]}),
            line({"content": "a", "reasoning_content": "b"}),
            line({"content": "a", "annotations": [{}]}),
            line({"content": ["a"]}),
            line({"content": "a>"}),
            line({"content": ""}),
            b'data: {"choices": [{"delta": {"content": "a"}}], "usage": {"total_tokens": 1}}\n',
            b'data: {"choices": [{"delta": {"content": "a"}}, {"delta": {}}]}\n',
            b'data: {"choices": [{"delta": {"content": "a"}}], "event": {"type": "status"}}\n',
            b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n',
            b'data: {"choices": [{"delta": {"content": "\\udc1f"}}]}\n',
            b"data: [DONE]\n",
            b": a comment\n",
            b"event: message\n",
            b'data: {"type": "response.output_text.delta", "delta": "a"}\n',
        ]
        twice = [other for other in others for _ in range(2)]
        self.assertEqual(fed(*twice), twice)

    def test_takes_lines_that_arrive_in_parts(self) -> None:
        data = b"".join(line({"content": text}) + b"\r\n" for text in ("a", "é", "c"))
        lines = Lines("")
        counted = sum(lines.feed(data[index : index + 1]) for index in range(len(data)))
        self.assertEqual((counted, lines.waiting, lines.kind), (3, 3, "content"))
        [joined] = lines.take()
        self.assertEqual(told(joined)["choices"][0]["delta"], {"content": "aéc"})
        self.assertEqual((lines.take(), lines.kind), ([], None))

    def test_keeps_what_the_upstream_did_not_end(self) -> None:
        lines = Lines("")
        lines.feed(b"data: {}\ndata: [DO")
        self.assertEqual((lines.take(), lines.take_rest()), ([b"data: {}\n"], b"data: [DO"))
