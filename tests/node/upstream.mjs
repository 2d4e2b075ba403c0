// A real @azure/web-pubsub-express server. What it sees goes to stdout, a JSON line each.
// It does what the client asks for: by the query of the connection, by the event's name.
import express from "express";
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";
import { need } from "./lib.mjs";

function tell(what, request) {
  const { data, ...rest } = request;
  const shown = data instanceof ArrayBuffer || Buffer.isBuffer(data) ? Buffer.from(data).toString("base64") : data;
  console.log(JSON.stringify({ what, ...rest, data: shown }));
}

const first = (request, name) => request.query[name]?.[0];

const handler = new WebPubSubEventHandler(need("HUB"), {
  path: "/api/webpubsub/hubs/chat/",
  handleConnect(request, response) {
    tell("connect", request);
    if (request.query.reject) {
      response.fail(Number(first(request, "reject")), "you may not come in");
    } else if (request.query.as) {
      response.setState("since", "connect");
      response.success({
        userId: first(request, "as"),
        groups: request.query.group,
        roles: request.query.role,
        subprotocol: first(request, "subprotocol"),
      });
    } else {
      response.success();
    }
  },
  handleUserEvent(request, response) {
    tell("event", request);
    const { data, context } = request;
    switch (context.eventName) {
      case "count": {
        const count = (context.states.count ?? 0) + 1;
        response.setState("count", count);
        response.success(JSON.stringify({ ...context.states, count }), "json");
        break;
      }
      case "text":
        response.success(`heard ${data}`, "text");
        break;
      case "json":
        response.success(JSON.stringify({ heard: data }), "json");
        break;
      case "binary":
        response.success(Buffer.from(data).reverse(), "binary");
        break;
      case "message":
        response.success(request.dataType === "text" ? `echo ${data}` : Buffer.from(data), request.dataType);
        break;
      case "fail":
        response.setState("count", 1000);
        response.fail(400, "this is wrong");
        break;
      case "throw":
        throw new Error("a bug in the handler");
      default:
        response.success();
    }
  },
  onConnected: (request) => tell("connected", request),
  onDisconnected: (request) => tell("disconnected", request),
});

const app = express();
app.use(handler.getMiddleware());
app.use((error, request, response, next) => {
  void next;
  console.log(JSON.stringify({ what: "error", message: error.message }));
  response.status(500).end();
});
const server = app.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ what: "listening", port: server.address().port }));
});
