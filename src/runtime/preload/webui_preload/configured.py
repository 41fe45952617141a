"""What few installations configure, and what brings in libraries that others need not import."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Configured:
    #: A tool server of type "mcp".
    mcp: bool = True
    #: A search of documents by words and vectors.
    hybrid_search: bool = True


#: Also for who does not know.
ALL = Configured()
