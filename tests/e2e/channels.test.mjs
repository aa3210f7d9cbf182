/* SPDX-License-Identifier: MIT */
/* Channels as docs/quickstart.md has them: a browser's EventSource and WebSocket, curl, and a network that is cut. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { launch, openWindow } from "./tools/browser.mjs";
import { startDuet, until } from "./tools/duet.mjs";
import { startProxy } from "./tools/proxy.mjs";

const TIMEOUT = { timeout: 120000 };
const quickstart = fileURLToPath(new URL("../../examples/quickstart", import.meta.url));
let browser;
let server;
let proxy;

before(async () => {
    server = await startDuet({ args: ["--root", quickstart, "--threads", "4"] });
    proxy = await startProxy(server.port);
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await proxy?.stop();
    await server?.stop();
});

/* curl, as a backend's shell script would. */
function api(method, params, url = server.url) {
    return JSON.parse(execFileSync("curl", ["-sf", "--noproxy", "*", "-d", JSON.stringify(params),
                                            `${url}/api/${method}`], { encoding: "utf8" }));
}

async function withWindow(url, body) {
    const window = await openWindow(browser, url);
    try {
        return await body(window.page, window.complaints);
    } finally {
        await window.close();
    }
}

describe("quickstart", TIMEOUT, () => {
    test("the page shows what the five lines of shell push", async () => {
        const folder = mkdtempSync(join(tmpdir(), "duet-push-"));
        const script = join(folder, "push.sh");
        writeFileSync(script, readFileSync(join(quickstart, "push.sh"), "utf8").replace("127.0.0.1:8080",
                                                                                        `127.0.0.1:${server.port}`));
        const push = spawn("sh", [script], { stdio: "ignore", env: { ...process.env, no_proxy: "*" } });
        try {
            await withWindow(`${server.url}/`, async (page, complaints) => {
                await page.locator("#lines li").nth(1).waitFor();
                assert.match(await page.locator("#load").textContent(), /^\d+\.\d\d$/);
                assert.deepEqual(complaints.filter(text => !/favicon/.test(text) && !/404/.test(text)), []);
            });
        } finally {
            push.kill();
            rmSync(folder, { recursive: true });
        }
    });
});

