// A peer of the protobuf subprotocols that is not ours: protobufjs, with a schema of its
// own writing. Reads one JSON line for each question and answers it with one:
// {"decode": hex} gives what a service said, {"encode": message} what a client says.
import { createInterface } from "node:readline";
import protobuf from "protobufjs";

const ANY = `
syntax = "proto3";
package google.protobuf;
message Any { string type_url = 1; bytes value = 2; }
`;

const SCHEMA = `
syntax = "proto3";
package azure.webpubsub;

message MessageData {
  oneof data {
    string text_data = 1;
    bytes binary_data = 2;
    google.protobuf.Any protobuf_data = 3;
    string json_data = 4;
  }
}

message StreamStartInfo { string stream_id = 1; optional uint32 idle_timeout_ms = 2; }

message SendToGroupMessage {
  string group = 1;
  optional uint64 ack_id = 2;
  MessageData data = 3;
  optional bool no_echo = 4;
  optional uint32 ttl_seconds = 5;
  map<string, string> metadata = 6;
  StreamStartInfo stream = 7;
}

message EventMessage {
  string event = 1;
  MessageData data = 2;
  optional uint64 ack_id = 3;
  map<string, string> metadata = 4;
  StreamStartInfo stream = 5;
}

message JoinGroupMessage { string group = 1; optional uint64 ack_id = 2; }
message LeaveGroupMessage { string group = 1; optional uint64 ack_id = 2; }
message SequenceAckMessage { uint64 sequence_id = 1; }
message PingMessage {}

message UpstreamMessage {
  oneof message {
    SendToGroupMessage send_to_group_message = 1;
    EventMessage event_message = 5;
    JoinGroupMessage join_group_message = 6;
    LeaveGroupMessage leave_group_message = 7;
    SequenceAckMessage sequence_ack_message = 8;
    PingMessage ping_message = 9;
  }
}

message ErrorMessage { string name = 1; string message = 2; }
message AckMessage { uint64 ack_id = 1; bool success = 2; optional ErrorMessage error = 3; }

message DataMessage {
  string from = 1;
  optional string group = 2;
  MessageData data = 3;
  optional uint64 sequence_id = 4;
  map<string, string> metadata = 5;
}

message ConnectedMessage {
  string connection_id = 1;
  string user_id = 2;
  optional string reconnection_token = 3;
}
message DisconnectedMessage { string reason = 2; }
message SystemMessage {
  oneof message {
    ConnectedMessage connected_message = 1;
    DisconnectedMessage disconnected_message = 2;
  }
}
message PongMessage {}

message DownstreamMessage {
  oneof message {
    AckMessage ack_message = 1;
    DataMessage data_message = 2;
    SystemMessage system_message = 3;
    PongMessage pong_message = 4;
  }
}
`;

const root = new protobuf.Root();
protobuf.parse(ANY, root, { keepCase: true });
protobuf.parse(SCHEMA, root, { keepCase: true });
root.resolveAll();
const Upstream = root.lookupType("azure.webpubsub.UpstreamMessage");
const Downstream = root.lookupType("azure.webpubsub.DownstreamMessage");

function answer(question) {
  if ("decode" in question) {
    const message = Downstream.decode(Buffer.from(question.decode, "hex"));
    return Downstream.toObject(message, { longs: String, bytes: String });
  }
  const message = Upstream.fromObject(question.encode);
  return Buffer.from(Upstream.encode(message).finish()).toString("hex");
}

createInterface({ input: process.stdin }).on("line", (line) => {
  let told;
  try {
    told = { answer: answer(JSON.parse(line)) };
  } catch (error) {
    told = { error: error.stack ?? String(error) };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
});
