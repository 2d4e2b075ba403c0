// A server in 40 lines: it greets, answers, moderates, and publishes.
import { createHmac } from "node:crypto";
import WebSocket from "ws";

const { CONNECTION_STRING, HUB } = process.env;
const [, endpoint, key] = CONNECTION_STRING.match(/Endpoint=(.*?);AccessKey=(.*?);/);
const path = `/server/hubs/${HUB}`;

function token(claims) {
  const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const content = `${base64({ alg: "HS256", typ: "JWT" })}.${base64(claims)}`;
  return `${content}.${createHmac("sha256", key).update(content).digest("base64url")}`;
}

const exp = Math.floor(Date.now() / 1000) + 60;
const access = token({ aud: endpoint + path, exp, role: ["publisher", "subscriber"] });
const url = `${endpoint.replace("http", "ws")}${path}?access_token=${access}`;
const socket = new WebSocket(url, "json.server.hubbub.v1");
const say = (frame) => socket.send(JSON.stringify(frame));

const answers = {
  connect: ({ userId }) =>
    userId ? { type: "accept", groups: ["lobby"] } : { type: "reject", reason: "a name, please" },
  connected: ({ userId }) => {
    say({ type: "publish", group: "lobby", dataType: "text", data: `${userId} is here` });
    return { type: "done" };
  },
  event: ({ event, data }) => ({ type: "respond", data: { event, length: data.length } }),
  publish: ({ data }) =>
    data.includes("darn")
      ? { type: "deny", reason: "mind your language" }
      : { type: "allow", dataType: "text", data: data.toUpperCase() },
};

socket.on("message", (text) => {
  const { type, eventId, kind, ...rest } = JSON.parse(text);
  if (type === "welcome") say({ type: "handle", rules: Object.keys(answers).map((kind) => ({ kind })), id: 1 });
  if (type === "result") console.log("ready");
  if (type === "event") say({ eventId, ...answers[kind](rest) });
});
