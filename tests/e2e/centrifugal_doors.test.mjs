/* SPDX-License-Identifier: MIT */
/* The unchanged npm `centrifuge` client against a server with tokens and namespaces, and slow readers. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import WebSocket from "ws";
import { client, code, connected as connectedTo, disconnectAll, fresh, subscribed, subscription, token,
         told } from "./tools/centrifuge.mjs";
import { startDuet, until } from "./tools/duet.mjs";
import { startRelay } from "./tools/relay.mjs";

const TIMEOUT = { timeout: 60000 };
const SECRET = "0123456789abcdef0123456789abcdef";
const OPEN = `history_size: 20
  history_ttl: 10m
  allow_recovery: true
  presence: true
  join_leave: true
  allow_subscribe_for_client: true
  allow_publish_for_client: true
  allow_history_for_client: true
  allow_presence_for_client: true
`;
const CONFIG = folder => `origins: ["*"]
tokens:
  secret_file: ${join(folder, "secret")}
clients:
  expired_close_delay: 1s
channels:
  ${OPEN}
namespaces:
  - name: closed
  - name: few
    allow_user_limited_channels: true
  - name: last
    ${OPEN.replaceAll("\n", "\n  ")}
    force_recovery_mode: cache
  - name: delta
    ${OPEN.replaceAll("\n", "\n  ")}
    delta_publish: true
    allowed_delta_types: [fossil]
  - name: tags
    ${OPEN.replaceAll("\n", "\n  ")}
    allow_tags_filter: true
`;

let folder;
let server;
let relay;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "duet-e2e-"));
    writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
    writeFileSync(join(folder, "duet.yaml"), CONFIG(folder));
    server = await startDuet({ args: ["--config", join(folder, "duet.yaml")] });
    relay = await startRelay(server.port);
});
afterEach(disconnectAll);
after(async () => {
    await relay?.stop();
    await server?.stop();
    rmSync(folder, { recursive: true });
});

const connected = (way, user, options = {}, at = server) =>
    connectedTo(way, { token: token(SECRET, { sub: user }), ...options }, at);

/* A backend's publication. */
async function api(method, params) {
    const answer = await fetch(`${server.url}/api/${method}`, { method: "POST", body: JSON.stringify(params) });
    const { result } = await answer.json();
    assert.ok(result);
    return result;
}

const publish = (channel, data, more = {}) => api("publish", { channel, data, ...more });
const readers = async channel => (await api("channels", { pattern: channel })).channels[channel]?.num_clients ?? 0;

