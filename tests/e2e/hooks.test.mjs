/* SPDX-License-Identifier: MIT */
/* What `duet serve` asks a backend and tells it: the unchanged npm `centrifuge` client in front, node:http behind. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import WebSocket from "ws";
import { startBackend } from "./tools/backend.mjs";
import { client, code, connected as connectedTo, disconnectAll, fresh, subscribed, subscription, token,
         told } from "./tools/centrifuge.mjs";
import { get, startDuet, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 60000 };
const SECRET = "0123456789abcdef0123456789abcdef";
const CONFIG = (folder, url) => `tokens:
  secret_file: ${join(folder, "secret")}
clients:
  anonymous: false
  expired_close_delay: 5s
hooks:
${["connect", "refresh", "subscribe", "sub_refresh", "publish", "rpc", "send", "events"]
        .map(kind => `  ${kind}: ${url}/${kind}\n`).join("")}  headers: [Cookie, X-Tenant]
  timeout: 500ms
channels: { allow_subscribe_for_client: true, history_size: 10, history_ttl: 1m, allow_history_for_client: true }
namespaces:
  - name: asked
    subscribe_hook: true
    history_size: 10
    history_ttl: 1m
  - name: looked
    publish_hook: true
    allow_subscribe_for_client: true
    allow_history_for_client: true
    history_size: 100
    history_ttl: 1m
  - name: watched
    occupancy_hook: true
    allow_subscribe_for_client: true
`;

let folder;
let backend;
let server;

const welcome = user => ({ result: { user } });
const seconds = more => Math.floor(Date.now() / 1000) + more;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "duet-e2e-"));
    backend = await startBackend();
    writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
    writeFileSync(join(folder, "duet.yaml"), CONFIG(folder, backend.url));
    server = await startDuet({ args: ["--config", join(folder, "duet.yaml"), "--log", "json"] });
    backend.say("connect", welcome("ann"));
    backend.say("subscribe", { result: {} });
    backend.say("publish", { result: {} });
    backend.say("events", {});
});
afterEach(() => {
    disconnectAll();
    backend.say("connect", welcome("ann"));
    backend.say("subscribe", { result: {} });
    backend.say("publish", { result: {} });
});
after(async () => {
    await server?.stop();
    await backend?.stop();
    rmSync(folder, { recursive: true, force: true });
});

const connected = (options = {}, way = "websocket") => connectedTo(way, options, server);
/* A client with headers of its own, which a browser cannot send but a cookie. */
class WithHeaders extends WebSocket {
    constructor(url, protocols) {
        super(url, protocols, { headers: { Cookie: "session=abc", "X-Tenant": "acme", "X-Other": "no" } });
    }
}

for (const way of ["websocket", "http_stream", "sse"])
    describe(`connect over ${way}`, TIMEOUT, () => {
        test("the backend says who it is, what it may know, and where it is from the start", async () => {
            const channel = fresh("start");
            backend.say("connect", {
                result: { user: "bob", info: { name: "Bob\nB." }, data: { theme: "dark", "a\nb": 1 }, channels: [channel],
                          meta: { plan: "gold" } },
            });
            const c = await connected({ data: { from: way }, name: "shop", version: "7" }, way);
            const [context] = told(c, "connected");
            assert.deepEqual(context.data, { theme: "dark", "a\nb": 1 });
            assert.deepEqual(told(c, "subscribed").map(one => one.channel), [channel]);
            const { body, method, headers } = backend.of("connect").at(-1);
            assert.equal(method, "POST");
            assert.equal(headers["content-type"], "application/json");
            assert.deepEqual(body, { transport: way, protocol: "json", encoding: "json", name: "shop", version: "7",
                                     data: { from: way } });
            /* What it says later is about the same one. */
            backend.say("rpc", ({ body: asked }) => ({ result: { data: asked } }));
            const { data } = await c.rpc("who", 5);
            assert.deepEqual({ ...data, client: null },
                             { transport: way, protocol: "json", encoding: "json", client: null, user: "bob",
                               meta: { plan: "gold" }, method: "who", data: 5 });
            assert.equal(data.client, context.client);
        });

        test("the backend may refuse, for good or for now", async () => {
            backend.say("connect", { disconnect: { code: 4501, reason: "no such \"shop\"" } });
            const c = client(way, {}, server);
            c.connect();
            await until(() => told(c, "disconnected").length > 0, "it is told");
            assert.deepEqual([told(c, "disconnected")[0].code, told(c, "disconnected")[0].reason],
                             [4501, "no such \"shop\""]);
            let times = 0;
            backend.say("connect", () => ++times < 3 ? { error: { code: 1001, message: "busy", temporary: true } }
                                                     : welcome("eve"));
            await connected({}, way);
            assert.equal(times, 3);
        });
    });

