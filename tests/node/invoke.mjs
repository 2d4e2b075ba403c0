// invokeEvent of @azure/web-pubsub-client: questions to whoever handles events, and answers.
import { WebPubSubClient } from "@azure/web-pubsub-client";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { Inbox, need, tell, within } from "./lib.mjs";
import { Way } from "./reliable_way.mjs";

const service = new WebPubSubServiceClient(need("CONNECTION_STRING"), need("HUB"), {
  allowInsecureConnection: true,
});

async function start(userId, options = {}) {
  const { url } = await service.getClientAccessToken({ userId });
  const way = await Way.to(url);
  const client = new WebPubSubClient(way.along(url), options);
  const connected = new Inbox();
  client.on("connected", (hello) => connected.put(hello.connectionId));
  client.way = way;
  await within(client.start(), "start");
  client.id = await connected.next("connected");
  return client;
}

async function stop(client) {
  client.stop();
  client.way.close();
}

const answer = ({ invocationId, dataType, data }) => ({
  id: invocationId,
  type: dataType ?? null,
  data: data instanceof ArrayBuffer ? Buffer.from(data).toString("hex") : (data ?? null),
});

/** Ask; a question that fails is an answer too. */
const ask = (client, ...question) =>
  within(client.invokeEvent(...question), `answer to ${question[0]}`).then(answer, (error) => ({
    error: error.name,
    message: error.message,
    detail: error.errorDetail ?? null,
  }));

await tell({
  async everyType() {
    const alice = await start("alice");
    const bytes = new Uint8Array([0, 1, 254, 255]).buffer;
    const any = new Uint8Array(Buffer.from("0a0f747970652e746573742f5468696e6712020801", "hex")).buffer;
    const found = [];
    for (const [data, type] of [
      ["text é ✓", "text"],
      [{ b: 1, a: [2.5, null, "x"] }, "json"],
      ["a JSON string", "json"],
      [7, "json"],
      [bytes, "binary"],
      [any, "protobuf"],
    ])
      found.push(await ask(alice, "echo", data, type));
    await stop(alice);
    return found;
  },

  async nothing() {
    const alice = await start("alice");
    const found = {
      nothing: await ask(alice, "nothing", "x", "text"),
      null: await ask(alice, "null", "x", "text"),
      empty: await ask(alice, "empty", "x", "text"),
    };
    await stop(alice);
    return found;
  },

  async noData() {
    const alice = await start("alice");
    const found = await ask(alice, "echo");
    await stop(alice);
    return found;
  },

  async ownId() {
    const alice = await start("alice");
    const found = await ask(alice, "echo", "x", "text", { invocationId: "price of é" });
    await stop(alice);
    return found;
  },

  async failures() {
    const alice = await start("alice");
    const found = {
      refused: await ask(alice, "refuse", "x", "text"),
      crashed: await ask(alice, "crash", "x", "text"),
      unhandled: await ask(alice, "unhandled", "x", "text"),
      then: await ask(alice, "echo", "still here", "text"),
    };
    await stop(alice);
    return found;
  },

  async many() {
    const [alice, bob] = [await start("alice"), await start("bob")];
    const questions = [];
    for (let n = 0; n < 40; n++) questions.push(ask(n % 2 ? alice : bob, "echo", { n }, "json"));
    const found = (await Promise.all(questions)).map(({ data }) => data.n);
    await stop(alice);
    await stop(bob);
    return found;
  },

  async cancelled() {
    const alice = await start("alice");
    const abort = new AbortController();
    const slow = ask(alice, "slow", "x", "text", { abortSignal: abort.signal });
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort();
    const found = { slow: await slow, then: await ask(alice, "echo", "next", "text") };
    await stop(alice);
    return found;
  },

  async cancelledWhileItWaits() {
    const alice = await start("alice");
    const abort = new AbortController();
    const slow = ask(alice, "slow", "x", "text");
    const behind = ask(alice, "echo", "never", "text", { abortSignal: abort.signal });
    const third = ask(alice, "echo", "third", "text");
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort();
    const found = { slow: await slow, behind: await behind, third: await third };
    await stop(alice);
    return found;
  },

  async pingsPass() {
    const alice = await start("alice", { keepAliveIntervalInMs: 20, keepAliveTimeoutInMs: 60_000 });
    const order = [];
    alice._wsClient._socket.on("message", (data) => order.push(JSON.parse(data.toString()).type));
    await ask(alice, "slow", "x", "text");
    await stop(alice);
    return order;
  },

  async cutMeanwhile() {
    const alice = await start("alice");
    const slow = ask(alice, "slow", "x", "text");
    await new Promise((resolve) => setTimeout(resolve, 50));
    alice.way.cut();
    const found = { slow: await slow };
    for (let i = 0; i < 500 && !alice._canSendStreamTraffic(); i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    found.then = await ask(alice, "echo", "back", "text");
    found.same = alice._connectionId === alice.id;
    await stop(alice);
    return found;
  },
});
