/* SPDX-License-Identifier: MIT */
/* The operators' page: its doors from outside, and its work in Chromium and Firefox. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync, mkdtempSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { launch, openWindow, tabTo } from "./tools/browser.mjs";
import { openFirefox } from "./tools/firefox.mjs";
import { freePort, get, startDuet, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 120000 };
/* Signs that cannot stand in a subprotocol. */
const TOKEN = "s3cret/of=the (operators)";
const HOSTILE = `<img src=x onerror="document.title='taken'">&amp;"'\u202e`;
const folder = mkdtempSync(join(tmpdir(), "duet-admin-"));
const config = join(folder, "duet.yaml");
let server;
let names = 0;

writeFileSync(join(folder, "token"), TOKEN);
writeFileSync(config, `
admin: { token_file: ${folder}/token }
clients: { queue_max_size: 64MiB }
channels:
  history_size: 100
  history_ttl: 10m
  presence: true
  allow_recovery: true
  allow_subscribe_for_anonymous: true
  allow_publish_for_anonymous: true
`);

before(async () => {
    server = await startDuet({ args: ["--config", config] });
});
after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
});

/* One request; resolves to { status, body }. */
function request(url, { method = "GET", headers = {}, body = "" } = {}) {
    return new Promise((done, failed) => {
        const asked = http.request(url, { method, headers, agent: false }, response => {
            let text = "";
            response.setEncoding("utf8").on("data", piece => { text += piece; });
            response.on("end", () => done({ status: response.statusCode, body: text }));
        });
        asked.on("error", failed).end(body);
    });
}

/* A WebSocket that is open, or the status it was refused with. */
function dial(url, protocols = [], options = {}) {
    return new Promise(done => {
        const socket = new WebSocket(url, protocols, options);
        socket.heard = [];
        socket.on("message", data => socket.heard.push(data.toString()));
        socket.once("open", () => done(socket));
        socket.once("unexpected-response", (_, response) => done(response.statusCode));
        socket.once("error", () => {});
    });
}

const member = (channel, at = server) => dial(`${at.wsUrl}/channel/${encodeURIComponent(channel)}`);
const escaped = text => encodeURIComponent(text).replace(/[()]/g, sign => `%${sign.charCodeAt(0).toString(16)}`);
const protocols = token => ["duet.admin.v1", `token.${escaped(token)}`];
const bearer = { authorization: `Bearer ${TOKEN}` };

