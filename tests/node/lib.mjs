// What the stories share: waiting with a limit, a bare client, and one line of results.
import WebSocket from "ws";

const SUBPROTOCOL = "json.webpubsub.azure.v1";
const SECONDS = 10;

/** Read an environment variable, or end with a clear message. */
export function need(name) {
  const value = process.env[name];
  if (value) return value;
  console.error(`${name} must be set in the environment`);
  process.exit(2);
}

/** Wait for a promise, but not for ever. */
export function within(promise, what, seconds = SECONDS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A queue of what has happened; `next` waits for it. */
export class Inbox {
  #items = [];
  #takers = [];

  put(item) {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  next(what = "message") {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    return within(new Promise((resolve) => this.#takers.push(resolve)), what);
  }

  get size() {
    return this.#items.length;
  }
}

/** A client of bare frames, to see what the official ones cause. */
export class Bystander {
  inbox = new Inbox();
  #acks = new Map();
  #ackId = 0;

  /** Connect; without a subprotocol it is a simple client. */
  static async connect(url, subprotocol = SUBPROTOCOL) {
    const made = new Bystander();
    const socket = new WebSocket(url, subprotocol ?? []);
    made.socket = socket;
    made.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.on("message", (data, isBinary) => made.#arrived(data, isBinary, subprotocol));
    await within(
      new Promise((resolve, reject) => {
        socket.on("open", resolve);
        socket.on("error", reject);
      }),
      "open socket",
    );
    if (subprotocol) {
      made.connected = await made.inbox.next("connected message");
      made.id = made.connected.connectionId;
    }
    return made;
  }

  #arrived(data, isBinary, subprotocol) {
    if (!subprotocol) {
      this.inbox.put(isBinary ? { binary: data.toString("base64") } : { text: data.toString() });
      return;
    }
    const push = JSON.parse(data.toString());
    if (push.type === "ack") this.#acks.get(push.ackId)?.(push);
    else this.inbox.put(push);
  }

  /** Send a request and give its ack. */
  request(content) {
    const ackId = ++this.#ackId;
    const ack = new Promise((resolve) => this.#acks.set(ackId, resolve));
    this.socket.send(JSON.stringify({ ...content, ackId }));
    return within(ack, `ack of ${content.type}`);
  }

  /** Give the data of the next `count` messages. */
  async data(count) {
    const found = [];
    for (let i = 0; i < count; i++) {
      const push = await this.inbox.next(`message ${i + 1} of ${count}`);
      found.push(push.type === "message" ? push.data : push);
    }
    return found;
  }

  close() {
    this.socket.close();
    return within(this.closed, "close");
  }
}

/**
 * Tell a story: run its scenes one after the other, print one JSON line with what each
 * gave or failed with, and end the process: with 1 if any failed.
 */
export async function tell(scenes, seconds = 30) {
  const results = {};
  let failed = false;
  for (const [name, scene] of Object.entries(scenes)) {
    try {
      results[name] = { result: (await within(scene(name), `end of ${name}`, seconds)) ?? null };
    } catch (error) {
      failed = true;
      results[name] = { error: error.stack ?? String(error) };
      console.error(`${name}: ${error.stack ?? error}`);
    }
  }
  process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(failed ? 1 : 0));
}
