// Every method of @azure/web-pubsub, its effects observed by connected clients.
import { AzureKeyCredential, WebPubSubServiceClient, odata } from "@azure/web-pubsub";
import { Bystander, need, tell } from "./lib.mjs";

const connectionString = need("CONNECTION_STRING");
const endpoint = need("ENDPOINT");
const hub = need("HUB");
const options = { allowInsecureConnection: true };
const text = { contentType: "text/plain" };

/** A service client of a hub that only one scene uses. */
function serviceOf(scene) {
  return new WebPubSubServiceClient(connectionString, `${hub}_${scene}`, options);
}

async function arrive(service, userId, more = {}) {
  const { subprotocol, ...token } = more;
  const { url } = await service.getClientAccessToken({ userId, ...token });
  return Bystander.connect(url, subprotocol);
}

async function membersOf(service, group, listOptions) {
  const found = [];
  for await (const member of await service.group(group).listConnections(listOptions))
    found.push(member);
  return found;
}

await tell({
  async sendToAll(scene) {
    const service = serviceOf(scene);
    const alice = await arrive(service, "alice");
    const bob = await arrive(service, "bob");
    const plain = await arrive(service, "carol", { subprotocol: null });
    await service.sendToAll({ b: 1, a: [2.5, null] });
    await service.sendToAll("a JSON string");
    await service.sendToAll("text é ✓", text);
    await service.sendToAll(new Uint8Array([0, 1, 254, 255]).buffer);
    await service.sendToAll("not for alice", { ...text, excludedConnections: [alice.id] });
    await service.sendToAll("alice only", { ...text, filter: odata`userId eq ${"alice"}` });
    await service.sendToAll("in time", { ...text, messageTtlSeconds: 30 });
    const pushes = [];
    for (let i = 0; i < 4; i++) pushes.push(await alice.inbox.next());
    const frames = [];
    for (let i = 0; i < 4; i++) frames.push(await plain.inbox.next());
    await bob.data(4);
    return { pushes, frames, alice: await alice.data(2), bob: await bob.data(2) };
  },

  async sendToGroup(scene) {
    const service = serviceOf(scene);
    const group = service.group("room");
    const alice = await arrive(service, "alice", { groups: ["room"] });
    const bob = await arrive(service, "bob", { groups: ["room"] });
    const outsider = await arrive(service, "carol");
    await group.sendToAll({ n: 1 });
    await group.sendToAll("plain", text);
    await group.sendToAll(new Uint8Array([1, 2]).buffer);
    await group.sendToAll("not for alice", { ...text, excludedConnections: [alice.id] });
    await group.sendToAll("alice only", { ...text, filter: "userId eq 'alice'" });
    await group.sendToAll("in time", { ...text, messageTtlSeconds: 30 });
    await service.sendToAll("fence", text);
    const first = await alice.inbox.next();
    return {
      first,
      alice: await alice.data(5),
      bob: await bob.data(6),
      outsider: await outsider.data(1),
    };
  },

  async sendToUser(scene) {
    const service = serviceOf(scene);
    const phone = await arrive(service, "alice", { groups: ["phones"] });
    const desk = await arrive(service, "alice");
    const bob = await arrive(service, "bob");
    await service.sendToUser("alice", { n: 1 });
    await service.sendToUser("alice", "plain", text);
    await service.sendToUser("alice", new Uint8Array([1, 2]).buffer);
    await service.sendToUser("alice", "phone only", { ...text, filter: "'phones' in groups" });
    await service.sendToAll("fence", text);
    return { phone: await phone.data(5), desk: await desk.data(4), bob: await bob.data(1) };
  },

  async sendToConnection(scene) {
    const service = serviceOf(scene);
    const alice = await arrive(service, "alice");
    const twin = await arrive(service, "alice");
    await service.sendToConnection(alice.id, { n: 1 });
    await service.sendToConnection(alice.id, "plain", text);
    await service.sendToConnection(alice.id, new Uint8Array([1, 2]).buffer);
    await service.sendToConnection("nobody-has-this-id", "lost", text);
    await service.sendToAll("fence", text);
    return { alice: await alice.data(4), twin: await twin.data(1) };
  },

  async exists(scene) {
    const service = serviceOf(scene);
    const look = async (id) => [
      await service.connectionExists(id),
      await service.groupExists("room"),
      await service.userExists("alice"),
    ];
    const before = await look("nobody-has-this-id");
    const alice = await arrive(service, "alice", { groups: ["room"] });
    const present = await look(alice.id);
    await service.closeConnection(alice.id);
    return { before, present, after: await look(alice.id) };
  },

  async close(scene) {
    const service = serviceOf(scene);
    const farewell = async (client) => ({
      push: await client.inbox.next("disconnected message"),
      close: await client.closed,
    });
    const alice = await arrive(service, "alice");
    await service.closeConnection(alice.id, { reason: "moved" });
    await service.closeConnection("nobody-has-this-id");
    const one = await farewell(alice);

    const [phone, desk] = [await arrive(service, "bob"), await arrive(service, "bob")];
    const carol = await arrive(service, "carol");
    await service.closeUserConnections("bob", { reason: "expired", excluded: [desk.id] });
    const user = await farewell(phone);

    const inside = await arrive(service, "dora", { groups: ["room"] });
    const spared = await arrive(service, "emil", { groups: ["room"] });
    await service.group("room").closeAllConnections({ excluded: [spared.id] });
    const group = await farewell(inside);

    await service.closeAllConnections({ excluded: [carol.id], reason: "night" });
    const hub = [await farewell(desk), await farewell(spared)];
    await service.sendToAll("still here", text);
    return { one, user, group, hub, carol: await carol.data(1) };
  },

  async groupMembers(scene) {
    const service = serviceOf(scene);
    const group = service.group("room");
    const alice = await arrive(service, "alice");
    await group.addConnection(alice.id);
    await group.addConnection(alice.id);
    const added = await service.groupExists("room");
    await group.removeConnection(alice.id);
    const removed = await service.groupExists("room");
    await group.addConnection(alice.id);
    await service.group("hall").addConnection(alice.id);
    await service.removeConnectionFromAllGroups(alice.id);
    const none = [await service.groupExists("room"), await service.groupExists("hall")];
    const missing = await group.addConnection("nobody-has-this-id").catch(refusal);
    await group.removeConnection("nobody-has-this-id");
    return { added, removed, none, missing };
  },

  async groupUsers(scene) {
    const service = serviceOf(scene);
    const group = service.group("room");
    const [phone, desk] = [await arrive(service, "alice"), await arrive(service, "alice")];
    await group.addUser("alice");
    const added = (await membersOf(service, "room")).map((one) => one.connectionId).sort();
    await group.removeUser("alice");
    const removed = await service.groupExists("room");
    await group.addUser("alice");
    await service.group("hall").addUser("alice");
    await service.removeUserFromAllGroups("alice");
    const none = [await service.groupExists("room"), await service.groupExists("hall")];
    const missing = await group.addUser("nobody").catch(refusal);
    return { both: [phone.id, desk.id].sort(), added, removed, none, missing };
  },

  async bulk(scene) {
    const service = serviceOf(scene);
    await arrive(service, "alice");
    await arrive(service, "bob");
    const users = async (group) => (await membersOf(service, group)).map((one) => one.userId).sort();
    await service.addConnectionsToGroups(["x", "y"], "userId eq 'alice'");
    const one = [await users("x"), await users("y")];
    await service.addConnectionsToGroups(["x"], "");
    const all = await users("x");
    await service.removeConnectionsFromGroups(["x", "y"], "userId ne 'bob'");
    return { one, all, left: [await users("x"), await users("y")] };
  },

  async permissions(scene) {
    const service = serviceOf(scene);
    const alice = await arrive(service, "alice");
    const where = { targetName: "room" };
    const results = {};
    for (const permission of ["joinLeaveGroup", "sendToGroup"]) {
      const attempt = async () => {
        const request =
          permission === "joinLeaveGroup"
            ? { type: "joinGroup", group: "room" }
            : { type: "sendToGroup", group: "room", dataType: "text", data: "x", noEcho: true };
        return (await alice.request(request)).success;
      };
      const has = () => service.hasPermission(alice.id, permission, where);
      const before = [await has(), await attempt()];
      await service.grantPermission(alice.id, permission, where);
      const granted = [await has(), await attempt()];
      await service.revokePermission(alice.id, permission, where);
      results[permission] = { before, granted, revoked: [await has(), await attempt()] };
    }
    return results;
  },

  async paging(scene) {
    const service = serviceOf(scene);
    const ids = [];
    for (let i = 0; i < 5; i++) {
      const one = await arrive(service, i ? `user ${i}` : undefined, { groups: ["room"] });
      ids.push(one.id);
    }
    const sizes = [];
    const group = service.group("room");
    for await (const page of (await group.listConnections({ maxPageSize: 2 })).byPage())
      sizes.push(page.length);
    const all = await membersOf(service, "room", { maxPageSize: 2 });
    const top = await membersOf(service, "room", { top: 3, maxPageSize: 2 });
    return {
      sizes,
      complete: all.map((one) => one.connectionId).sort().join() === ids.sort().join(),
      users: all.map((one) => one.userId ?? null).sort(),
      top: top.length,
      empty: (await membersOf(service, "empty")).length,
    };
  },

  async token(scene) {
    const service = serviceOf(scene);
    const token = await service.getClientAccessToken({
      userId: "alice",
      roles: ["webpubsub.joinLeaveGroup"],
      groups: ["room"],
      expirationTimeInMinutes: 5,
    });
    const alice = await Bystander.connect(token.url);
    const joined = await alice.request({ type: "joinGroup", group: "hall" });
    return {
      baseUrl: token.baseUrl,
      userId: alice.connected.userId,
      member: await service.groupExists("room"),
      joined: joined.success,
    };
  },

  async names(scene) {
    const service = serviceOf(scene);
    const found = {};
    for (const name of ["a/b c+é%?#&'x", "g!()*~'", "tenant%2Falice", "0~Lw~cm9vbQ"]) {
      const client = await arrive(service, name, { groups: [name] });
      await service.sendToUser(name, "user", text);
      await service.group(name).sendToAll("group", text);
      found[name] = await client.data(2);
    }
    return found;
  },

  async errors(scene) {
    const service = serviceOf(scene);
    const key = new AzureKeyCredential("another-key-0123456789abcdef0123456789abcdef");
    const stranger = new WebPubSubServiceClient(endpoint, key, service.hubName, options);
    return {
      key: await stranger.sendToAll("x", text).catch(refusal),
      filter: await service.sendToAll("x", { ...text, filter: "userId eq" }).catch(refusal),
      ttl: await service.sendToAll("x", { ...text, messageTtlSeconds: 301 }).catch(refusal),
    };
  },
});

function refusal(error) {
  return { status: error.statusCode, code: error.code, message: error.message };
}