describe("the doors of the operators", TIMEOUT, () => {
    const inner = [["GET", "/admin/channel?name=x"], ["POST", "/admin/api/info"], ["POST", "/admin/api/publish"]];

    test("all but the page wants the token", async () => {
        const page = await get(`${server.url}/admin`);
        assert.equal(page.status, 200);
        assert.match(page.headers["content-security-policy"], /default-src 'self'/);
        assert.doesNotMatch(page.headers["content-security-policy"], /unsafe/);
        assert.doesNotMatch(page.body, /s3cret/);
        for (const [method, path] of inner) {
            assert.equal((await request(server.url + path, { method })).status, 401, path);
            for (const authorization of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, "Bearer ", TOKEN])
                assert.equal((await request(server.url + path, { method, headers: { authorization } })).status, 401, path);
            assert.equal((await request(`${server.url}${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(TOKEN)}`,
                                        { method })).status, 401, path);
        }
        assert.equal((await request(`${server.url}/admin/channel?name=x`, { headers: bearer })).status, 200);
        assert.equal((await request(`${server.url}/admin/api/info`, { method: "POST", headers: bearer })).status, 200);
        assert.equal((await request(`${server.url}/admin/api/nothing`, { method: "POST", headers: bearer })).status, 404);
    });

    test("the figures come to who shows the token, and to nobody of another site", async () => {
        const live = `${server.wsUrl}/admin/live`;
        assert.equal(await dial(live), 401);
        assert.equal(await dial(live, ["duet.admin.v1"]), 401);
        assert.equal(await dial(live, protocols(`${TOKEN}x`)), 401);
        assert.equal(await dial(`${live}?token=${encodeURIComponent(TOKEN)}`), 401);
        assert.equal(await dial(live, protocols(TOKEN), { origin: "https://evil.example" }), 403);
        const socket = await dial(live, protocols(TOKEN), { origin: server.url });
        assert.equal(socket.protocol, "duet.admin.v1", "a token is never selected");
        await until(() => socket.heard.length >= 2, "a second of figures and one more");
        const figures = JSON.parse(socket.heard[1]);
        assert.ok(figures.now.websockets >= 1 && figures.sum.bytes_in > 0, socket.heard[1]);
        socket.close();
    });

    test("no other way leads to the operators' channel", async () => {
        const socket = await dial(`${server.wsUrl}/admin/live`, protocols(TOKEN));
        const api = (method, body) => request(`${server.url}/admin/api/${method}`,
                                              { method: "POST", headers: bearer, body: JSON.stringify(body) });
        await until(() => socket.heard.length >= 1, "figures");
        assert.equal(await member(""), 404);
        assert.equal((await get(`${server.url}/events?channel=`)).status, 404);
        for (const method of ["publish", "history", "presence", "unsubscribe", "subscribe"]) {
            const { body } = await api(method, { channel: "", data: "forged", user: "" });
            assert.equal(JSON.parse(body).error?.code, 107, `${method}: ${body}`);
        }
        const { result } = JSON.parse((await api("channels", {})).body);
        assert.ok(!("" in result.channels), "it is not listed");
        for (const command of ["subscribe", "publish", "history", "presence"]) {
            const sneak = await dial(`${server.wsUrl}/connection/websocket`);
            const end = new Promise(done => sneak.once("close", code => done(code)));
            sneak.send('{"id":1,"connect":{}}');
            await until(() => sneak.heard.length === 1, "it is connected");
            sneak.send(`{"id":2,"${command}":{"channel":"","data":1}}`);
            const code = await Promise.race([end, until(() => sneak.heard[1], "an answer")]);
            assert.match(String(code), /^3501$|"error":\{"code":107/, command);
            sneak.terminate();
        }
        const before = socket.heard.length;
        await until(() => socket.heard.length >= before + 2, "it goes on");
        assert.ok(socket.heard.every(text => text.startsWith('{"t":')), "nothing else was said there");
        socket.close();
    });

    test("without a token, this machine alone, by an address, and no page of another origin", async () => {
        const bare = await startDuet();
        const info = (headers, path = "/admin/api/info") => request(bare.url + path, { method: "POST", headers });
        try {
            assert.equal((await get(`${bare.url}/admin`)).status, 200);
            assert.equal((await info({})).status, 200);
            assert.equal((await info({ origin: bare.url })).status, 200);
            for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }, { host: "rebound.example" },
                                   { host: "rebound.example", origin: "http://rebound.example" },
                                   { "x-forwarded-for": "192.0.2.1" }])
                assert.equal((await info(headers)).status, 403, JSON.stringify(headers));
            const live = `${bare.wsUrl}/admin/live`;
            assert.equal(await dial(live, ["duet.admin.v1"], { headers: { host: "rebound.example" },
                                                               origin: "http://rebound.example" }), 403);
            const socket = await dial(live, ["duet.admin.v1"], { origin: bare.url });
            await until(() => socket.heard.length >= 1, "figures");
            socket.close();
        } finally {
            await bare.stop();
        }
    });

    test("with a listener of its own it is nowhere else", async () => {
        const port = await freePort();
        const apart = await startDuet({ args: ["--admin-listen", `http://127.0.0.1:${port}`] });
        try {
            for (const path of ["/admin", "/admin/", "/admin/index.html", "/admin/admin.js"])
                assert.equal((await get(apart.url + path)).status, 404, path);
            assert.equal(await dial(`${apart.wsUrl}/admin/live`), 404);
            assert.equal((await get(`http://127.0.0.1:${port}/admin`)).status, 200);
            assert.equal((await get(`http://127.0.0.1:${port}/admin/style.css`)).status, 200);
            const socket = await dial(`ws://127.0.0.1:${port}/admin/live`, ["duet.admin.v1"]);
            const peer = await member("apart", apart);
            await until(() => socket.heard.some(text => JSON.parse(text).subscribed[0]?.channel === "apart"),
                        "it tells of the other listener's channels");
            const published = await request(`http://127.0.0.1:${port}/admin/api/publish`,
                { method: "POST", body: '{"channel":"apart","text":"from the other listener"}' });
            assert.equal(published.status, 200);
            await until(() => peer.heard.includes("from the other listener"), "it is published");
            peer.close();
            socket.close();
        } finally {
            await apart.stop();
        }
    });
});

/* Runs in the page. */
const say = ([selector, value]) => {
    const field = document.querySelector(selector);
    field.value = value;
    field.form.requestSubmit();
};
const read = selector => document.querySelector(selector)?.textContent ?? "";
const figure = async (page, name) => Number((await page.evaluate(read, `#n-${name}`)).replace(/[^\d.]/g, ""));

async function whileSending(socket, message, everyMs, body) {
    const timer = setInterval(() => socket.send(message), everyMs);
    try {
        await body();
    } finally {
        clearInterval(timer);
    }
}

