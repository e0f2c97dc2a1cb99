"""Walks podling.admin.v1 as a client that knows nothing of it but what reflection tells.

Arguments: the address, the file of its certificate, a file with an operator's key, the uid of a session, and credentials
of other kinds, none of which may open anything here.
"""

import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "podling.admin.v1.Admin"


def main(address, certificate_file, key_file, uid, *wrong):
    with open(certificate_file, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    with open(key_file, encoding="ascii") as file:
        operator = file.read().strip()
    # An address is no name that TLS may ask for.
    options = [("grpc.ssl_target_name_override", "localhost")]
    with grpc.secure_channel(address, credentials, options) as channel:
        walk(Walker(channel), operator, uid, wrong)


class Walker:
    """Calls methods by their names, with messages made from dictionaries."""

    def __init__(self, channel):
        self.channel = channel
        self.known = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.known)
        self.service = self.pool.FindServiceByName(SERVICE)

    def call(self, method, key=None, **fields):
        described = self.service.methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)(**fields)
        answer = message_factory.GetMessageClass(described.output_type)
        make = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        rpc = make(f"/{SERVICE}/{method}", request.SerializeToString, answer.FromString)
        metadata = [("x-request-id", f"walk-{method}")]
        if key:
            metadata.append(("authorization", f"Bearer {key}"))
        if described.server_streaming:
            return list(rpc(request, metadata=metadata, timeout=30))
        answer, call = rpc.with_call(request, metadata=metadata, timeout=30)
        assert ("x-request-id", f"walk-{method}") in call.initial_metadata(), call.initial_metadata()
        return answer

    def refused(self, method, key=None, **fields):
        try:
            self.call(method, key, **fields)
        except grpc.RpcError as error:
            return error.code()
        return None


def walk(walker, operator, uid, wrong):
    assert SERVICE in walker.known.get_services(), walker.known.get_services()
    health = walker.channel.unary_unary("/grpc.health.v1.Health/Check", lambda name: name, lambda answer: answer)
    assert health(b"", timeout=30) == b"\x08\x01", "it does not serve"

    tenant = "walk:claim:acme"
    made = walker.call("CreateApiKey", operator, tenant=tenant, name="walker")
    own = walker.call("CreateApiKey", operator, tenant=tenant, role="tenant-admin")
    methods = list(walker.service.methods_by_name)
    assert len(methods) >= 16, methods
    for method in methods:
        assert walker.refused(method) == grpc.StatusCode.UNAUTHENTICATED, method
        for key in ("podling_0_0", *wrong):
            assert walker.refused(method, key) == grpc.StatusCode.UNAUTHENTICATED, method
        for key in (made.secret, own.secret):
            assert walker.refused(method, key) == grpc.StatusCode.PERMISSION_DENIED, method

    listed = walker.call("ListSessions", operator, labels={"walk": "yes"})
    assert [session.uid for session in listed.sessions] == [uid], listed
    assert walker.call("GetSession", operator, uid=uid).phase == "running"
    assert walker.refused("GetSession", operator, uid="x") == grpc.StatusCode.INVALID_ARGUMENT
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert walker.refused("GetSession", operator, uid=unknown) == grpc.StatusCode.NOT_FOUND
    assert walker.refused("ListSessions", operator, page_size=1001) == grpc.StatusCode.INVALID_ARGUMENT

    events = walker.call("WatchEvents", operator, uid=uid)
    assert events[0].kind == "session.created", events
    ended = walker.call("TerminateSession", operator, uid=uid, reason="The walk is over.")
    assert (ended.phase, ended.end_reason, ended.detail) == ("ended", "admin", "The walk is over."), ended
    more = walker.call("WatchEvents", operator, uid=uid, after=events[-1].cursor)
    assert "session.ended" in [event.kind for event in more], more

    keys = walker.call("ListApiKeys", operator, tenant=tenant).keys
    assert sorted(key.id for key in keys) == sorted([made.key.id, own.key.id]), keys
    renewed = walker.call("RotateApiKey", operator, id=made.key.id)
    assert renewed.secret != made.secret
    assert walker.call("RevokeApiKey", operator, id=made.key.id).HasField("revoked_at")
    assert walker.refused("RotateApiKey", operator, id=made.key.id) == grpc.StatusCode.FAILED_PRECONDITION
    assert walker.refused("Stats", renewed.secret) == grpc.StatusCode.UNAUTHENTICATED

    assert walker.call("RotateKeys", operator).kid
    assert walker.call("Stats", operator).sessions["ended"] >= 1
    walker.call("Sweep", operator)
    assert len(walker.call("ListGateways", operator).gateways) >= 1
    assert walker.refused("DrainGateway", operator, id="nobody") == grpc.StatusCode.NOT_FOUND
    quota(walker, operator, tenant)
    print("walked", len(methods), "methods")


def quota(walker, operator, tenant):
    before = walker.call("GetQuota", operator, tenant=tenant)
    assert not before.said.HasField("sessions") and before.effective.sessions > 0, before
    after = walker.call("SetQuota", operator, tenant=tenant, quota={"sessions": 3})
    assert (after.said.sessions, after.effective.sessions) == (3, 3), after
    bad = walker.refused("SetQuota", operator, tenant=tenant, quota={"creates_per_minute": 0})
    assert bad == grpc.StatusCode.INVALID_ARGUMENT, bad


if __name__ == "__main__":
    main(*sys.argv[1:])