describe("channels", TIMEOUT, () => {
    test("an EventSource that is cut gets what it missed, once and in order", () =>
        withWindow(`${proxy.url}/`, async page => {
            await page.evaluate(() => {
                window.came = [];
                window.opened = 0;
                const events = new EventSource("/events?channel=cut");
                events.onopen = () => { window.opened++; };
                events.onmessage = event => window.came.push(JSON.parse(event.data));
            });
            await page.waitForFunction(() => window.opened === 1);
            for (let i = 1; i <= 3; i++)
                api("publish", { channel: "cut", data: i });
            await page.waitForFunction(() => window.came.length === 3);
            proxy.cut();
            for (let i = 4; i <= 20; i++)
                api("publish", { channel: "cut", data: i });
            proxy.mend();
            await page.waitForFunction(() => window.opened === 2, null, { timeout: 20000 });
            for (let i = 21; i <= 25; i++)
                api("publish", { channel: "cut", data: i });
            await page.waitForFunction(() => window.came.length >= 25);
            assert.deepEqual(await page.evaluate(() => window.came), Array.from({ length: 25 }, (_, i) => i + 1));
        }));

    test("an EventSource of several channels resumes all of them", () =>
        withWindow(`${proxy.url}/`, async page => {
            await page.evaluate(() => {
                window.came = [];
                window.opened = 0;
                const events = new EventSource("/events?channel=left&channel=right");
                events.onopen = () => { window.opened++; };
                for (const name of ["left", "right"])
                    events.addEventListener(name, event => window.came.push(name[0] + event.data));
            });
            await page.waitForFunction(() => window.opened === 1);
            api("broadcast", { channels: ["left", "right"], data: 1 });
            await page.waitForFunction(() => window.came.length === 2);
            proxy.cut();
            api("publish", { channel: "right", data: 2 });
            api("publish", { channel: "left", data: 2 });
            api("publish", { channel: "right", data: 3 });
            proxy.mend();
            await page.waitForFunction(() => window.came.length >= 5, null, { timeout: 20000 });
            const came = await page.evaluate(() => window.came);
            assert.deepEqual(came.filter(name => name[0] === "l"), ["l1", "l2"]);
            assert.deepEqual(came.filter(name => name[0] === "r"), ["r1", "r2", "r3"]);
        }));

    test("a browser's WebSocket with duet.v1 comes back with the position it has", () =>
        withWindow(`${server.url}/`, async page => {
            const talk = (since, count) => page.evaluate(([from, wanted]) => new Promise((done, failed) => {
                const socket = new WebSocket(`${location.origin.replace("http", "ws")}/channel/back${from}`, "duet.v1");
                const came = [];
                socket.onerror = failed;
                socket.onmessage = event => {
                    came.push(JSON.parse(event.data));
                    if (came.length === wanted)
                        socket.close();
                };
                socket.onopen = () => { if (!from) socket.send("first"); };
                socket.onclose = () => done(came);
            }), [since, count]);
            const [hello, first] = await talk("", 2);
            assert.equal(first.text, "first");
            assert.equal(first.who.client, hello.client);
            for (const data of ["second", { third: true }])
                api("publish", { channel: "back", data });
            const came = await talk(`?since=${hello.epoch}:${first.offset}`, 3);
            assert.equal(came[0].recovered, true);
            assert.deepEqual(came.slice(1).map(item => item.data), ["second", { third: true }]);
            const lost = await talk("?since=AAAAAAAA:1", 1);
            assert.equal(lost[0].recovered, false);
        }));

    test("every way in reaches every way out, as JSON, text and bytes", async () => {
        const bare = new WebSocket(`${server.wsUrl}/channel/cross`);
        const wrapped = new WebSocket(`${server.wsUrl}/channel/cross`, "duet.v1");
        const came = { bare: [], wrapped: [], events: "" };
        bare.on("message", (data, isBinary) => came.bare.push(isBinary ? data.toString("hex") : data.toString()));
        wrapped.on("message", data => came.wrapped.push(JSON.parse(data)));
        const events = spawn("curl", ["-sN", "--noproxy", "*", `${server.url}/events?channel=cross`]);
        events.stdout.setEncoding("utf8").on("data", text => { came.events += text; });
        await until(() => bare.readyState === 1 && came.wrapped.length === 1 && came.events.includes("id: "), "open");
        bare.send('{"n": 1}');
        await until(() => came.bare.length === 1, "the first");
        wrapped.send("two");
        await until(() => came.bare.length === 2, "the second");
        wrapped.send(Buffer.from([3, 0]));
        await until(() => came.bare.length === 3, "the third");
        api("publish", { channel: "cross", data: [4] });
        api("publish", { channel: "cross", b64data: "BQ==" });
        await until(() => came.bare.length === 5 && came.wrapped.length === 6 && came.events.includes("BQ=="), "all");
        assert.deepEqual(came.bare, ['{"n": 1}', "two", "0300", "[4]", "05"]);
        assert.deepEqual(came.wrapped.slice(1).map(({ offset, data, text, b64 }) => ({ offset, data, text, b64 })), [
            { offset: 1, data: { n: 1 }, text: undefined, b64: undefined },
            { offset: 2, data: undefined, text: "two", b64: undefined },
            { offset: 3, data: undefined, text: undefined, b64: "AwA=" },
            { offset: 4, data: [4], text: undefined, b64: undefined },
            { offset: 5, data: undefined, text: undefined, b64: "BQ==" },
        ]);
        assert.deepEqual(came.events.match(/data: .*/g),
                         ['data: {"n": 1}', 'data: "two"', 'data: {"b64":"AwA="}', "data: [4]", 'data: {"b64":"BQ=="}']);
        events.kill();
        bare.close();
        wrapped.close();
    });
});