async function comesIn(page) {
    await until(() => page.evaluate(() => !document.querySelector("#door").hidden), "it asks for the token");
    await page.evaluate(say, ["#token", "not the token"]);
    await until(async () => /not the operators/.test(await page.evaluate(read, "#refused")), "a wrong one is refused");
    await page.evaluate(say, ["#token", TOKEN]);
    await until(() => page.evaluate(() => document.querySelector("#state").dataset.state === "open"), "it is open");
    assert.ok(!(await page.evaluate(() => location.href)).includes("s3cret"));
}

async function figuresMove(page) {
    await until(async () => await figure(page, "websockets") >= 1, "figures");
    const before = await figure(page, "websockets");
    const peers = await Promise.all(Array.from({ length: 5 }, () => member("moving")));
    await until(async () => await figure(page, "websockets") === before + 5, "five more WebSockets");
    await whileSending(peers[0], "x".repeat(100), 10, async () => {
        await until(async () => await figure(page, "messages_out") > 50, "messages go out");
        await until(async () => /^moving5/.test(await page.evaluate(read, "#busy tbody tr")), "the channel is the busiest");
    });
    assert.ok(await page.evaluate(() => document.querySelector("#rates .line").getAttribute("d").includes("L")));
    peers.forEach(peer => peer.close(4321));
    await until(async () => (await page.evaluate(read, "#closes")).includes("4321"), "closes are counted by code");
    await until(async () => await figure(page, "websockets") === before, "they are gone");
}

async function publishesAndInspects(page) {
    const name = `${HOSTILE}${++names}`;
    const peer = await member(name);
    const send = async (kind, message, key) => {
        await page.evaluate(([channel, wanted, k]) => {
            document.querySelector("#to").value = channel;
            document.querySelector("#key").value = k;
            document.querySelector(`input[value=${wanted}]`).checked = true;
        }, [name, kind, key]);
        await page.evaluate(say, ["#what", message]);
    };
    await send("json", `{"big": 12345678901234567890, "html": "<b>bold</b>"}`, "once");
    await until(() => peer.heard.length === 1, "it is published");
    assert.equal(peer.heard[0], `{"big": 12345678901234567890, "html": "<b>bold</b>"}`, "byte for byte");
    await send("json", "1", "once");
    await until(async () => (await page.evaluate(read, "#said")).includes("number 1."), "the key was seen before");
    await send("text", "<script>document.title = 'taken'</script>", "");
    await until(() => peer.heard.length === 2, "text is published");
    assert.equal(peer.heard[1], "<script>document.title = 'taken'</script>", "as text, without quotes");
    await send("json", "{no", "");
    await until(async () => (await page.evaluate(read, "#unsaid")).includes("not JSON"), "what is no JSON stays here");
    await page.evaluate(say, ["#name", name]);
    await until(async () => (await page.evaluate(read, "#history")).includes("<script>"), "the history has its payload");
    assert.match(await page.evaluate(read, "#facts"), /Subscribers1Offset2Epoch[\w-]{8}$/);
    assert.match(await page.evaluate(read, "#presence"), /anonymous [0-9a-f-]{36}/);
    assert.match(await page.evaluate(read, "#options"), /history_size100history_ttl10m/);
    await until(async () => (await page.evaluate(read, "#subscribed")).includes(name), "its name is in the list");
    assert.deepEqual(await page.evaluate(() => [document.title, document.querySelectorAll("main img, main script, main b b").length]),
                     ["Operator · Duet", 0], "other people's text is text");
    await page.evaluate(say, ["#name", "none:such"]);
    await until(async () => (await page.evaluate(read, "#no-look")).includes("unknown channel"), "it says what is not there");
    peer.close();
}

async function seesSlowReaders(page) {
    const lazy = await member("slow");
    lazy._socket.pause();
    const peer = await member("slow");
    await whileSending(peer, randomBytes(45000).toString("base64"), 10, () =>
        until(async () => /127\.0\.0\.1:\d+ channel[\d.]+ [kM]B/.test(await page.evaluate(read, "#slow")),
              "who reads too slowly is named, with what waits", 40000));
    lazy.terminate();
    peer.close();
}

async function forgetsTheToken(page) {
    await page.evaluate(() => document.querySelector("#leave").click());
    await until(() => page.evaluate(() => !document.querySelector("#door").hidden && sessionStorage.length === 0),
                "the token is forgotten");
}

async function works(page) {
    await comesIn(page);
    await figuresMove(page);
    await publishesAndInspects(page);
    await seesSlowReaders(page);
    await forgetsTheToken(page);
}

