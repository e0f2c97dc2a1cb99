// Walks podling.admin.v1 as a client that knows nothing of it but what reflection (v1) tells.
//
// Arguments: the address, the file of its certificate, a file with an operator's key, and the uid of a session.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const SERVICE = "podling.admin.v1.Admin";
// An address is no name that TLS may ask for.
const CHANNEL = { "grpc.ssl_target_name_override": "localhost" };
const OPTIONS = { keepCase: true, longs: Number, defaults: true };

const [address, certificateFile, keyFile, uid] = process.argv.slice(2);
const credentials = grpc.credentials.createSsl(readFileSync(certificateFile));
const operator = new grpc.Metadata();
operator.set("authorization", `Bearer ${readFileSync(keyFile, "ascii").trim()}`);

/** Asks the reflection service one thing. */
function reflected(client, question) {
  return new Promise((resolve, reject) => {
    const stream = client.ServerReflectionInfo();
    stream.on("data", resolve).on("error", reject);
    stream.write(question);
    stream.end();
  });
}

/** The service's client, made from what reflection tells. */
async function discovered() {
  const package_ = path.dirname(createRequire(import.meta.url).resolve("@grpc/reflection/package.json"));
  const file = path.join(package_, "build/proto/grpc/reflection/v1/reflection.proto");
  const { grpc: { reflection } } = grpc.loadPackageDefinition(loader.loadSync(file, { keepCase: true, oneofs: true }));
  const client = new reflection.v1.ServerReflection(address, credentials, CHANNEL);
  const listed = await reflected(client, { list_services: "" });
  const names = listed.list_services_response.service.map(({ name }) => name);
  assert.ok(names.includes(SERVICE), names);
  const files = new Map();
  const fetch = async (question) => {
    const { file_descriptor_response } = await reflected(client, question);
    for (const bytes of file_descriptor_response.file_descriptor_proto) files.set(bytes.toString("hex"), bytes);
  };
  await fetch({ file_containing_symbol: SERVICE });
  for (const name of ["duration", "timestamp"]) await fetch({ file_by_filename: `google/protobuf/${name}.proto` });
  client.close();
  // A FileDescriptorSet is its files, each as field 1.
  const parts = [...files.values()].map((bytes) => Buffer.concat([Buffer.from([0x0a]), varint(bytes.length), bytes]));
  const definition = loader.loadFileDescriptorSetFromBuffer(Buffer.concat(parts), OPTIONS);
  const { podling } = grpc.loadPackageDefinition(definition);
  return new podling.admin.v1.Admin(address, credentials, CHANNEL);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

/** What a call comes to: the answer, or all of a stream's. */
function call(client, method, request, metadata = operator) {
  return new Promise((resolve, reject) => {
    if (!client[method].responseStream) {
      return client[method](request, metadata, (error, answer) => (error ? reject(error) : resolve(answer)));
    }
    const answers = [];
    const stream = client[method](request, metadata);
    stream.on("data", (answer) => answers.push(answer)).on("error", reject).on("end", () => resolve(answers));
  });
}

async function refused(client, method, request, metadata) {
  return call(client, method, request, metadata).then(() => grpc.status.OK, (error) => error.code);
}

const admin = await discovered();
const methods = Object.keys(Object.getPrototypeOf(admin)).filter((name) => /^[A-Z]/.test(name));
assert.ok(methods.length >= 16, methods);
for (const method of methods) {
  assert.equal(await refused(admin, method, {}, new grpc.Metadata()), grpc.status.UNAUTHENTICATED, method);
}
// To who knows it by reflection alone, a map is its entries.
const { sessions } = await call(admin, "ListSessions", { labels: [{ key: "walk", value: "yes" }] });
assert.deepEqual(sessions.map((session) => session.uid), [uid]);
const events = await call(admin, "WatchEvents", { uid });
assert.equal(events[0].kind, "session.created");
const later = await call(admin, "WatchEvents", { uid, after: events[0].cursor });
assert.deepEqual(later, events.slice(1));
assert.equal(await refused(admin, "WatchEvents", { after: "yesterday" }), grpc.status.INVALID_ARGUMENT);
const { records } = await call(admin, "ListAudit", { action: "session.create", uid });
assert.equal(records.length, 1);
console.log("walked", methods.length, "methods");
admin.close();