describe("connect", TIMEOUT, () => {
    test("with a token the backend is not asked", async () => {
        const before = backend.of("connect").length;
        await connected({ token: token(SECRET, { sub: "tok" }) });
        assert.equal(backend.of("connect").length, before);
    });

    test("HUB-12: fields of the request go along as fields, what a client says of headers as JSON", async () => {
        await connected({ websocket: WithHeaders, headers: { Cookie: "session=forged", "X-Tenant": "forged" } });
        const { body, headers } = backend.of("connect").at(-1);
        assert.equal(headers.cookie, "session=abc");
        assert.equal(headers["x-tenant"], "acme");
        assert.equal(headers["x-other"], undefined);
        assert.equal(headers.host, `127.0.0.1:${backend.port}`);
        assert.deepEqual(body.headers, { Cookie: "session=forged", "X-Tenant": "forged" });
    });

    test("what comes behind a connect in one frame waits for the backend", async () => {
        let answer;
        backend.say("connect", () => new Promise(done => { answer = done; }));
        backend.say("rpc", { result: { data: "called" } });
        const ws = new WebSocket(`${server.wsUrl}/connection/websocket`);
        const came = [];
        ws.on("message", text => came.push(...String(text).split("\n")));
        await new Promise(done => ws.on("open", done));
        ws.send('{"id":1,"connect":{}}\n{"id":2,"rpc":{"method":"m"}}');
        await until(() => answer, "the backend is asked");
        ws.send('{"id":3,"rpc":{"method":"m"}}');
        await new Promise(done => setTimeout(done, 100));
        assert.deepEqual(came, []);
        answer(welcome("ann"));
        await until(() => came.length === 3, "all are answered");
        assert.deepEqual(came.map(text => JSON.parse(text).id).sort(), [1, 2, 3]);
        ws.terminate();
    });

    test("what comes behind one that is refused is out of turn", async () => {
        backend.say("connect", { error: { code: 1002, message: "not today" } });
        const ws = new WebSocket(`${server.wsUrl}/connection/websocket`);
        const came = [];
        ws.on("message", text => came.push(JSON.parse(text)));
        const closed = new Promise(done => ws.on("close", done));
        await new Promise(done => ws.on("open", done));
        ws.send('{"id":1,"connect":{}}\n{"id":2,"rpc":{"method":"m"}}');
        assert.equal(await closed, 3501);
        assert.deepEqual(came, [{ id: 1, error: { code: 1002, message: "not today" } }]);
    });

    test("a connection goes on as long as the backend says, and a client is not asked for a token", async () => {
        backend.say("connect", () => ({ result: { user: "ann", expire_at: seconds(1) } }));
        let times = 0;
        backend.say("refresh", () => ++times === 1 ? { error: { code: 1000, message: "again" } }
                                     : times === 2 ? { result: { expire_at: seconds(2) } } : { result: { expired: true } });
        const c = await connected();
        await until(() => told(c, "disconnected").length > 0 || told(c, "connecting").length > 1, "its time is over", 15000);
        assert.equal(times, 3);
        assert.equal(told(c, "connecting").at(-1).code, 3005);
        assert.equal(backend.of("refresh")[0].body.user, "ann");
    });
});

