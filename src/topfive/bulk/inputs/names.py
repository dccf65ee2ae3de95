r"""How pictures are named: files by their paths, objects and web pages by addresses.

Names are bytes, as a file system has them. A row of a table of pictures is named
`/data/photos.parquet#image[17]`: the table, the column, and the row from 0 on.
"""

import os
import re
from dataclasses import dataclass

WEB_SCHEMES = ("http", "https")
TABLE_SUFFIXES = (b".parquet", b".pq")
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://")
_ROW = re.compile(rb"(.+\.(?i:parquet|pq))#(.+)\[([0-9]{1,18})\]", re.DOTALL)
_LOGIN = re.compile(rb"(?<=://)[^/?#]*@")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table whose column holds pictures' bytes."""

    table: bytes
    column: str
    row: int

    @property
    def name(self) -> bytes:
        """The name of the picture in it."""
        return b"%b#%b[%d]" % (self.table, self.column.encode(), self.row)


def scheme_of(name: bytes) -> str:
    """Tell how an address begins, in small letters: `s3`, `https`; empty for a file's path."""
    found = _SCHEME.match(name)
    return found[1].decode().lower() if found else ""


def parse_row(name: bytes) -> TableRow | None:
    """Read the name of a table's row; None if it is another name."""
    found = _ROW.fullmatch(name)
    if found is None:
        return None
    return TableRow(found[1], found[2].decode("utf-8", "replace"), int(found[3]))


def resolve_name(name: bytes, folder: bytes) -> bytes:
    """Make a relative path one from `folder`; addresses and absolute paths stay as they are."""
    return name if scheme_of(name) else os.path.join(folder, name)  # noqa: PTH118 - bytes


def show_name(name: bytes) -> str:
    r"""Write a name as text: bytes that are no UTF-8 as `\xNN`, and no secret of an address.

    Of an address the login is left out, and of a web address's query, which may be a signature, all
    but that there is one.
    """
    scheme = scheme_of(name)
    if scheme:
        name = _LOGIN.sub(b"", name, count=1)
    if scheme in WEB_SCHEMES:
        bare, mark, _ = name.partition(b"#")[0].partition(b"?")
        name = bare + (b"?..." if mark else b"")
    return name.decode("utf-8", "backslashreplace")