describe("the operators' page", TIMEOUT, () => {
    let browser;
    const withWindow = async (options, body) => {
        const { page, complaints, close } = await openWindow(browser, `${server.url}/admin`, options);
        try {
            await body(page);
            /* That a token was asked for is no trouble. */
            assert.deepEqual(complaints.filter(said => !said.includes("401")), []);
        } finally {
            await close();
        }
    };

    before(async () => { browser = await launch(); });
    after(() => browser?.close());

    test("works in Chromium", () => withWindow({}, works));

    test("works in Firefox", async () => {
        const firefox = await openFirefox();
        try {
            await firefox.goto(`${server.url}/admin`);
            await works(firefox);
        } finally {
            await firefox.close();
        }
    });

    test("can be worked by keys alone, each stop of which is seen", () => withWindow({}, async page => {
        await page.locator("#token:focus").waitFor();
        await page.keyboard.type(TOKEN);
        await page.keyboard.press("Enter");
        await page.locator("#state[data-state=open]").waitFor();
        await tabTo(page, "#name");
        await page.keyboard.type("keys");
        await page.keyboard.press("Enter");
        await page.locator("#facts", { hasText: "Offset" }).waitFor();
        await tabTo(page, "#to");
        await page.keyboard.type("keys");
        await tabTo(page, "#what");
        await page.keyboard.type("[1]");
        await tabTo(page, "#say button");
        await page.keyboard.press("Enter");
        await page.locator("#history li", { hasText: "[1]" }).waitFor();
        const stops = await page.evaluate(async () => {
            const seen = [];
            for (const element of document.querySelectorAll("#board a, #board button:not([hidden]), #board input, "
                                                            + "#board textarea, #board [tabindex='0'], summary")) {
                element.focus({ focusVisible: true });
                const { outlineStyle, outlineWidth } = getComputedStyle(element);
                if (element === document.activeElement && !(outlineStyle !== "none" && parseFloat(outlineWidth) >= 2))
                    seen.push(element.outerHTML.slice(0, 80));
            }
            return seen;
        });
        assert.deepEqual(stops, []);
        assert.deepEqual(await page.$$eval("input, textarea, button, [tabindex='0']", all => all.filter(element =>
            !(element.labels?.length || element.textContent.trim() || element.ariaLabel)).map(e => e.outerHTML)), []);
    }));

    test("an answer that comes late is not shown over a newer one", () => withWindow({}, async page => {
        const name = `late${++names}`;
        const peer = await member(name);
        let asked = 0;
        let release;
        const held = new Promise(done => { release = done; });
        await page.route("**/admin/api/history", async route => {
            const response = await route.fetch();
            if (++asked === 1)
                await held;
            await route.fulfill({ response });
        });
        await page.fill("#token", TOKEN);
        await page.press("#token", "Enter");
        await page.locator("#subscribed button", { hasText: name }).click();
        await until(() => asked === 1, "the first look has its answer, which is on its way");
        await page.fill("#what", JSON.stringify("newest"));
        await page.click("#say button");
        await page.locator("#history li", { hasText: "newest" }).waitFor();
        const [late] = await Promise.all([page.waitForResponse("**/admin/api/presence"), release()]);
        await late.finished();
        await page.evaluate(() => new Promise(requestAnimationFrame));
        assert.match(await page.evaluate(read, "#history"), /newest/);
        peer.close();
    }));

    for (const colorScheme of ["light", "dark"])
        test(`fits a phone, in ${colorScheme}`, () =>
            withWindow({ viewport: { width: 360, height: 740 }, colorScheme }, async page => {
                const letter = colorScheme === "light" ? "w" : "v"; /* of a channel of its own */
                const peer = await member(letter.repeat(200));
                await page.fill("#token", TOKEN);
                await page.press("#token", "Enter");
                await page.locator("#subscribed button", { hasText: letter.repeat(4) }).click();
                await page.fill("#to", letter.repeat(200));
                await page.fill("#what", JSON.stringify(letter.repeat(300)));
                await page.click("#say button");
                await page.locator("#history li", { hasText: letter.repeat(4) }).waitFor();
                const [width, outside, paper] = await page.evaluate(() => [
                    document.documentElement.scrollWidth,
                    [...document.querySelectorAll("#board *")]
                        .filter(element => element.getClientRects().length && !element.closest(".unseen, svg")
                                           && element.getBoundingClientRect().right > 361)
                        .map(element => element.outerHTML.slice(0, 80)),
                    getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((a, b) => a + Number(b), 0)]);
                assert.equal(width, 360);
                assert.deepEqual(outside, []);
                assert.equal(paper > 384, colorScheme === "light");
                peer.close();
            }));
});
