// What the scenes with streams share: clients whose streams lie in inboxes, and readers.
import { WebPubSubClient } from "@azure/web-pubsub-client";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { Inbox, need, within } from "./lib.mjs";
import { Way } from "./reliable_way.mjs";

export const service = new WebPubSubServiceClient(need("CONNECTION_STRING"), need("HUB"), {
  allowInsecureConnection: true,
});
const ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];

/** A client, started, in a group, whose streams lie in an inbox; its way can be cut. */
export async function start(userId, group, { roles = ROLES, stream = {}, ...options } = {}) {
  const groups = group ? [group] : [];
  const { url } = await service.getClientAccessToken({ userId, roles, groups });
  const way = await Way.to(url);
  const client = new WebPubSubClient(way.along(url), options);
  const [streams, connected] = [new Inbox(), new Inbox()];
  client.onGroupStream((one) => streams.put(new Reader(one)), stream);
  client.on("connected", (hello) => connected.put(hello.connectionId));
  client.nextStream = () => streams.next("stream");
  client.streamsPending = () => streams.size;
  client.way = way;
  await within(client.start(), "start");
  client.id = await connected.next("connected");
  return client;
}

/** Read a stream from its beginning on, whatever the story does meanwhile. */
class Reader {
  parts = [];

  constructor(stream) {
    this.stream = stream;
    this.whole = this.#read();
  }

  async #read() {
    try {
      for await (const part of this.stream) this.parts.push(part);
      return {};
    } catch (error) {
      return { error };
    }
  }

  /** Wait for the end; gives what came, how it was numbered, and how it ended. */
  async end() {
    const { error } = await within(this.whole, "end of the stream");
    return {
      id: this.stream.streamId,
      group: this.stream.groupName,
      data: this.parts.map(({ data }) => (data instanceof ArrayBuffer ? Buffer.from(data).toString("hex") : data)),
      types: [...new Set(this.parts.map(({ dataType }) => dataType))],
      from: [...new Set(this.parts.map(({ fromUserId }) => fromUserId))],
      numbers: this.parts.map(({ stream }) => stream.streamSequenceId),
      error: error ?? null,
      aborted: this.stream.abortSignal.aborted,
    };
  }
}

export async function stop(...clients) {
  for (const client of clients) {
    client.stop();
    client.way.close();
  }
}

export const numbers = (count) => Array.from({ length: count }, (_, n) => n);
const refusal = (error) => ({ name: error.name, message: error.message });
export const failing = (promise) => promise.then(() => null, refusal);
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Wait until the gateway has acknowledged everything that was written. */
export async function acknowledged(client, id) {
  for (let i = 0; i < 1000; i++) {
    const session = client._outboundStreams.get(id);
    if (!session || session._queue.size === 0) return true;
    await pause(10);
  }
  return false;
}

/** Cut the way of a client that is connected. */
export async function cut(client) {
  for (let i = 0; !client._canSendStreamTraffic(); i++) {
    if (i === 500) throw new Error("it does not come back");
    await pause(10);
  }
  client.way.cut();
}

/** Wait for what goes wrong with a stream at its publisher. */
export const trouble = (writer) => new Promise((resolve) => writer.onError(resolve));
