// @azure/web-pubsub-client with its default protocol, while its connections are cut.
// Starts a client for each URL. What it hears goes to stdout, a JSON line each: the
// count of every client from time to time, and at the end (of stdin) everything.
import { WebPubSubClient } from "@azure/web-pubsub-client";
import { need, within } from "./lib.mjs";

const OFTEN = 25;

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

class Listener {
  heard = [];
  connected = [];
  disconnected = [];

  constructor(url, place) {
    this.client = new WebPubSubClient(url);
    const hello = new Promise((resolve) => this.client.on("connected", resolve));
    this.client.on("connected", ({ connectionId }) => this.connected.push(connectionId));
    this.start = () => Promise.all([this.client.start(), hello]);
    this.client.on("disconnected", (goodbye) => this.disconnected.push(goodbye.message?.message ?? null));
    this.client.on("group-message", ({ message }) => {
      this.heard.push([message.sequenceId, message.data.x, message.data.n]);
      if (this.heard.length % OFTEN === 0) say({ place, heard: this.heard.length });
    });
  }

  get story() {
    return { heard: this.heard, connected: this.connected, disconnected: this.disconnected };
  }
}

const listeners = JSON.parse(need("URLS")).map((url, place) => new Listener(url, place));
await Promise.all(listeners.map((listener) => within(listener.start(), "start")));
say({ ready: listeners.map(({ connected }) => connected[0]) });

process.stdin.resume();
process.stdin.on("end", () => {
  const stories = listeners.map((listener) => listener.story);
  for (const { client } of listeners) client.stop();
  process.stdout.write(`${JSON.stringify({ stories })}\n`, () => process.exit(0));
});
