/* SPDX-License-Identifier: MIT */
/* web/duet.js, in Node with npm's ws; the chat in the browsers is its other user. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import WebSocket from "ws";
import { join } from "../../web/duet.js";
import { fresh } from "./tools/centrifuge.mjs";
import { freePort, startDuet, until } from "./tools/duet.mjs";
import { startRelay } from "./tools/relay.mjs";

const TIMEOUT = { timeout: 60000 };
const source = fileURLToPath(new URL("../../web/duet.js", import.meta.url));
const channels = new Set();
let server;
let relay;

before(async () => {
    server = await startDuet();
    relay = await startRelay(server.port);
});
afterEach(() => {
    channels.forEach(channel => channel.close());
    channels.clear();
});
after(async () => {
    await relay?.stop();
    await server?.stop();
});

/* A channel, with all that it tells. */
function enter(name, options = {}, at = server) {
    const channel = join(name, { url: at.wsUrl, WebSocket, first: 20, most: 100, ...options });
    channels.add(channel);
    channel.told = [];
    for (const what of ["message", "state", "lost", "error", "welcome", "end"])
        channel.on(what, detail => channel.told.push([what, detail]));
    channel.of = what => channel.told.filter(([one]) => one === what).map(([, detail]) => detail);
    channel.data = () => channel.of("message").map(message => message.data);
    return channel;
}

const live = channel => until(() => channel.state === "live", "it is live");

