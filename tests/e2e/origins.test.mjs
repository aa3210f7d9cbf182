/* SPDX-License-Identifier: MIT */
/* What pages of other origins get in a real browser, Chromium, which has the user's cookie (WEB-1, WEB-3). */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { startBackend } from "./tools/backend.mjs";
import { launch } from "./tools/browser.mjs";
import { startDuet, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 60000 };
const COOKIE = "session=ann";
const CHANNELS = `channels:
  history_size: 10
  history_ttl: 1m
  allow_recovery: true
  allow_history_for_client: true
  allow_subscribe_for_client: true
  allow_publish_for_client: true
`;
const folder = mkdtempSync(join(tmpdir(), "duet-origins-"));
let backend;
let site; /* another origin: the same host, another port, so that the cookie goes along */
let browser;
let server;

before(async () => {
    backend = await startBackend();
    backend.say("connect", { result: { user: "ann" } });
    site = createServer((request, answer) => answer.setHeader("Content-Type", "text/html").end("<title>other</title>"));
    await new Promise(done => site.listen(0, "127.0.0.1", done));
    site.url = `http://127.0.0.1:${site.address().port}`;
    browser = await launch();
});
beforeEach(() => { backend.asked.length = 0; });
after(async () => {
    await browser?.close();
    await new Promise(done => site.close(done));
    await backend?.stop();
    rmSync(folder, { recursive: true, force: true });
});

function start(name, origins) {
    const config = join(folder, `${name}.yaml`);
    writeFileSync(config, `hooks: { connect: "${backend.url}/connect", headers: [Cookie] }\n${origins}${CHANNELS}`);
    return startDuet({ args: ["--config", config, "--log", "json"] });
}

const refusals = () => server.log().split("\n").filter(line => line.includes('"reason":"origin"')).length;
const history = async channel => {
    const answer = await fetch(`${server.url}/api/history`, { method: "POST",
                                                              body: JSON.stringify({ channel, limit: -1 }) });
    return (await answer.json()).result.publications.map(publication => publication.data);
};

/* Runs `body(page)` on a page of this address, in a browser that has the cookie of the server's host. */
async function onPage(url, body) {
    const context = await browser.newContext();
    await context.addCookies([{ name: "session", value: "ann", url: server.url }]);
    try {
        const page = await context.newPage();
        await page.goto(url);
        return await body(page);
    } finally {
        await context.close();
    }
}

/* In the page: what becomes of a WebSocket of each way. */
async function sockets(base) {
    const one = path => new Promise(done => {
        const socket = new WebSocket(base + path);
        socket.onopen = () => path.startsWith("/connection") && socket.send('{"id":1,"connect":{}}');
        socket.onmessage = ({ data }) => { done(`open: ${data}`); socket.close(); };
        socket.onclose = ({ code }) => done(`closed ${code}`);
    });
    return [await one("/connection/websocket"), await one("/channel/secret?last=1")];
}

/* In the page: what it can read and send otherwise. */
async function requests(base) {
    const stream = withCredentials => new Promise(done => {
        const events = new EventSource(`${base}/events?channel=secret&last=1`, { withCredentials });
        events.onmessage = ({ data }) => { events.close(); done(`read ${data}`); };
        events.onerror = () => { events.close(); done("nothing"); };
    });
    const fetched = (path, options) => fetch(base + path, { credentials: "include", ...options })
        .then(answer => answer.type === "opaque" ? "unreadable" : `status ${answer.status}`, () => "nothing");
    const body = '{"channel":"secret","data":"of another page"}';
    return [await stream(true), await stream(false),
            await fetched("/connection/http_stream", { method: "POST", body: '{"connect":{}}' }),
            await fetched("/api/publish", { method: "POST", body }),
            await fetched("/api/publish", { method: "POST", body, mode: "no-cors" }),
            await fetched("/emulation", { method: "POST", body: "{}", mode: "no-cors" })];
}

const REFUSED = ["closed 1006", "closed 1006"];