describe("subscribe", TIMEOUT, () => {
    test("the backend allows, with data, and says who it is there", async () => {
        backend.say("subscribe", { result: { data: { topic: "t\n" }, info: { role: "host" } } });
        const c = await connected();
        const channel = fresh("asked:room");
        const sub = await subscribed(c, channel, { data: { key: 1 } });
        assert.deepEqual(sub.told.find(([name]) => name === "subscribed")[1].data, { topic: "t\n" });
        const { body } = backend.of("subscribe").at(-1);
        assert.deepEqual([body.channel, body.user, body.data], [channel, "ann", { key: 1 }]);
    });

    test("the backend refuses, ends the connection, or overrides an option", async () => {
        backend.say("subscribe", ({ body: { channel } }) =>
            channel.includes("no") ? { error: { code: 403, message: "not you" } }
            : channel.includes("end") ? { disconnect: { code: 4503, reason: "out" } }
            : { result: { override: { force_recovery: { value: true } } } });
        const c = await connected();
        const sub = subscription(c, fresh("asked:no"));
        sub.subscribe();
        await until(() => sub.told.some(([name]) => name === "unsubscribed"), "it is refused");
        assert.deepEqual([sub.told.at(-1)[1].code, sub.told.at(-1)[1].reason], [403, "not you"]);
        const forced = await subscribed(c, fresh("asked:forced"));
        assert.equal(forced.told.find(([name]) => name === "subscribed")[1].recoverable, true);
        subscription(c, fresh("asked:end")).subscribe();
        await until(() => told(c, "disconnected").length > 0, "it is ended");
        assert.equal(told(c, "disconnected")[0].code, 4503);
    });

    test("one that is not wanted any more when the backend answers is none", async () => {
        let answer;
        backend.say("subscribe", () => new Promise(done => { answer = done; }));
        const c = await connected();
        const channel = fresh("asked:late");
        const sub = subscription(c, channel);
        sub.subscribe();
        await until(() => answer, "the backend is asked");
        sub.unsubscribe();
        answer({ result: {} });
        backend.say("subscribe", { result: {} });
        await new Promise(done => setTimeout(done, 100));
        sub.subscribe();
        await sub.ready(5000);
        assert.equal(c.state, "connected");
    });

    test("a subscription goes on as long as the backend says", async () => {
        backend.say("subscribe", () => ({ result: { expire_at: seconds(1) } }));
        let times = 0;
        backend.say("sub_refresh", () => ++times < 3 ? { result: { expire_at: seconds(1) } } : { result: { expired: true } });
        const c = await connected();
        const sub = await subscribed(c, fresh("asked:short"));
        await until(() => sub.told.filter(([name]) => name === "subscribing").length > 1, "its time is over", 15000);
        assert.equal(times, 3);
        assert.equal(sub.told.filter(([name]) => name === "subscribing").at(-1)[1].code, 2501);
    });

    test("plain ways ask, too", async () => {
        backend.say("connect", ({ body: { transport } }) => welcome(transport));
        backend.say("subscribe", ({ body: { channel } }) =>
            channel.includes("no") ? { error: { code: 403, message: "not you" } } : { result: {} });
        const yes = fresh("asked:yes");
        const status = (path, headers) => new Promise(done => {
            const ws = new WebSocket(`${server.wsUrl}${path}`, { headers });
            ws.on("unexpected-response", (_, response) => done(response.statusCode)).on("error", () => {});
            ws.on("open", () => { ws.close(); done(101); });
        });
        assert.equal(await status(`/channel/${yes}`, { Cookie: "c=1" }), 101);
        const { body, headers } = backend.of("subscribe").at(-1);
        assert.deepEqual([body.channel, body.user, body.transport, headers.cookie], [yes, "plain", "plain", "c=1"]);
        assert.equal(await status(`/channel/${fresh("asked:no")}`), 403);
        assert.equal((await get(`${server.url}/events?channel=${fresh("asked:no")}&channel=${yes}`)).status, 403);
        backend.say("connect", { error: { code: 401, message: "who?" } });
        assert.equal(await status(`/channel/${yes}`), 401);
    });
});

