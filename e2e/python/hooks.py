"""What schemathesis has to know of Podling beyond its description."""

import json

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def piece_of_an_upload(_context, value):
    """The media type of tus 1.0: bytes as they are, whatever was made for them."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@schemathesis.deserializer("application/octet-stream")
def output(_context, response):
    """The bytes of a terminal: any are right."""
    return response.content.decode("latin-1")
