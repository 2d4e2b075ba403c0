// @azure/web-pubsub-express to compare with: three handlers of one hub, one for each path.
// tests/sdk/test_webhooks_express.py has the same handlers in Python.
import express from "express";
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";

const first = (request, name) => request.query?.[name]?.[0];

const handlers = {
  handleConnect(request, response) {
    if (first(request, "reject")) {
      response.fail(Number(first(request, "reject")), "you may not come in");
    } else if (first(request, "throw")) {
      throw new Error("a secret of the handler");
    } else if (first(request, "as")) {
      if (first(request, "state")) response.setState("count", 1);
      const { group, role } = request.query;
      response.success({ userId: first(request, "as"), groups: group, roles: role, subprotocol: first(request, "subprotocol") });
    } else {
      if (first(request, "state")) response.setState("count", 1);
      response.success();
    }
  },
  handleUserEvent(request, response) {
    const { data, dataType, context } = request;
    switch (context.eventName) {
      case "echo":
        response.success(dataType === "json" ? JSON.stringify(data) : Buffer.from(data), dataType);
        break;
      case "who":
        // Node shows the UTF-8 of a header as Latin-1.
        response.success(Buffer.from(`${context.hub} ${context.connectionId} ${context.userId ?? "-"}`, "latin1"), "text");
        break;
      case "count":
        response.setState("count", (context.states.count ?? 0) + 1);
        response.success(String(context.states.count), "text");
        break;
      case "fail":
        response.fail(400, "this is wrong");
        break;
      case "throw":
        throw new Error("a secret of the handler");
      default:
        response.success();
    }
  },
  onConnected: () => {},
  onDisconnected: () => {},
  onGroupJoined: () => {},
  onGroupLeft: () => {},
};

const app = express();
for (const [path, options] of Object.entries({
  "/all/": handlers,
  "/none/": {},
  "/guarded/": { allowedEndpoints: ["https://Svc.example", "http://other.example:8080/", "https://third.example:443"] },
})) {
  app.use(new WebPubSubEventHandler("chat", { ...options, path }).getMiddleware());
}
app.use((error, request, response, next) => {
  void next;
  response.status(500).end();
});
const server = app.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
