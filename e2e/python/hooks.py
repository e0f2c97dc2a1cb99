"""What schemathesis has to know of Podling beyond its description."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def piece_of_an_upload(_context, value):
    """The media type of tus 1.0: bytes as they are."""
    return value.encode() if isinstance(value, str) else value or b""


@schemathesis.deserializer("application/octet-stream")
def output(_context, response):
    """The bytes of a terminal: any are right."""
    return response.content.decode("latin-1")
