"""Text as PostgreSQL can hold it, and as it can read it out of JSON."""

import re

#: Most texts with escapes have none of these.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
#: A surrogate in bytes, as CESU-8 and Python's surrogatepass write it.
_SURROGATE_BYTES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean(text: str) -> str:
    """Without what PostgreSQL's text cannot hold. Open WebUI itself takes the same out before it writes."""
    if not is_encodable(text):
        raw = text.encode("utf-8", "surrogateescape")
        try:
            # Halves of a pair that were written apart are one character.
            text = raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
        except UnicodeDecodeError:
            text = _SURROGATE_BYTES.sub(b"", raw).decode("utf-8", "replace")
    return text.replace("\0", "")


def clean_escapes(text: str) -> str:
    """JSON without the escapes of NUL and of lone surrogates: PostgreSQL stores them, but cannot read their text."""
    if not _SUSPICIOUS.search(text):
        return text
    high: tuple[int, int] | None = None
    cut: list[tuple[int, int]] = []
    for match in _ESCAPE.finditer(text):
        code = int(match[1], 16) if match[1] else -1
        if high is not None and not (0xDC00 <= code <= 0xDFFF and match.start() == high[1]):
            cut.append(high)
            high = None
        if 0xD800 <= code <= 0xDBFF:
            high = match.span()
        elif 0xDC00 <= code <= 0xDFFF and high is not None:
            high = None
        elif code == 0 or 0xDC00 <= code <= 0xDFFF:
            cut.append(match.span())
    if high is not None:
        cut.append(high)
    for start, end in sorted(cut, reverse=True):
        text = text[:start] + text[end:]
    return text
