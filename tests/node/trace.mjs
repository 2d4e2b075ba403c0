// The page of a trace in a real browser: drawn, filtered, followed, photographed.
import { chromium } from "playwright-core";
import { need, tell } from "./lib.mjs";

const address = need("PAGE");
const pictures = need("PICTURES");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const requests = [];
const problems = [];

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 700 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (line) => line.type() === "error" && problems.push(line.text()));
  await page.goto(address);
  return page;
}

const page = await open();
const texts = (selector) => page.locator(selector).allTextContents();
const count = (selector) => page.locator(selector).count();
const chip = (name) => page.locator(`#tools button[data-key="${name}"]`);
const heads = async () => (await texts("#heads button")).map((text) => text.trim());

await tell({
  async drawn() {
    return {
      rows: await count(".row"),
      lifelines: await count(".lifeline"),
      arrows: await count(".row .arrow"),
      tips: await count(".row .tip"),
      heads: await heads(),
      labels: await texts(".row text"),
      times: await count("#margin .time"),
      gaps: await texts(".gap"),
      notes: await texts("#margin .note"),
      evil: await count("#evil"),
      widest: await page.evaluate(() =>
        Math.max(
          ...[...document.querySelectorAll(".row")].map((row) => {
            const line = row.querySelector("line.arrow");
            if (!line) return -1;
            return row.querySelector("text").getBBox().width - line.getBBox().width;
          }),
        ),
      ),
    };
  },

  async chosen() {
    await page.locator(".row").first().click();
    const click = await page.locator("#panel").textContent();
    await page.locator("#scroller").press("ArrowDown");
    return { click, key: await page.locator("#panel").textContent() };
  },

  async filtered() {
    await chip("Group").click();
    const withoutGroups = { heads: await heads(), rows: await count(".row") };
    await chip("pushes").click();
    const withoutPushes = { rows: await count(".row") };
    await chip("client").click();
    const nothing = await page.locator("#empty").isHidden();
    for (const name of ["Group", "pushes", "client"]) await chip(name).click();
    return { withoutGroups, withoutPushes, nothing, again: { rows: await count(".row") } };
  },

  async searched() {
    const field = page.getByLabel("Find in messages");
    await field.fill("ACK 30");
    const rows = await count(".row");
    await field.fill("");
    return { rows };
  },

  async followed() {
    const head = page.locator("#heads button", { hasText: "ann" });
    await head.click();
    const dim = await count(".row.dim");
    await head.click();
    return { dim, after: await count(".row.dim") };
  },

  async scrolled() {
    return page.evaluate(() => {
      const box = document.getElementById("scroller");
      document.getElementById("canvas").style.minWidth = "3000px";
      box.scrollTop = box.scrollHeight;
      box.scrollLeft = 300;
      const frame = box.getBoundingClientRect();
      const head = document.querySelector("#heads button").getBoundingClientRect();
      const times = [...document.querySelectorAll("#margin .time")];
      const time = times.at(-1).getBoundingClientRect();
      document.getElementById("canvas").style.minWidth = "";
      return {
        scrolled: box.scrollTop,
        headTop: head.top - frame.top,
        timeLeft: time.left - frame.left,
      };
    });
  },

  async pictures() {
    await page.evaluate(() => (document.getElementById("scroller").scrollTop = 0));
    await page.screenshot({ path: `${pictures}/light.png` });
    const dark = await open({ colorScheme: "dark" });
    requests.pop();
    await dark.screenshot({ path: `${pictures}/dark.png` });
  },

  async privacy() {
    return { requests, problems };
  },
});
