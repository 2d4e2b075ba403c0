// @azure/web-pubsub-client with its default protocol: what ends a session, what does not.
import { WebPubSubClient } from "@azure/web-pubsub-client";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { Inbox, need, tell, within } from "./lib.mjs";
import { Way } from "./reliable_way.mjs";

const service = new WebPubSubServiceClient(need("CONNECTION_STRING"), need("HUB"), {
  allowInsecureConnection: true,
});
const ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
const TEXT = { contentType: "text/plain" };

/** A client, started, whose events lie in inboxes; its way can be cut. */
async function start(userId, options = {}) {
  const { url } = await service.getClientAccessToken({ userId, roles: ROLES });
  const way = await Way.to(url);
  const getClientAccessUrl = async () =>
    way.along((await service.getClientAccessToken({ userId, roles: ROLES })).url);
  const client = new WebPubSubClient({ getClientAccessUrl }, options);
  const inboxes = {};
  for (const event of ["connected", "disconnected", "stopped", "group-message", "server-message"]) {
    inboxes[event] = new Inbox();
    client.on(event, (args) => inboxes[event].put(args ?? {}));
  }
  client.next = (event) => inboxes[event].next(event);
  client.pending = (event) => inboxes[event].size;
  client.way = way;
  await within(client.start(), "start");
  client.hello = await client.next("connected");
  return client;
}

async function end(client) {
  client.stop();
  await client.next("stopped");
  client.way.close();
}

const heard = async (client) => {
  const { message } = await client.next("group-message");
  return [message.sequenceId, message.data];
};

async function gone(id) {
  for (let i = 0; i < 200; i++) if (!(await service.connectionExists(id))) return true;
  return false;
}

await tell({
  async speaksTheReliableProtocol() {
    const alice = await start("alice");
    const name = alice._protocol.name;
    const spoken = alice._wsClient._socket.protocol;
    await end(alice);
    return { name, spoken };
  },

  async cut() {
    const alice = await start("alice");
    await alice.joinGroup("room");
    const room = service.group("room");
    await room.sendToAll("before", TEXT);
    const found = [await heard(alice)];
    alice.way.shut();
    await room.sendToAll("meanwhile", TEXT);
    const exists = await service.connectionExists(alice.hello.connectionId);
    alice.way.open();
    found.push(await heard(alice));
    await room.sendToAll("after", TEXT);
    found.push(await heard(alice));
    const ack = await alice.sendToGroup("room", "mine", "text");
    found.push(await heard(alice));
    const again = { connected: alice.pending("connected"), disconnected: alice.pending("disconnected") };
    await end(alice);
    return { found, exists, again, duplicated: ack.isDuplicated };
  },

  async closedByServer() {
    const alice = await start("alice");
    await alice.joinGroup("room");
    const old = alice.hello.connectionId;
    await service.closeConnection(old, { reason: "lunch" });
    const goodbye = await alice.next("disconnected");
    const hello = await alice.next("connected");
    await service.group("room").sendToAll("welcome back", TEXT);
    const found = {
      old: goodbye.connectionId === old,
      message: goodbye.message?.message,
      fresh: hello.connectionId !== old,
      gone: !(await service.connectionExists(old)),
      heard: await heard(alice),
    };
    await end(alice);
    return found;
  },

  async stop() {
    const alice = await start("alice");
    const id = alice.hello.connectionId;
    await end(alice);
    const goodbye = await alice.next("disconnected");
    const kept = await service.connectionExists(id);
    await service.closeConnection(id);
    return { same: goodbye.connectionId === id, kept, gone: await gone(id) };
  },

  async duplicates() {
    const alice = await start("alice");
    await alice.joinGroup("twice", { ackId: 4711 });
    await alice.sendToGroup("twice", "once", "text", { ackId: 4712 });
    const first = await heard(alice);
    alice.way.cut();
    let second;
    // It knows of the cut by and by; until then, and while it recovers, it refuses.
    while (!second) second = await alice.sendToGroup("twice", "again", "text", { ackId: 4712 });
    await alice.sendToGroup("twice", "fence", "text");
    const found = { first, duplicated: second.isDuplicated, then: await heard(alice) };
    await end(alice);
    return found;
  },
});
