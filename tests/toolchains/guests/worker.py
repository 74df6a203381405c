"""A worker in Python: what the interfaces are made into, a service with types, and a log."""

import json
import sys

from componentize_py_types import Err, Ok, Some
from wit_world import exports
from wit_world.imports import db
from wit_world.imports.types import (
    Fields,
    IncomingBody,
    IncomingRequest,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)
from wit_world.imports.streams import StreamError_Closed


def read(request: IncomingRequest) -> bytes:
    body = request.consume()
    text = b""
    with body.stream() as stream:
        try:
            while True:
                text += stream.blocking_read(4096)
        except Err as end:
            if not isinstance(end.value, StreamError_Closed):
                raise
    IncomingBody.finish(body)
    return text


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        asked = json.loads(read(request))
        while asked.get("loop"):
            pass
        print("asked for", asked["name"], file=sys.stderr)
        thing = db.upsert("made", asked["name"], json.dumps({"by": "py"}), db.UpsertOptions(None, db.Visibility.PUBLIC))
        rows = db.query("SELECT ? AS n", [json.dumps(asked["name"])])
        try:
            db.query("ATTACH 'a' AS b", None)
        except Err as refused:
            code = refused.value.code
        answer = {
            "thing": [thing.ns, thing.id, json.loads(thing.data), thing.visibility.name],
            "count": db.count("made", None),
            "rows": [json.loads(row) for row in rows.rows],
            "refused": code,
        }
        response = OutgoingResponse(Fields.from_list([("content-type", b"application/json")]))
        response.set_status_code(201)
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(json.dumps(answer).encode())
        OutgoingBody.finish(body, None)