describe("publish", TIMEOUT, () => {
    test("the backend lets it pass, changes it, or refuses, in the order of the client", async () => {
        backend.say("publish", ({ body: { data } }) => new Promise(done => setTimeout(() => done(
            data % 10 === 3 ? { error: { code: 1400, message: "no threes" } }
            : data % 10 === 4 ? { result: { data: { four: `${data}\n` } } } : { result: {} }), data % 3 * 5)));
        const c = await connected();
        const channel = fresh("looked:at");
        const sub = await subscribed(c, channel);
        const results = await Promise.allSettled(Array.from({ length: 30 }, (_, n) => c.publish(channel, n)));
        assert.deepEqual(results.map(({ status }, n) => status === "rejected" ? n : -1).filter(n => n >= 0), [3, 13, 23]);
        assert.equal(results[3].reason.code, 1400);
        assert.equal(results[3].reason.message, "no threes");
        await until(() => sub.came.length === 27, "all come");
        assert.deepEqual(sub.came, Array.from({ length: 30 }, (_, n) => n % 10 === 4 ? { four: `${n}\n` } : n)
            .filter(n => n % 10 !== 3));
    });

    test("the backend may keep it out of the history, and end who said it", async () => {
        backend.say("publish", ({ body: { data } }) =>
            data === "bye" ? { disconnect: { code: 4504, reason: "bye" } } : { result: { skip_history: data === "once" } });
        const c = await connected();
        const channel = fresh("looked:once");
        const sub = await subscribed(c, channel);
        await c.publish(channel, "kept");
        await c.publish(channel, "once");
        await until(() => sub.came.length === 2, "both come");
        assert.deepEqual((await c.history(channel, { limit: 10 })).publications.map(p => p.data), ["kept"]);
        await assert.rejects(c.publish(channel, "bye"));
        await until(() => told(c, "disconnected").length > 0, "it is ended");
        assert.equal(told(c, "disconnected")[0].code, 4504);
    });

    test("plain publishers are looked at, too, in their order", async () => {
        backend.say("publish", ({ body: { data } }) => new Promise(done => setTimeout(() => done(
            data === "no" ? { error: { code: 1400, message: "no" } } : { result: {} }), data.n % 3 * 5)));
        const c = await connected();
        const channel = fresh("looked:plain");
        const sub = await subscribed(c, channel);
        const ws = new WebSocket(`${server.wsUrl}/channel/${channel}`, "duet.v1");
        const came = [];
        ws.on("message", text => came.push(JSON.parse(text)));
        await new Promise(done => ws.on("open", done));
        for (let n = 0; n < 20; n++)
            ws.send(JSON.stringify({ n }));
        await until(() => sub.came.length === 20, "all come");
        assert.deepEqual(sub.came.map(({ n }) => n), Array.from({ length: 20 }, (_, n) => n));
        ws.send('"no"');
        await until(() => came.some(({ error }) => error?.code === 1400), "it is refused");
        ws.terminate();
    });
});

describe("rpc and send", TIMEOUT, () => {
    test("calls are answered as the backend does", async () => {
        backend.say("rpc", ({ body: { method, data } }) =>
            method === "sum" ? { result: { data: data[0] + data[1] } }
            : method === "none" ? { result: {} } : { error: { code: 1404, message: `no ${method}` } });
        const c = await connected();
        assert.equal((await c.rpc("sum", [2, 3])).data, 5);
        assert.equal((await c.rpc("none", null)).data, undefined);
        await assert.rejects(c.rpc("fly", {}), error => error.code === 1404 && error.message === "no fly");
    });

    test("what is sent arrives", async () => {
        backend.say("send", {});
        const c = await connected();
        await c.send({ hello: 1 });
        await until(() => backend.of("send").length === 1, "it arrives");
        assert.deepEqual(backend.of("send")[0].body.data, { hello: 1 });
        assert.equal(c.state, "connected");
    });
});

describe("HUB-15: a backend that fails", TIMEOUT, () => {
    const bad = {
        "is not JSON": (_, response) => { response.end("<html>"); },
        "is none of what it may be": () => ({}),
        "is nested too deep": (_, response) => { response.end(`{"result":${"[".repeat(100)}${"]".repeat(100)}}`); },
        "has a code of its own": () => ({ error: { code: 5, message: "x" } }),
    };
    for (const [what, answer] of Object.entries(bad))
        test(`an answer that ${what} is error 100`, async () => {
            backend.say("rpc", answer);
            const c = await connected();
            await assert.rejects(c.rpc("m", 1), error => error.code === 100 && error.temporary === true);
        });

    const failures = {
        "another status": (_, response) => { response.writeHead(500).end('{"result":{"data":1}}'); },
        "a redirect": (_, response) => { response.writeHead(307, { Location: `${backend.url}/send` }).end(); },
        "an answer without an end": (_, response) => {
            response.write("x".repeat(70000));
        },
        "a cut": (_, response) => { response.socket.destroy(); },
        silence: () => undefined,
    };
    for (const [what, answer] of Object.entries(failures))
        test(`${what} is error 100, in time`, async () => {
            backend.say("rpc", answer);
            const sends = backend.of("send").length;
            const c = await connected();
            const began = Date.now();
            await assert.rejects(c.rpc("m", 1), error => error.code === 100);
            assert.ok(Date.now() - began < 5000);
            assert.equal(backend.of("send").length, sends);
            backend.say("rpc", { result: {} });
            await c.rpc("m", 1); /* one failure more or less than that changes nothing */
        });

    test("one that fails again and again is left alone, and used again when it works; others wait for nothing", async () => {
        backend.say("rpc", (_, response) => { response.writeHead(503).end(); });
        const c = await connected();
        for (let n = 0; n < 5; n++)
            await assert.rejects(c.rpc("m", n), code(100));
        const asked = backend.of("rpc").length;
        for (let n = 0; n < 20; n++)
            await assert.rejects(c.rpc("m", n), code(100));
        assert.equal(backend.of("rpc").length, asked);
        backend.say("rpc", { result: { data: "again" } });
        await c.publish(fresh("looked:other"), 1); /* another hook is not left alone */
        await until(() => c.rpc("m", 1).then(({ data }) => data === "again", () => false), "it is tried again");
        await c.rpc("m", 2);
        assert.match(server.log(), /"hook_down".*rpc.*five times/);
        await until(() => /"hook_up".*rpc/.test(server.log()), "that it works is in the log");
        assert.match((await get(`${server.url}/metrics`)).body, /^duet_hook_failed_total\{hook="rpc"\} [1-9]/m);
    });
});

