/* SPDX-License-Identifier: MIT */
/* Notifications: one line of curl to every window of a user, one count of unread everywhere, kept over days; doors. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { WebSocket, accessible, backend, cast, fitsAPhone, live, openWindow, shot, startDemo, staysInPlace,
         until } from "./tools.mjs";

const titles = () => [...document.querySelectorAll("#notes .what")].map(what => what.textContent);
const unread = () => parseInt(document.querySelector("#unread").textContent) || 0;
const shell = line => JSON.parse(execFileSync("sh", ["-c", line.replace("curl ", "curl -sf --noproxy '*' ")],
                                              { encoding: "utf8" }));

function send(url, title, more = {}) {
    const body = JSON.stringify({ channel: "notify:#ann", data: { title, ...more } });
    return shell(`curl -d '${body}' ${url}/api/publish`);
}

/* How an upgrade ends: "open", or the status. */
function knock(url, options = {}, protocols = []) {
    return new Promise(done => {
        const socket = new WebSocket(url, protocols, options);
        socket.on("open", () => { socket.terminate(); done("open"); });
        socket.on("unexpected-response", (request, response) => { request.destroy(); done(response.statusCode); });
        socket.on("error", () => {});
    });
}

function tokenFor(port, user) {
    return new Promise((done, failed) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/?user=${user}`);
        socket.on("message", text => done(String(text)));
        socket.on("error", failed);
    });
}

describe("notify", { timeout: 120000, concurrency: 2 }, () => {
    test("one line of curl reaches every window, also after a cut; read in one is read in all; kept", async t => {
        const data = mkdtempSync(join(tmpdir(), "duet-notify-"));
        t.after(() => rmSync(data, { recursive: true, force: true }));
        const { demo, browser, network, ann, ben, fox, complaints, close } = await cast("/apps/notify/?user=ann", {
            args: ["--data", data],
            window: { viewport: { width: 1200, height: 720 }, permissions: ["notifications"] } });
        t.after(close);
        await Promise.all([live(ann), live(ben)]);
        await fox.until(() => document.querySelector("#state").dataset.state === "live");
        const all = async (wanted, count) => {
            for (const page of [ann, ben])
                await until(async () => JSON.stringify([await page.evaluate(titles), await page.evaluate(unread)])
                            === JSON.stringify([wanted, count]), `the page has ${wanted}`);
            await until(async () => JSON.stringify([await fox.evaluate(titles), await fox.evaluate(unread)])
                        === JSON.stringify([wanted, count]), `Firefox has ${wanted}`);
        };
        await ann.evaluate(() => {
            window.shown = [];
            const Real = Notification;
            window.Notification = class extends Real {
                constructor(...what) {
                    super(...what);
                    window.shown.push(what);
                }
            };
        });
        /* The line that the page shows, whatever is in it. */
        await ann.fill("#words", `Tea's "ready" & $HOME`);
        assert.ok(shell(await ann.locator("#curl").textContent()).result.offset > 0);
        const first = `Tea's "ready" & $HOME`;
        await all([first], 1);
        /* What comes while nobody looks is shown by the system, too. */
        assert.deepEqual(await ann.evaluate(() => window.shown), []);
        await ann.evaluate(() => Object.defineProperty(document, "hidden", { get: () => true, configurable: true }));
        network.down();
        await ben.locator("#state:not([data-state=live])").waitFor();
        send(demo.url, "Two", { body: "while two were away", link: "/apps/" });
        send(demo.url, "Three", { id: "x", link: "//evil.example/" });
        send(demo.url, "Three", { id: "x" });       /* twice, as by a backend that had no answer */
        network.up();
        await all(["Three", "Two", first], 3);
        assert.deepEqual(await ann.evaluate(() => window.shown.map(([title, { body }]) => [title, body])),
                         [["Two", "while two were away"], ["Three", ""]]);
        assert.deepEqual(await ann.evaluate(() => [...document.querySelectorAll("#notes a")].map(a => a.textContent)),
                         ["Two"], "a link leads to this site only");
        await shot(ann, "notify");
        await ben.click("#read");
        await all(["Three", "Two", first], 0);
        send(demo.url, "Four");
        await all(["Four", "Three", "Two", first], 1);
        await ann.reload();
        await live(ann);
        await all(["Four", "Three", "Two", first], 1);
        /* To many, from the page. */
        const bob = await openWindow(browser, `${demo.url}/apps/notify/?user=bob`);
        await live(bob.page);
        await ann.fill("#to", "ann, bob");
        await ann.fill("#words", "For both");
        await ann.click("#post button[type=submit]");
        await bob.page.locator("#notes .what", { hasText: "For both" }).waitFor();
        await all(["For both", "Four", "Three", "Two", first], 2);
        assert.deepEqual(await bob.page.evaluate(titles), ["For both"]);
        await staysInPlace(bob.page);       /* in ann's the list has moved down, by what came on top of it */
        for (const page of [ann, bob.page]) {
            await accessible(page);
            await fitsAPhone(page);
        }
        assert.deepEqual([...complaints(), ...bob.complaints], []);
        /* All windows closed, the server started anew: what was said before is there, and what is said now. */
        await Promise.all([ann.close(), ben.close(), bob.close()]);
        await demo.stop();
        const again = await startDemo({ args: ["--data", data], port: demo.port });
        t.after(() => again.stop());
        send(again.url, "Later");
        await backend(again, "notify");
        const later = await openWindow(browser, `${again.url}/apps/notify/?user=ann`);
        await later.page.waitForFunction(() => document.querySelectorAll("#notes .what").length === 6);
        assert.deepEqual([await later.page.evaluate(titles), await later.page.evaluate(unread)],
                         [["Later", "For both", "Four", "Three", "Two", first], 3]);
    });

    test("nobody comes into another's", async t => {
        const demo = await startDemo();
        t.after(() => demo.stop());
        const port = await backend(demo, "notify");
        const own = `${demo.wsUrl}/channel/notify%3A%23ann`;
        const [ann, bob] = [await tokenFor(port, "ann"), await tokenFor(port, "bob")];
        assert.equal(await knock(own, {}, ["duet.v1", `token.${ann}`]), "open");
        assert.equal(await knock(own, {}, ["duet.v1", `token.${bob}`]), 403);
        assert.equal(await knock(own, {}, ["duet.v1"]), 401);
        assert.equal(await knock(`${demo.wsUrl}/channel/notify%3Aann`, {}, ["duet.v1", `token.${ann}`]), 403);
        const forged = `${ann.split(".")[0]}.${bob.split(".")[1]}.${ann.split(".")[2]}`;
        assert.equal(await knock(own, {}, ["duet.v1", `token.${forged}`]), 401);
        const door = user => `ws://127.0.0.1:${port}/?user=${user}`;
        for (const user of ["", "Ann", "a%22", "a".repeat(33)])
            assert.equal(await knock(door(user)), 400, user);
        assert.equal(await knock(door("a".repeat(32))), "open");
        assert.equal(await knock(door("ann"), { origin: "https://evil.example" }), 403);
        assert.equal(await knock(door("ann"), { origin: `http://127.0.0.1:${demo.port}` }), "open");
    });
});
