/* SPDX-License-Identifier: MIT */
/* The unchanged npm `centrifuge` client against `duet serve`, by each of its ways. Without tokens. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { code, connected as connectedTo, disconnectAll, fresh, subscribed, subscription, told } from "./tools/centrifuge.mjs";
import { startDuet, until } from "./tools/duet.mjs";
import { startRelay } from "./tools/relay.mjs";

const TIMEOUT = { timeout: 60000 };
const WAYS = ["websocket", "http_stream", "sse"];
let server;
let relay;

before(async () => {
    server = await startDuet();
    relay = await startRelay(server.port);
});
afterEach(disconnectAll);
after(async () => {
    await relay?.stop();
    await server?.stop();
});

const connected = (way, options = {}, at = server) => connectedTo(way, options, at);

for (const way of WAYS)
    describe(`centrifuge over ${way}`, TIMEOUT, () => {
        test("connects, and is named", async () => {
            const c = await connected(way);
            const [context] = told(c, "connected");
            assert.match(context.client, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
            assert.equal(context.transport, way);
            c.disconnect();
            assert.equal(told(c, "disconnected")[0].code, 0);
        });

        test("publishes, to itself and others, what comes unchanged", async () => {
            const [a, b] = [await connected(way), await connected(way)];
            const channel = fresh("chat");
            const subs = [await subscribed(a, channel), await subscribed(b, channel)];
            const data = [{ text: "höllö\n\u2028 𝄞", n: 1.5e300, deep: [[[{}]]] }, null, 0, "", [], false, "\ud83d\ude00"];
            for (const one of data)
                await a.publish(channel, one);
            for (const sub of subs) {
                await until(() => sub.came.length === data.length, "all come");
                assert.deepEqual(sub.came, data);
            }
            const [first] = subs[1].told.find(([name]) => name === "publication").slice(1);
            assert.equal(first.info.client, told(a, "connected")[0].client);
            assert.equal(first.offset, 1);
        });

        test("unsubscribes and comes again", async () => {
            const [a, b] = [await connected(way), await connected(way)];
            const channel = fresh("again");
            const sub = await subscribed(a, channel);
            await b.publish(channel, 1);
            await until(() => sub.came.length === 1, "it comes");
            sub.unsubscribe();
            await a.presenceStats(channel).then(stats => assert.equal(stats.numClients, 0));
            await b.publish(channel, 2);
            sub.subscribe();
            await sub.ready(5000);
            await b.publish(channel, 3);
            await until(() => sub.came.length === 2, "it comes again");
            assert.deepEqual(sub.came, [1, 3]);
        });

        test("keeps the order of many channels in one batch", async () => {
            const [a, b] = [await connected(way), await connected(way)];
            const channels = Array.from({ length: 50 }, () => fresh("many"));
            const subs = [];
            a.startBatching();
            for (const channel of channels) {
                const sub = subscription(a, channel);
                sub.subscribe();
                subs.push(sub);
            }
            a.stopBatching();
            await Promise.all(subs.map(sub => sub.ready(10000)));
            b.startBatching();
            const done = [];
            for (let n = 0; n < 10; n++)
                for (const channel of channels)
                    done.push(b.publish(channel, n));
            b.stopBatching();
            await Promise.all(done);
            for (const sub of subs) {
                await until(() => sub.came.length === 10, "all ten come");
                assert.deepEqual(sub.came, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            }
        });

        test("recovers what it missed, and says when it cannot", async () => {
            const [a, b] = [await connected(way, {}, relay), await connected(way)];
            const channel = fresh("recover");
            const sub = await subscribed(a, channel, { recoverable: true });
            const greeting = sub.told.find(([name]) => name === "subscribed")[1];
            assert.equal(greeting.recoverable, true);
            assert.equal(greeting.positioned, true);
            await b.publish(channel, 0);
            await until(() => sub.came.length === 1, "the first comes");
            relay.cut();
            await until(() => told(a, "connecting").length === 2, "the cut is noticed");
            for (let n = 1; n <= 20; n++)
                await b.publish(channel, n);
            await until(() => sub.came.length === 21, "all come");
            assert.deepEqual(sub.came, Array.from({ length: 21 }, (_, n) => n));
            /* More than the history holds (100): it is told that it missed some. */
            a.disconnect();
            for (let n = 0; n < 101; n++)
                await b.publish(channel, n);
            sub.told.length = 0;
            a.connect();
            const [, context] = await until(() => sub.told.find(([name]) => name === "subscribed"), "it is back");
            assert.equal(context.wasRecovering, true);
            assert.equal(context.recovered, false);
            assert.equal(sub.came.length, 21);
        });

        test("an epoch that is not the channel's recovers nothing", async () => {
            const a = await connected(way);
            const channel = fresh("epoch");
            await a.publish(channel, 1);
            const sub = await subscribed(a, channel, { recoverable: true, since: { offset: 0, epoch: "otherone" } });
            const context = sub.told.find(([name]) => name === "subscribed")[1];
            assert.equal(context.wasRecovering, true);
            assert.equal(context.recovered, false);
        });

        test("pages through history both ways", async () => {
            const a = await connected(way);
            const channel = fresh("history");
            for (let n = 1; n <= 10; n++)
                await a.publish(channel, { n });
            const numbers = page => page.publications.map(p => p.data.n);
            const top = await a.history(channel);
            assert.deepEqual([top.offset, top.publications.length, top.epoch.length], [10, 0, 8]);
            assert.deepEqual(numbers(await a.history(channel, { limit: 3 })), [1, 2, 3]);
            const since = offset => ({ offset, epoch: top.epoch });
            assert.deepEqual(numbers(await a.history(channel, { limit: 3, since: since(3) })), [4, 5, 6]);
            assert.deepEqual(numbers(await a.history(channel, { limit: -1, since: since(8) })), [9, 10]);
            assert.deepEqual(numbers(await a.history(channel, { limit: 3, reverse: true })), [10, 9, 8]);
            assert.deepEqual(numbers(await a.history(channel, { limit: 3, reverse: true, since: since(8) })), [7, 6, 5]);
            await assert.rejects(a.history(channel, { limit: 1, since: { offset: 1, epoch: "otherone" } }), code(112));
            await assert.rejects(a.history(channel, { limit: 1, reverse: true, since: since(0) }), code(107));
        });

        test("tells who is there, comes and goes", async () => {
            const [a, b] = [await connected(way), await connected(way)];
            const channel = fresh("presence");
            const [ann, bob] = [a, b].map(c => told(c, "connected")[0].client);
            const sub = await subscribed(a, channel, { joinLeave: true });
            await until(() => sub.told.some(([name]) => name === "join"), "its own join");
            const other = await subscribed(b, channel);
            await until(() => sub.told.filter(([name]) => name === "join").length === 2, "the other's join");
            assert.deepEqual(sub.told.filter(([name]) => name === "join").map(([, j]) => j.info.client), [ann, bob]);
            assert.deepEqual(Object.keys((await a.presence(channel)).clients).sort(), [ann, bob].sort());
            const stats = await a.presenceStats(channel);
            assert.deepEqual([stats.numClients, stats.numUsers], [2, 1]);
            other.unsubscribe();
            await until(() => sub.told.some(([name, j]) => name === "leave" && j.info.client === bob), "it leaves");
            assert.equal(other.told.some(([name]) => name === "join"), false, "who did not ask is not told");
        });

        test("errors have their codes, and the connection stays", async () => {
            const a = await connected(way);
            await assert.rejects(a.rpc("method", {}), code(108));
            await assert.rejects(a.publish("x".repeat(256), 1), code(107));
            await assert.rejects(a.presence("with\u0007bell"), code(107));
            const bad = subscription(a, "$private");
            bad.subscribe();
            const [, context] = await until(() => bad.told.find(([name]) => name === "unsubscribed"), "it is refused");
            assert.equal(context.code, 103);
            assert.equal(told(a, "connected").length, 1);
        });

        test("a drain says 3001, and clients go elsewhere", async () => {
            const other = await startDuet();
            const a = await connected(way, {}, other);
            const stopped = other.stop();
            const [, context] = await until(() => a.told.filter(([name]) => name === "connecting")[1], "it is told");
            assert.deepEqual([context.code, context.reason], [3001, "shutdown"]);
            a.disconnect();
            assert.equal(await stopped, 0);
        });
    });