async function publishes() {
    await fetch(`${server.url}/api/publish`, { method: "POST", body: '{"channel":"secret","data":"for ann"}' });
    assert.deepEqual(await history("secret"), ["for ann"]);
}

/* Of this page the server takes nothing, and asks nobody who its user is. */
async function expectRefused(page) {
    const before = refusals();
    assert.deepEqual(await page.evaluate(sockets, server.wsUrl), REFUSED);
    await until(() => refusals() === before + 2, "the log says both");
    assert.deepEqual(backend.asked, []);
}

describe("with the origins that there are by default, none but its own", TIMEOUT, () => {
    before(async () => {
        server = await start("default", "");
        await publishes();
    });
    after(() => server?.stop());

    test("WEB-1: a page of its own opens sockets, as the user of the cookie", () =>
        onPage(`${server.url}/health`, async page => {
            const [centrifugal, channel] = await page.evaluate(sockets, server.wsUrl);
            assert.match(centrifugal, /^open: .*"client":/);
            assert.equal(channel, 'open: "for ann"');
            assert.deepEqual(backend.of("connect").map(question => question.headers.cookie), [COOKIE, COOKIE]);
            assert.equal(refusals(), 0);
        }));

    test("WEB-1: a page of another port gets 403 for a socket, and the cookie makes no session", () =>
        onPage(site.url, async page => {
            const said = [];
            page.on("console", message => said.push(message.text()));
            await expectRefused(page);
            await until(() => said.filter(text => text.includes("Unexpected response code: 403")).length === 2,
                        "the browser says why");
        }));

    test("WEB-1: nor does localhost, though it is this machine", () =>
        onPage(`http://localhost:${server.port}/health`, page => expectRefused(page)));

    test("WEB-1: it reads no events and publishes nothing", () =>
        onPage(site.url, async page => {
            assert.deepEqual(await page.evaluate(requests, server.url),
                             ["nothing", "nothing", "nothing", "nothing", "unreadable", "unreadable"]);
            assert.deepEqual(await history("secret"), ["for ann"]);
        }));

    test("WEB-3: a sandboxed frame is of no origin, also on a page of its own", () =>
        onPage(`${server.url}/health`, async page => {
            assert.deepEqual(await inSandbox(page), REFUSED);
            assert.deepEqual(backend.asked, []);
        }));

    test("WEB-3: nor is a file", () => {
        const file = join(folder, "page.html");
        writeFileSync(file, "<title>file</title>");
        return onPage(pathToFileURL(file).href, page => expectRefused(page));
    });
});

/* What a sandboxed frame of this page gets. */
function inSandbox(page) {
    return page.evaluate(([code, base]) => new Promise(done => {
        addEventListener("message", ({ data }) => done(data));
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script>(${code})("${base}").then(all => parent.postMessage([...all, origin], "*"))</script>`;
        document.body.append(frame);
    }), [sockets.toString(), server.wsUrl]).then(([one, other, origin]) => {
        assert.equal(origin, "null");
        return [one, other];
    });
}

describe("with a list of origins", TIMEOUT, () => {
    before(async () => {
        server = await start("listed", `origins: ["${site.url}", "null"]\n`);
        await publishes();
    });
    after(() => server?.stop());

    test("WEB-1: a page of a listed one has sockets and events, and another one still nothing", async () => {
        await onPage(site.url, async page => {
            const opened = await page.evaluate(sockets, server.wsUrl);
            assert.ok(opened.every(text => text.startsWith("open: ")), String(opened));
            assert.equal(backend.of("connect").length, 2);
            /* Events as anybody reads them: that a cookie may go along is not said to any other origin. */
            const [as, stream] = await page.evaluate(requests, server.url);
            assert.deepEqual([as, stream], ["nothing", 'read "for ann"']);
        });
        backend.asked.length = 0;
        await onPage(site.url.replace("127.0.0.1", "localhost"), page => expectRefused(page));
    });

    test("WEB-3: a sandboxed frame, since null is listed", () =>
        onPage(site.url, async page => {
            const opened = await inSandbox(page);
            assert.ok(opened.every(text => text.startsWith("open: ")), String(opened));
        }));
});
