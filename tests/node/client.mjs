// @azure/web-pubsub-client with the subprotocol json.webpubsub.azure.v1.
import { WebPubSubClient, WebPubSubJsonProtocol } from "@azure/web-pubsub-client";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { Inbox, need, tell, within } from "./lib.mjs";

const hub = need("HUB");
const service = new WebPubSubServiceClient(need("CONNECTION_STRING"), hub, {
  allowInsecureConnection: true,
});
const ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];

/** A client, started, whose events lie in inboxes. */
async function start(userId, { roles = ROLES, groups, ...options } = {}) {
  const getClientAccessUrl = async () =>
    (await service.getClientAccessToken({ userId, roles, groups })).url;
  const client = new WebPubSubClient(
    { getClientAccessUrl },
    {
      protocol: WebPubSubJsonProtocol(),
      messageRetryOptions: { maxRetries: 0 },
      reconnectRetryOptions: { retryDelayInMs: 10, mode: "Fixed" },
      ...options,
    },
  );
  const inboxes = {};
  for (const event of [
    "connected",
    "disconnected",
    "stopped",
    "group-message",
    "server-message",
    "rejoin-group-failed",
  ]) {
    inboxes[event] = new Inbox();
    client.on(event, (args) => inboxes[event].put(args ?? {}));
  }
  client.next = (event) => inboxes[event].next(event);
  client.pending = (event) => inboxes[event].size;
  await within(client.start(), "start");
  client.hello = await client.next("connected");
  return client;
}

async function stop(client) {
  client.stop();
  await client.next("stopped");
}

function plain(message) {
  const data =
    message.data instanceof ArrayBuffer ? Buffer.from(message.data).toString("base64") : message.data;
  return { group: message.group, from: message.fromUserId, type: message.dataType, data };
}

const groupMessage = async (client) => plain((await client.next("group-message")).message);

function refusal(error) {
  return { name: error.name, error: error.errorDetail, ackId: error.ackId, message: error.message };
}