test("OPS-1: a drain spreads 3001 over its time, so that 200 clients do not come back at once", TIMEOUT, async () => {
    const folder = mkdtempSync(join(tmpdir(), "duet-drain-"));
    writeFileSync(join(folder, "duet.yaml"), "drain: 3s\n");
    const other = await startDuet({ args: ["--config", join(folder, "duet.yaml"), "--threads", "1"] });
    try {
        const COUNT = 200, OVER = 3000 * 0.8; /* at 20 ms each it would be 4 s */
        const clients = [];
        while (clients.length < COUNT)
            clients.push(...await Promise.all(Array.from({ length: 50 }, () =>
                connected("websocket", { minReconnectDelay: 60000, maxReconnectDelay: 60000 }, other))));
        const times = [];
        const codes = clients.map(c => new Promise(done => c.once("connecting", context => {
            times.push(performance.now());
            done(context.code);
        })));
        const since = performance.now();
        const stopped = other.stop();
        assert.deepEqual(await Promise.all(codes), Array(COUNT).fill(3001));
        assert.equal(await stopped, 0);
        /* They may hear of it late, but none is told before his turn; 40 ms are two steps. */
        times.forEach((at, i) => {
            const turn = i / COUNT * OVER * 0.9 - 40;
            assert.ok(at - since >= turn, `number ${i} is told after ${at - since} ms, his turn is at ${turn}`);
        });
    } finally {
        disconnectAll();
        await other.stop();
        rmSync(folder, { recursive: true, force: true });
    }
});

test("the example of the docs works as it stands", TIMEOUT, async () => {
    const page = readFileSync(new URL("../../docs/centrifugal.md", import.meta.url), "utf8");
    const [, example] = /```js\n([^]*?)```/.exec(page);
    const script = example.replace("ws://127.0.0.1:8080", server.wsUrl);
    assert.notEqual(script, example);
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script],
                        { cwd: fileURLToPath(new URL(".", import.meta.url)) });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", text => { said += text; });
    try {
        await until(() => said.includes("\n"), "it says what came");
        assert.match(said, /^1 \{ hello: 'world' \}\n/);
    } finally {
        child.kill();
    }
});