describe("events", TIMEOUT, () => {
    const events = () => backend.of("events").flatMap(({ body }) => body.events);
    const about = channel => events().filter(event => event.channel === channel).map(({ type }) => type);

    test("a channel that is watched is occupied and vacated, and who leaves is told", async () => {
        const channel = fresh("watched:room");
        const [a, b] = [await connected(), await connected()];
        const [one, two] = [await subscribed(a, channel), await subscribed(b, channel)];
        two.unsubscribe();
        await b.presenceStats(channel).catch(() => {});
        const ids = [told(a, "connected")[0].client, told(b, "connected")[0].client];
        a.disconnect();
        await until(() => about(channel).length === 4, "all are told");
        assert.deepEqual(about(channel), ["occupied", "leave", "leave", "vacated"]);
        const left = events().filter(event => event.channel === channel && event.type === "leave");
        assert.deepEqual(left.map(event => event.client), [ids[1], ids[0]]);
        assert.equal(left[0].user, "ann");
        await until(() => events().some(event => event.type === "disconnect" && event.client === ids[0]), "its end is told");
        assert.equal(one.channel, channel);
    });

    test("what the backend does not take is told again, the same, in order, until it does", async () => {
        const channel = fresh("watched:again");
        const tries = [];
        let good = false;
        backend.say("events", ({ body }, response) => {
            tries.push(body.events);
            if (!good)
                response.writeHead(500).end();
            return {};
        });
        const c = await connected();
        await subscribed(c, channel);
        await until(() => tries.length > 1, "it is told again");
        c.disconnect();
        good = true;
        await until(() => tries.flat().some(event => event.type === "vacated" && event.channel === channel), "all is told");
        backend.say("events", {});
        const [first, second] = tries;
        assert.deepEqual(second.slice(0, first.length), first);
        const last = tries.at(-1).filter(event => event.channel === channel);
        assert.deepEqual(last.map(event => event.type).slice(-2), ["leave", "vacated"]);
    });

    test("what waits outlives a kill, and a channel that was occupied then is vacated", async () => {
        const data = join(folder, "data");
        const other = await startBackend();
        other.say("connect", welcome("ann"));
        other.say("events", (_, response) => { response.writeHead(500).end(); });
        writeFileSync(join(folder, "other.yaml"), CONFIG(folder, other.url));
        const args = ["--config", join(folder, "other.yaml"), "--data", data];
        const first = await startDuet({ args });
        const channel = fresh("watched:kill");
        const c = await connectedTo("websocket", {}, first);
        await subscribed(c, channel);
        await until(() => other.of("events").length > 0, "it is told");
        c.disconnect();
        await until(async () => /^duet_events_waiting [3-9]/m.test((await get(`${first.url}/metrics`)).body), "more waits");
        const d = await connectedTo("websocket", {}, first);
        await subscribed(d, channel);
        await until(async () => /^duet_events_waiting [4-9]/m.test((await get(`${first.url}/metrics`)).body), "more waits");
        await new Promise(done => setTimeout(done, 1500)); /* until it is on disk for sure */
        first.child.kill("SIGKILL");
        await first.stop();
        d.disconnect();
        other.asked.length = 0;
        other.say("events", {});
        const second = await startDuet({ args });
        try {
            const types = () => other.of("events").flatMap(({ body }) => body.events)
                .filter(event => event.channel === channel).map(event => event.type);
            await until(() => types().length === 5, "all is told");
            assert.deepEqual(types(), ["occupied", "leave", "vacated", "occupied", "vacated"]);
            const ids = other.of("events").flatMap(({ body }) => body.events).map(event => event.id);
            assert.equal(new Set(ids).size, ids.length);
        } finally {
            assert.equal(await second.stop(), 0);
            await other.stop();
        }
    });
});