await tell({
  async dataTypes() {
    const [alice, bob] = [await start("alice"), await start("bob")];
    for (const client of [alice, bob]) await client.joinGroup("types");
    const bytes = new Uint8Array([0, 1, 254, 255]).buffer;
    const any = Buffer.from("0a0f747970652e746573742f5468696e671202" + "0801", "hex");
    const sent = [
      ["text é ✓", "text"],
      [{ b: 1, a: [2.5, null, "x"] }, "json"],
      ["a JSON string", "json"],
      [7, "json"],
      [bytes, "binary"],
      [any.buffer.slice(any.byteOffset, any.byteOffset + any.byteLength), "protobuf"],
    ];
    const found = { results: [], bob: [], alice: [] };
    for (const [data, type] of sent) {
      found.results.push(await alice.sendToGroup("types", data, type));
      found.bob.push(await groupMessage(bob));
      found.alice.push(await groupMessage(alice));
    }
    await stop(alice);
    await stop(bob);
    return found;
  },

  async noEcho() {
    const alice = await start("alice");
    await alice.joinGroup("quiet");
    await alice.sendToGroup("quiet", "not to me", "text", { noEcho: true });
    await alice.sendToGroup("quiet", "to me", "text");
    const found = await groupMessage(alice);
    await stop(alice);
    return found;
  },

  async leave() {
    const alice = await start("alice");
    await alice.joinGroup("gone");
    await alice.leaveGroup("gone");
    await alice.joinGroup("kept");
    await alice.sendToGroup("gone", "missed", "text");
    await alice.sendToGroup("kept", "heard", "text");
    const found = await groupMessage(alice);
    await stop(alice);
    return found;
  },

  async fireAndForget() {
    const alice = await start("alice");
    await alice.joinGroup("ff");
    const result = await alice.sendToGroup("ff", "no ack", "text", { fireAndForget: true });
    const found = { result, message: await groupMessage(alice) };
    await alice.sendEvent("nobody-cares", "x", "text", { fireAndForget: true });
    await alice.sendToGroup("ff", "still connected", "text");
    found.then = await groupMessage(alice);
    await stop(alice);
    return found;
  },

  async forbidden() {
    const alice = await start("alice", { roles: ["webpubsub.sendToGroup.mine"] });
    const found = {
      join: await alice.joinGroup("theirs").catch(refusal),
      leave: await alice.leaveGroup("theirs").catch(refusal),
      send: await alice.sendToGroup("theirs", "x", "text").catch(refusal),
      mine: await alice.sendToGroup("mine", "x", "text"),
    };
    await stop(alice);
    return found;
  },

  async retriesTakeNewAckIds() {
    const alice = await start("alice", {
      roles: [],
      messageRetryOptions: { maxRetries: 3, retryDelayInMs: 1, mode: "Fixed" },
    });
    const found = await alice.joinGroup("theirs").catch(refusal);
    await stop(alice);
    return found;
  },

  async event() {
    const alice = await start("alice");
    const found = {};
    for (const [type, data] of Object.entries({
      text: "hi",
      json: { n: 1 },
      binary: new Uint8Array([1, 2]).buffer,
      protobuf: new Uint8Array([1, 2]).buffer,
    }))
      found[type] = await alice.sendEvent("nobody", data, type).catch(refusal);
    await alice.joinGroup("after");
    await stop(alice);
    return found;
  },

  async duplicates() {
    const alice = await start("alice");
    await alice.joinGroup("twice", { ackId: 4711 });
    const first = await alice.sendToGroup("twice", "once", "text", { ackId: 4712 });
    const second = await alice.sendToGroup("twice", "again", "text", { ackId: 4712 });
    await alice.sendToGroup("twice", "fence", "text");
    const heard = [(await groupMessage(alice)).data, (await groupMessage(alice)).data];
    await stop(alice);
    return { first, second, heard };
  },

  async server() {
    const alice = await start("alice", { groups: ["given"] });
    const id = alice.hello.connectionId;
    await service.sendToConnection(id, { n: 1 });
    await service.sendToConnection(id, "plain", { contentType: "text/plain" });
    await service.sendToConnection(id, new Uint8Array([1, 2]).buffer);
    const found = { hello: alice.hello, messages: [] };
    for (let i = 0; i < 3; i++)
      found.messages.push(plain((await alice.next("server-message")).message));
    await service.group("given").sendToAll("from outside", { contentType: "text/plain" });
    found.group = await groupMessage(alice);
    await stop(alice);
    return found;
  },

  async pingPong() {
    const alice = await start("alice", { keepAliveIntervalInMs: 20, keepAliveTimeoutInMs: 60_000 });
    const pongs = new Inbox();
    alice._wsClient._socket.on("message", (data) => pongs.put(data.toString()));
    const found = [];
    for (let i = 0; i < 3; i++) found.push(await pongs.next("pong"));
    const disconnected = alice.pending("disconnected");
    await stop(alice);
    return { pongs: found, disconnected };
  },

  async stop() {
    const alice = await start("alice");
    const id = alice.hello.connectionId;
    alice.stop();
    const disconnected = await alice.next("disconnected");
    await alice.next("stopped");
    const afterwards = await alice.joinGroup("late").catch(refusal);
    let exists = await service.connectionExists(id);
    for (let i = 0; exists && i < 100; i++) exists = await service.connectionExists(id);
    return { same: disconnected.connectionId === id, afterwards, exists };
  },

  async closedByServer() {
    const alice = await start("alice");
    await alice.joinGroup("again");
    await alice.joinGroup("left");
    await alice.leaveGroup("left");
    const old = alice.hello.connectionId;
    await service.closeConnection(old, { reason: "lunch" });
    const disconnected = await alice.next("disconnected");
    const hello = await alice.next("connected");
    await service.group("left").sendToAll("missed", { contentType: "text/plain" });
    await service.group("again").sendToAll("welcome back", { contentType: "text/plain" });
    const found = {
      old: disconnected.connectionId === old,
      message: disconnected.message?.message,
      fresh: hello.connectionId !== old,
      rejoined: await groupMessage(alice),
      failures: alice.pending("rejoin-group-failed"),
    };
    await stop(alice);
    return found;
  },

  async rejoinFails() {
    const alice = await start("alice", { roles: [] });
    const old = alice.hello.connectionId;
    await service.grantPermission(old, "joinLeaveGroup", { targetName: "lent" });
    await alice.joinGroup("lent");
    await service.closeConnection(old);
    const failed = await alice.next("rejoin-group-failed");
    await stop(alice);
    return { group: failed.group, ...refusal(failed.error) };
  },

  async refused() {
    const { url } = await service.getClientAccessToken({ userId: "mallory" });
    const client = new WebPubSubClient(url.slice(0, -3), { protocol: WebPubSubJsonProtocol() });
    return within(client.start(), "answer").then(
      () => ({ message: "started" }),
      (error) => ({ message: error.message }),
    );
  },
});