for (const way of ["websocket", "http_stream", "sse"])
    describe(`centrifuge with tokens over ${way}`, TIMEOUT, () => {
        test("is who its token says, and others see it", async () => {
            const a = await connectedTo(way, { token: token(SECRET, { sub: "ann", info: { name: "Ann" } }) }, server);
            const channel = fresh("who");
            await subscribed(a, channel);
            const { clients } = await a.presence(channel);
            const [entry] = Object.values(clients);
            assert.deepEqual([entry.user, entry.connInfo], ["ann", { name: "Ann" }]);
        });

        test("a bad token is final, an expired one is renewed (HUB-10)", async () => {
            const bad = client(way, { token: token("another secret of 32 bytes......", { sub: "ann" }) }, server);
            bad.connect();
            const [gone] = await until(() => told(bad, "disconnected").length && told(bad, "disconnected"), "it ends");
            assert.deepEqual([gone.code, gone.reason], [3500, "invalid token"]);
            let asked = 0;
            const late = client(way, {
                token: token(SECRET, { sub: "ann" }, -10),
                getToken: async () => { asked++; return token(SECRET, { sub: "ann" }); },
            }, server);
            late.connect();
            await late.ready(10000);
            assert.equal(asked, 1);
            assert.equal(told(late, "error")[0].error.code, 109);
        });

        test("brings a new token when the old one is over", async () => {
            let asked = 0;
            const a = client(way, {
                token: token(SECRET, { sub: "ann" }, 1),
                getToken: async () => { asked++; return token(SECRET, { sub: "ann" }, asked < 2 ? 1 : 3600); },
            }, server);
            a.connect();
            await a.ready(10000);
            await until(() => asked === 2, "it is asked twice");
            assert.equal(told(a, "connected").length, 1);
            assert.equal(told(a, "disconnected").length, 0);
        });

        test("is in the channels of its token, and recovers them after a cut", async () => {
            const channel = fresh("server");
            const a = await connectedTo(way, { token: token(SECRET, { sub: "ann", channels: [channel] }) }, relay);
            assert.equal(told(a, "subscribed")[0].channel, channel);
            await publish(channel, 1);
            await until(() => a.came.length === 1, "it comes");
            relay.cut();
            await until(() => told(a, "connecting").length === 2, "the cut is noticed");
            for (let n = 2; n <= 5; n++)
                await publish(channel, n);
            await until(() => a.came.length === 5, "all come");
            assert.deepEqual(a.came, [1, 2, 3, 4, 5]);
        });

        test("a private channel takes a token for it", async () => {
            const a = await connected(way, "ann");
            const channel = `$${fresh("private")}`;
            const outcome = async claims => {
                const sub = subscription(a, channel, { token: token(SECRET, claims) });
                sub.subscribe();
                await until(() => sub.state !== "subscribing" || a.state !== "connected", "it is decided");
                const last = sub.told.at(-1)[1];
                a.removeSubscription(sub);
                return last.code;
            };
            assert.equal(await outcome({ sub: "ann", channel }), undefined);
            const forged = subscription(a, channel, { token: token("another secret of 32 bytes......", { sub: "ann", channel }) });
            forged.subscribe();
            await until(() => forged.state === "unsubscribed", "it is refused");
            assert.equal(forged.told.at(-1)[1].code, 103);
            a.removeSubscription(forged);
            await outcome({ sub: "bob", channel });
            assert.equal(told(a, "disconnected")[0].code, 3500);
        });

        test("permissions are the namespace's, and the users' in its name", async () => {
            const a = await connected(way, "ann");
            const verdict = async channel => {
                const sub = subscription(a, channel);
                sub.subscribe();
                await until(() => sub.state !== "subscribing", "it is decided");
                return sub.state === "subscribed" ? 0 : sub.told.at(-1)[1].code;
            };
            assert.equal(await verdict("closed:x"), 103);
            assert.equal(await verdict("nowhere:x"), 102);
            assert.equal(await verdict(`few:${fresh("x")}#bob,ann`), 0);
            assert.equal(await verdict("few:x#bob"), 103);
            await assert.rejects(a.publish("closed:x", 1), code(103));
            await assert.rejects(a.history("closed:x"), code(108));
        });

        test("a cache brings the newest at once", async () => {
            const channel = `last:${fresh("x")}`;
            for (let n = 1; n <= 3; n++)
                await publish(channel, n);
            const a = await connected(way, "ann");
            const sub = await subscribed(a, channel, { since: { offset: 0, epoch: "" }, recoverable: true });
            await until(() => sub.came.length === 1, "it comes");
            assert.deepEqual(sub.came, [3]);
        });

        test("deltas make the same payloads, also after a cut (HUB-17)", async () => {
            const channel = `delta:${fresh("x")}`;
            const a = await connected(way, "ann", {}, relay);
            const sub = await subscribed(a, channel, { delta: "fossil", recoverable: true });
            const players = ["ann", "bob", "çid", "𝄞"];
            const states = Array.from({ length: 15 }, (_, n) => ({ score: n, team: n % 3 ? "red" : "blue\n", players }));
            for (const state of states.slice(0, 5))
                await publish(channel, state);
            await until(() => sub.came.length === 5, "five come");
            relay.cut();
            await until(() => told(a, "connecting").length === 2, "the cut is noticed");
            for (const state of states.slice(5, 10))
                await publish(channel, state);
            await until(() => sub.came.length === 10, "ten come");
            for (const state of states.slice(10))
                await publish(channel, state);
            await until(() => sub.came.length === 15, "all come");
            assert.deepEqual(sub.came, states);
        });

        test("a filter of tags lets through what it says", async () => {
            const channel = `tags:${fresh("x")}`;
            const a = await connected(way, "ann");
            const sub = await subscribed(a, channel, { tagsFilter: { key: "symbol", cmp: "eq", val: "TEA" } });
            for (let n = 0; n < 6; n++)
                await publish(channel, n, { tags: { symbol: n % 2 ? "TEA" : "RUM" } });
            await until(() => sub.came.length === 3, "three come");
            assert.deepEqual(sub.came, [1, 3, 5]);
            const other = subscription(a, fresh("nofilters"), { tagsFilter: { key: "a", cmp: "ex" } });
            other.subscribe();
            await until(() => other.state === "unsubscribed", "it is refused");
            assert.equal(other.told.at(-1)[1].code, 107);
        });
    });