describe("duet.js", TIMEOUT, () => {
    test("has under 5 KB compressed", () => {
        assert.ok(gzipSync(readFileSync(source), { level: 9 }).length < 5 * 1024);
    });

    test("brings JSON, text and bytes, and says who and when", async () => {
        const name = fresh("kinds");
        const [a, b] = [enter(name), enter(name)];
        await Promise.all([live(a), live(b)]);
        assert.ok(a.send({ n: [1, null] }) && a.send("plain words") && a.send(Uint8Array.from([0, 255])));
        await until(() => b.of("message").length === 3, "all come");
        const [json, text, bytes] = b.of("message");
        assert.deepEqual([json.data, json.offset, json.missed, json.who.client], [{ n: [1, null] }, 1, false, a.client]);
        assert.ok(Math.abs(json.time - Date.now()) < 60000);
        assert.equal(text.text, "plain words");
        assert.deepEqual([...bytes.bytes], [0, 255]);
        assert.deepEqual(a.of("state"), ["live"]);
    });

    test("begins with the last ones, and with a position", async () => {
        const name = fresh("last");
        const a = enter(name);
        await live(a);
        for (let n = 1; n <= 5; n++)
            a.send(n);
        await until(() => a.data().length === 5, "all come");
        const [late, since] = [enter(name, { last: 2 }), enter(name, { since: a.position.replace(/\d+$/, "3") })];
        await Promise.all([live(late), live(since)]);
        assert.deepEqual(late.data(), [4, 5]);
        assert.deepEqual(since.data(), [4, 5]);
        assert.ok(late.of("message").every(message => message.missed));
        assert.deepEqual(late.of("state"), ["catching up", "live"]);
        assert.equal(late.position, a.position);
    });

    test("gets what it missed in a cut, once and in order, and sends what waited", async () => {
        const name = fresh("cut");
        const [a, b] = [enter(name, { first: 300, most: 300 }, relay), enter(name)];
        await Promise.all([live(a), live(b)]);
        b.send(0);
        await until(() => a.data().length === 1, "the first comes");
        for (let round = 0; round < 5; round++) {
            relay.cut();
            await until(() => a.state === "connecting" || a.of("welcome").length > round + 1, "the cut is noticed");
            for (let n = 1; n <= 10; n++)
                b.send(round * 10 + n);
            await until(() => a.data().filter(n => typeof n === "number").length === 1 + 10 * (round + 1), "all come");
        }
        assert.deepEqual(a.data(), Array.from({ length: 51 }, (_, n) => n));
        relay.cut();
        await until(() => !a.open, "it is cut off");
        assert.ok(a.send("from within"));
        await until(() => b.of("message").some(message => message.text === "from within"), "it comes later");
        assert.equal(a.of("lost").length, 0);
    });

    test("says that something is lost, when it is", async () => {
        const name = fresh("lost");
        const b = enter(name);
        await live(b);
        for (let n = 0; n < 150; n++) /* of which a hundred are kept */
            b.send(n);
        await until(() => b.data().length === 150, "all come");
        const a = enter(name, { since: b.position.replace(/\d+$/, "1") });
        await live(a);
        assert.equal(a.of("lost").length, 1);
        b.send("new");
        await until(() => a.of("message").some(message => message.text === "new"), "it goes on");
    });

    test("may only speak, before and after a cut", async () => {
        const name = fresh("speak");
        const [a, b] = [enter(name, { listen: false, last: 5, first: 300, most: 300 }, relay), enter(name)];
        await Promise.all([live(a), live(b)]);
        a.send(1);
        await until(() => b.data().length === 1, "it comes");
        relay.cut();
        await until(() => !a.open, "it is cut off");
        a.send(2);
        await until(() => b.data().length === 2 && a.state === "live", "it is back");
        assert.deepEqual([b.data(), a.of("message"), a.of("lost"), a.position], [[1, 2], [], [], null]);
    });

    test("waits for a server, and keeps at most a hundred messages for it", async () => {
        const port = await freePort();
        const name = fresh("wait");
        const a = enter(name, {}, { wsUrl: `ws://127.0.0.1:${port}` });
        for (let n = 0; n < 101; n++)
            assert.equal(a.send(n), n < 100);
        await new Promise(done => setTimeout(done, 300));
        const other = await startDuet({ port });
        try {
            await until(() => a.data().length === 100, "all come");
            assert.deepEqual(a.data(), Array.from({ length: 100 }, (_, n) => n));
        } finally {
            a.close();
            await other.stop();
        }
    });

    test("goes on where the browser says that its network was gone and the connection stands", async t => {
        const network = new EventTarget();
        for (const what of ["addEventListener", "removeEventListener"])
            globalThis[what] = network[what].bind(network);
        t.after(() => {
            delete globalThis.addEventListener;
            delete globalThis.removeEventListener;
        });
        const say = what => network.dispatchEvent(new Event(what));
        const room = enter(fresh("network"), { last: 5, first: 60000, most: 60000 }, relay);
        room.on("state", state => state === "catching up" && setTimeout(say, 1, "online"));
        await live(room);
        say("offline");
        assert.equal(room.state, "offline");
        say("online");
        assert.equal(room.state, "live");
        relay.cut();
        await until(() => room.state === "connecting", "it waits a minute");
        say("online");
        await live(room);
    });

    test("asks for a token each time, and goes on when there is none", async () => {
        const name = fresh("token");
        let times = 0;
        const a = enter(name, { token: async () => {
            if (++times === 1)
                throw new Error("no network");
            return times === 2 ? undefined : "";
        } }, relay);
        await live(a);
        assert.deepEqual(a.of("error"), [{ code: 0, message: "no network" }]);
        relay.cut();
        await until(() => times === 3 && a.state === "live", "it is back");
    });

    test("ends when it is closed, and when the server says so", async () => {
        const name = fresh("end");
        const [a, b] = [enter(name), enter(name)];
        await Promise.all([live(a), live(b)]);
        a.close();
        a.close();
        assert.deepEqual([a.state, a.send("x"), a.of("end")], ["ended", false, [{ code: 1000, reason: "" }]]);
        const said = spawnSync("curl", ["-s", "-d", JSON.stringify({ user: "", client: b.client,
                                        disconnect: { code: 4500, reason: "banned" } }), `${server.url}/api/disconnect`]);
        assert.equal(String(said.stdout).trim(), '{"result":{}}');
        await until(() => b.state === "ended", "it ends");
        assert.deepEqual(b.of("end"), [{ code: 4500, reason: "banned" }]);
        await new Promise(done => setTimeout(done, 200));
        assert.equal(b.of("welcome").length, 1);
    });
});
