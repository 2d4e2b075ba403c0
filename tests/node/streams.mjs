// Streams of @azure/web-pubsub-client: from one client, through a group, to others.
import { WebPubSubJsonProtocol } from "@azure/web-pubsub-client";
import { need, tell, within } from "./lib.mjs";
import { acknowledged, cut, failing, numbers, pause, service, start, stop, trouble } from "./streams_lib.mjs";

await tell({
  async everyType() {
    const [alice, bob] = [await start("alice"), await start("bob", "types")];
    const found = {};
    const bytes = new Uint8Array([0, 1, 254, 255]).buffer;
    for (const [type, parts] of Object.entries({
      text: ["hel", "lo é ✓", ""],
      json: [{ n: 1 }, [2.5, "x"], 7, "text", false],
      binary: [bytes],
      protobuf: [Buffer.from("0a0f747970652e746573742f5468696e6712020801", "hex")],
    })) {
      const writer = await alice.openGroupStream("types", { streamId: `of ${type}` });
      for (const part of parts) await writer.write(part instanceof Buffer ? new Uint8Array(part).buffer : part, type);
      await writer.end();
      found[type] = await (await bob.nextStream()).end();
    }
    await stop(alice, bob);
    return found;
  },

  async toEverybody() {
    // In the group are clients of other kinds too: see the test.
    const group = need("EVERYBODY");
    const alice = await start("alice");
    const plain = await start("bob", group, { protocol: WebPubSubJsonProtocol() });
    const reliable = await start("carol", group);
    const writer = await alice.openGroupStream(group, { streamId: "s-1" });
    for (const part of ["one", "two"]) await writer.write(part, "text");
    await writer.end();
    const found = [];
    for (const client of [plain, reliable]) found.push(await (await client.nextStream()).end());
    const late = await failing(writer.write("late", "text"));
    await stop(alice, plain, reliable);
    return { found, late };
  },

  async long() {
    const [alice, bob] = [await start("alice"), await start("bob", "long")];
    const writer = await alice.openGroupStream("long");
    await Promise.all(numbers(900).map((n) => writer.write(n, "json")));
    const all = await acknowledged(alice, writer.streamId);
    await writer.end();
    const { data, numbers: numbered, error } = await (await bob.nextStream()).end();
    const closed = await acknowledged(alice, writer.streamId);
    await stop(alice, bob);
    return { data, numbered, error, all, closed };
  },

  async several() {
    const [alice, carol] = [await start("alice"), await start("carol")];
    const bob = await start("bob", "several");
    const writers = [];
    for (const [client, id] of [[alice, "a"], [alice, "b"], [carol, "a2"]])
      writers.push(await client.openGroupStream("several", { streamId: id }));
    for (const n of numbers(20)) for (const writer of writers) await writer.write(`${writer.streamId}${n}`, "text");
    for (const writer of writers.reverse()) await writer.end();
    const found = {};
    for (const _ of writers) {
      const whole = await (await bob.nextStream()).end();
      found[whole.id] = whole;
    }
    await stop(alice, carol, bob);
    return found;
  },

  async again() {
    // An id may be used again once its stream is closed.
    const [alice, bob] = [await start("alice"), await start("bob", "again")];
    const found = [];
    for (const part of ["first", "second"]) {
      const writer = await alice.openGroupStream("again", { streamId: "same" });
      await writer.write(part, "text");
      await writer.end();
      found.push(await (await bob.nextStream()).end());
      await acknowledged(alice, "same");
    }
    await stop(alice, bob);
    return found;
  },

  async echo() {
    const alice = await start("alice", "echo");
    const quiet = await alice.openGroupStream("echo", { streamId: "quiet", noEcho: true });
    await quiet.write("not to me", "text");
    await quiet.end();
    const loud = await alice.openGroupStream("echo", { streamId: "loud" });
    await loud.write("to me", "text");
    await loud.end();
    const found = await (await alice.nextStream()).end();
    const more = alice.streamsPending();
    await stop(alice);
    return { found, more };
  },

  async lateComer() {
    const alice = await start("alice");
    const writer = await alice.openGroupStream("late", { streamId: "late" });
    await writer.write("missed", "text");
    await acknowledged(alice, "late");
    const anyTime = await start("bob", "late");
    const fromStart = await start("carol", "late", { stream: { handleFromStart: true } });
    await writer.write("heard", "text");
    await writer.end();
    const found = await (await anyTime.nextStream()).end();
    const other = await alice.openGroupStream("late", { streamId: "other" });
    await other.write("whole", "text");
    await other.end();
    const whole = await (await fromStart.nextStream()).end();
    await stop(alice, anyTime, fromStart);
    return { found, whole };
  },

  async publishersError() {
    const [alice, bob] = [await start("alice"), await start("bob", "error")];
    const writer = await alice.openGroupStream("error");
    const told = [];
    writer.onError((error) => told.push(error));
    await writer.write("half", "text");
    await writer.abort({ message: "the model gave up", userErrorCode: "E42" });
    const found = await (await bob.nextStream()).end();
    const late = await failing(writer.write("late", "text"));
    await acknowledged(alice, writer.streamId);
    await stop(alice, bob);
    return { found, told, late };
  },

  async abortedWrite() {
    const [alice, bob] = [await start("alice"), await start("bob", "aborted")];
    const writer = await alice.openGroupStream("aborted");
    const refused = await failing(writer.write("a", "text", { abortSignal: AbortSignal.abort() }));
    await writer.write("b", "text");
    await writer.end();
    const found = await (await bob.nextStream()).end();
    await stop(alice, bob);
    return { refused, found };
  },

  async forbidden() {
    const alice = await start("alice", null, { roles: ["webpubsub.sendToGroup.mine"] });
    const theirs = await failing(alice.openGroupStream("theirs"));
    const mine = await alice.openGroupStream("mine");
    await mine.write("x", "text");
    await mine.end();
    await stop(alice);
    return theirs;
  },

  async revoked() {
    const [alice, bob] = [await start("alice"), await start("bob", "revoked")];
    const writer = await alice.openGroupStream("revoked");
    const told = trouble(writer);
    await writer.write("still may", "text");
    await acknowledged(alice, writer.streamId);
    await service.revokePermission(alice.id, "sendToGroup", { targetName: "revoked" });
    await writer.write("may not", "text");
    const found = await (await bob.nextStream()).end();
    const error = await within(told, "error");
    await stop(alice, bob);
    return { found, error };
  },

  async idle() {
    const [alice, bob] = [await start("alice"), await start("bob", "idle")];
    const writer = await alice.openGroupStream("idle", { idleTimeoutInMs: 200 });
    const told = trouble(writer);
    await writer.write("and then nothing", "text");
    const found = await (await bob.nextStream()).end();
    const error = await within(told, "error");
    const late = await failing(writer.write("late", "text"));
    await stop(alice, bob);
    return { found, error, late };
  },

  async keepAlive() {
    const [alice, bob] = [await start("alice"), await start("bob", "kept")];
    const writer = await alice.openGroupStream("kept", { idleTimeoutInMs: 500 });
    await writer.write("a", "text");
    // Public code has no keepalive; its session has. Three times the limit goes by.
    for (let i = 0; i < 15; i++) {
      await pause(100);
      await alice._outboundStreams.get(writer.streamId).keepAlive();
    }
    await writer.write("b", "text");
    await writer.end();
    const found = await (await bob.nextStream()).end();
    await stop(alice, bob);
    return found;
  },

  async publisherRecovers() {
    const [alice, bob] = [await start("alice"), await start("bob", "cut")];
    const writer = await alice.openGroupStream("cut");
    const trouble = [];
    writer.onError((error) => trouble.push(error));
    const writes = [];
    for (const n of numbers(300)) {
      writes.push(writer.write(n, "json"));
      if (n % 60 === 30) await cut(alice);
      await pause(1);
    }
    await Promise.all(writes);
    await writer.end();
    const { data, numbers: numbered, error } = await (await bob.nextStream()).end();
    const closed = await acknowledged(alice, writer.streamId);
    await stop(alice, bob);
    return { data, numbered, error, trouble, closed, sockets: alice.way.arrivals };
  },

  async readerRecovers() {
    const [alice, bob] = [await start("alice"), await start("bob", "torn")];
    const writer = await alice.openGroupStream("torn");
    for (const n of numbers(300)) {
      await writer.write(n, "json");
      if (n % 60 === 30) await cut(bob);
      await pause(1);
    }
    await writer.end();
    const { data, numbers: numbered, error } = await (await bob.nextStream()).end();
    await stop(alice, bob);
    return { data, numbered, error, sockets: bob.way.arrivals };
  },

  async plainPublisherIsCut() {
    const alice = await start("alice", null, { protocol: WebPubSubJsonProtocol() });
    const bob = await start("bob", "plain");
    const writer = await alice.openGroupStream("plain");
    const told = trouble(writer);
    await writer.write("half", "text");
    await acknowledged(alice, writer.streamId);
    alice.way.shut();
    const found = await (await bob.nextStream()).end();
    const error = await within(told, "error");
    await stop(alice, bob);
    return { found, error };
  },

  async publisherIsClosed() {
    const [alice, bob] = [await start("alice"), await start("bob", "closed")];
    const writer = await alice.openGroupStream("closed");
    const told = trouble(writer);
    await writer.write("half", "text");
    await acknowledged(alice, writer.streamId);
    await service.closeConnection(alice.id);
    const found = await (await bob.nextStream()).end();
    const error = await within(told, "error");
    await stop(alice, bob);
    return { found, error };
  },
});