test("whose token is over may not publish, and ends with 3005 (HUB-11)", TIMEOUT, async () => {
    const socket = new WebSocket(`${server.wsUrl}/connection/websocket`);
    const closed = new Promise(done => socket.on("close", done));
    const errors = [];
    const speak = () => socket.send(JSON.stringify({ id: 2, publish: { channel: "c", data: 1 } }));
    socket.on("message", text => {
        const reply = JSON.parse(text);
        if (reply.id === 2)
            errors.push(reply.error?.code ?? 0);
        if (reply.connect)
            assert.equal(reply.connect.expires, true);
        if (reply.id)
            setTimeout(speak, 20);
    });
    await new Promise(done => socket.once("open", done));
    socket.send(JSON.stringify({ id: 1, connect: { token: token(SECRET, { sub: "ann" }, 1) } }));
    assert.equal(await closed, 3005);
    const over = errors.indexOf(110);
    assert.ok(over > 0);
    assert.ok(errors.slice(over).every(error => error === 110));
});

test("deltas are short on the wire, and whole after a new subscription", TIMEOUT, async () => {
    const channel = `delta:${fresh("x")}`;
    const socket = new WebSocket(`${server.wsUrl}/connection/websocket`);
    const replies = [];
    socket.on("message", text => replies.push(...text.toString().split("\n").map(JSON.parse)));
    await new Promise(done => socket.once("open", done));
    const ask = async (command, count = 1) => {
        replies.length = 0;
        socket.send(JSON.stringify(command));
        return until(() => replies.length >= count && replies, "it is answered");
    };
    await ask({ id: 1, connect: { token: token(SECRET, { sub: "ann" }) } });
    const wish = { channel, delta: "fossil", recoverable: true };
    assert.equal((await ask({ id: 2, subscribe: wish }))[0].subscribe.delta, true);
    const state = n => ({ score: n, text: "the same as before, ".repeat(5) });
    replies.length = 0;
    for (let n = 0; n < 3; n++)
        await publish(channel, state(n));
    await until(() => replies.length === 3, "three come");
    const pubs = replies.map(reply => reply.push.pub);
    assert.deepEqual(pubs.map(pub => pub.delta), [undefined, true, true]);
    assert.equal(pubs[0].data, JSON.stringify(state(0)));
    assert.ok(pubs[1].data.length < 30);
    await ask({ id: 3, unsubscribe: { channel } });
    const [{ subscribe }] = await ask({ id: 4, subscribe: { ...wish, recover: true, offset: 1 } });
    assert.deepEqual(subscribe.publications.map(pub => pub.delta), [undefined, true]);
    assert.equal(subscribe.publications[0].data, JSON.stringify(state(1)));
    socket.close();
});

test("a slow reader is closed with 3008", TIMEOUT, async () => {
    const channel = fresh("slow");
    const socket = new WebSocket(`${server.wsUrl}/connection/websocket`, { perMessageDeflate: false });
    const closed = new Promise(done => socket.on("close", (code, reason) => done([code, reason.toString()])));
    await new Promise(done => socket.once("open", done));
    socket.send(JSON.stringify({ id: 1, connect: { token: token(SECRET, { sub: "ann" }) } }));
    await new Promise(done => socket.once("message", done));
    socket.send(JSON.stringify({ id: 2, subscribe: { channel } }));
    await new Promise(done => socket.once("message", done));
    socket.pause();
    const data = "x".repeat(60000);
    /* Until it is closed, and no longer: it has a while to read that. */
    for (let left = 300; await readers(channel) > 0; left--) {
        assert.ok(left > 0, "it is closed by what is published");
        await publish(channel, data);
    }
    socket.resume();
    assert.deepEqual(await closed, [3008, "slow"]);
});
