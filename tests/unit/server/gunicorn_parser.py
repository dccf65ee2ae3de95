"""What Gunicorn's parser alone makes of bytes, to compare the event loop with."""

from gunicorn.config import Config
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

CLIENT = ("127.0.0.1", 1)
SETTINGS = Config()
SETTINGS.set("http_parser", "python")


def requests_in(data: bytes) -> tuple[list[str], bool]:
    """List the paths of all requests in these bytes; and whether all of the bytes were requests."""
    unreader, paths = IterUnreader([data]), []
    while True:
        try:
            message = Request(SETTINGS, unreader, CLIENT, len(paths) + 1)
            announced = getattr(message.body.reader, "length", 0)
            is_whole = len(message.body.read()) >= announced
        except StopIteration:
            return paths, True
        except (ParseException, NoMoreData):
            return paths, False
        if not is_whole:
            return paths, False
        paths.append(message.path)
        if message.should_close():
            return paths, not unreader.take_buffered()


def end_of_chunks(body: bytes) -> int | None:
    """Tell where a chunked body ends; None where it is broken, or has no end."""
    unreader = IterUnreader([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body])
    message = Request(SETTINGS, unreader, CLIENT)
    assert isinstance(message.body.reader, ChunkedReader)
    try:
        message.body.read()
    except (ParseException, NoMoreData):
        return None
    return len(body) - len(unreader.take_buffered())
