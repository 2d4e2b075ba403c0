// A way to the gateway that a story can cut: a forwarding port of loopback.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Way {
  /** How many connections came. */
  arrivals = 0;
  #pairs = new Set();
  #shut = false;
  #server;
  #target;

  /** Open a way to the host and port of a URL. */
  static async to(url) {
    const way = new Way();
    const { hostname, port } = new URL(url);
    way.#target = { host: hostname, port: Number(port) };
    way.#server = createServer((client) => way.#arrived(client)).listen(0, "127.0.0.1");
    await once(way.#server, "listening");
    return way;
  }

  /** Let a client URL lead along this way. */
  along(url) {
    const led = new URL(url);
    led.port = this.#server.address().port;
    return led.toString();
  }

  #arrived(client) {
    if (this.#shut) {
      client.resetAndDestroy();
      return;
    }
    this.arrivals += 1;
    const gateway = connect(this.#target);
    const pair = [client, gateway];
    this.#pairs.add(pair);
    client.pipe(gateway);
    gateway.pipe(client);
    for (const end of pair) {
      end.on("error", () => {}); // the other end hears of it by the close
      end.on("close", () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
  }

  /** Cut what is connected, without a word at either end. */
  cut() {
    for (const [client, gateway] of this.#pairs) {
      client.resetAndDestroy();
      gateway.resetAndDestroy();
    }
  }

  /** Cut, and let nobody back before `open`. */
  shut() {
    this.#shut = true;
    this.cut();
  }

  open() {
    this.#shut = false;
  }

  close() {
    this.shut();
    this.#server.close();
  }
}
