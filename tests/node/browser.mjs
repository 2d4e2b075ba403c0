// Two tabs of a real browser chat through a group on the demo page.
import { chromium } from "playwright-core";
import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { need, tell, within } from "./lib.mjs";

const endpoint = need("ENDPOINT");
const hub = need("HUB");
const pictures = need("PICTURES");
const service = new WebPubSubServiceClient(need("CONNECTION_STRING"), hub, {
  allowInsecureConnection: true,
});

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const requests = [];
const problems = [];

async function tab(options = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 760 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (line) => line.type() === "error" && problems.push(line.text()));
  return page;
}

async function clientUrl(userId, roles = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]) {
  return (await service.getClientAccessToken({ userId, roles })).url;
}

/** Open the page with a client URL in its fragment and wait until it has joined. */
async function open(page, userId, group = "lobby") {
  const kept = new URLSearchParams({ url: await clientUrl(userId), group });
  await page.goto(`${endpoint}/#${kept}`);
  await page.locator(".note", { hasText: `Joined ${group}` }).waitFor();
}

const state = (page) => page.locator("#state").textContent();
const texts = (page) => page.locator(".message .text").allTextContents();

async function say(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

const alice = await tab();
const bob = await tab({ colorScheme: "dark" });

await tell({
  async chat() {
    await open(alice, "alice");
    await open(bob, "bob");
    await say(alice, "Hello from the first tab");
    const heard = bob.locator(".message:not(.mine)", { hasText: "Hello from the first tab" });
    await heard.waitFor();
    await say(bob, "Hello back & <b>markup stays text</b>");
    const answer = alice.locator(".message:not(.mine)", { hasText: "Hello back" });
    await answer.waitFor();
    await alice.locator(".message.mine[data-sent=yes]").waitFor();
    return {
      states: [await state(alice), await state(bob)],
      senders: [
        await heard.locator(".who b").textContent(),
        await answer.locator(".who b").textContent(),
      ],
      alice: await texts(alice),
      bob: await texts(bob),
      markup: await alice.locator(".message .text b").count(),
    };
  },

  async otherData() {
    await service.group("lobby").sendToAll({ answer: 42 });
    await service.sendToAll("to everyone", { contentType: "text/plain" });
    const json = alice.locator(".message .data", { hasText: '"answer": 42' });
    await json.waitFor();
    const server = alice.locator(".message", { hasText: "to everyone" });
    await server.waitFor();
    return { sender: await server.locator(".who b").textContent() };
  },

  async pictures() {
    await say(alice, "How does it look over there?");
    await bob.locator(".message", { hasText: "over there" }).waitFor();
    await say(bob, "Dark, and rather good.");
    await alice.locator(".message", { hasText: "rather good" }).waitFor();
    await alice.screenshot({ path: `${pictures}/light.png` });
    await bob.screenshot({ path: `${pictures}/dark.png` });
    await bob.locator("#code summary").click();
    await bob.locator("[data-language=python]").click();
    await bob.screenshot({ path: `${pictures}/code.png`, fullPage: true });
    const phone = await tab({ viewport: { width: 390, height: 760 } });
    await open(phone, "carol");
    await say(phone, "Also on a small screen");
    await phone.locator("[data-sent=yes]").waitFor();
    await phone.screenshot({ path: `${pictures}/phone.png` });
    await phone.context().close();
  },

  async snippet() {
    const shown = await bob.locator("#snippet").textContent();
    return { shown, tokenShown: /access_token=[^"]{20,}/.test(shown) };
  },

  async changeGroup() {
    await bob.locator("#group").fill("elsewhere");
    await bob.locator("#group").press("Enter");
    await bob.locator(".note", { hasText: "Joined elsewhere" }).waitFor();
    const members = async () => {
      const found = [];
      for await (const one of await service.group("lobby").listConnections()) found.push(one.userId);
      return found;
    };
    let left = await members();
    for (let i = 0; left.includes("bob") && i < 100; i++) left = await members();
    return { members: left };
  },

  async keyboard() {
    const page = await tab();
    await page.goto(endpoint);
    await page.keyboard.type(await clientUrl("dora")); // the field has the focus
    await page.keyboard.press("Enter");
    await page.locator(".note", { hasText: "Joined lobby" }).waitFor();
    await page.keyboard.type("typed without a mouse"); // so has the message
    await page.keyboard.press("Enter");
    await alice.locator(".message", { hasText: "typed without a mouse" }).waitFor();
    await page.context().close();
  },

  async forbidden() {
    const page = await tab();
    const kept = new URLSearchParams({ url: await clientUrl("eve", []) });
    await page.goto(`${endpoint}/#${kept}`);
    const joined = page.locator(".note.bad");
    await joined.waitFor();
    await say(page, "may I?");
    const failed = page.locator("[data-sent=failed] .fate");
    await failed.waitFor();
    const found = { join: await joined.textContent(), send: await failed.textContent() };
    await page.context().close();
    return found;
  },

  async closedByServer() {
    const closed = alice.locator(".note", { hasText: "Closed with code" });
    await service.closeUserConnections("alice", { reason: "the demo is over" });
    await closed.waitFor();
    await alice.waitForFunction(() => {
      const seen = document.querySelector("#log").getBoundingClientRect();
      const last = document.querySelector("#log li:last-child").getBoundingClientRect();
      return last.bottom <= seen.bottom; // the page scrolled to it by itself
    });
    const found = { note: await closed.textContent(), state: await state(alice) };
    await alice.screenshot({ path: `${pictures}/closed.png` });
    await alice.locator("#connect-button").click();
    await alice.locator("#state[data-state=connected]").waitFor();
    return { ...found, again: await state(alice) };
  },

  async privacy() {
    return { requests: [...requests], problems: [...problems] };
  },

  async refused() {
    const page = await tab();
    const url = (await clientUrl("mallory")).slice(0, -3);
    await page.goto(`${endpoint}/#${new URLSearchParams({ url })}`);
    const told = page.locator(".note.bad");
    await told.waitFor();
    const found = { note: await told.textContent(), state: await state(page) };
    await page.context().close();
    return found;
  },

  async end() {
    await within(browser.close(), "end of the browser");
  },
});
