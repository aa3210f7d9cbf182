/* SPDX-License-Identifier: MIT */
/* The log's line for each WebSocket and each stream at its end (log_connections). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import WebSocket from "ws";
import { token } from "./tools/centrifuge.mjs";
import { startDuet, until } from "./tools/duet.mjs";

const SECRET = "0123456789abcdef0123456789abcdef";
const folder = mkdtempSync(join(tmpdir(), "duet-lives-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function start(more) {
    writeFileSync(join(folder, "secret"), SECRET);
    writeFileSync(join(folder, "duet.yaml"), `${more}
tokens: { secret_file: ${folder}/secret }
channels:
  allow_subscribe_for_client: true
  allow_publish_for_client: true
  allow_subscribe_for_anonymous: true
  allow_publish_for_anonymous: true
`);
    return startDuet({ args: ["--config", join(folder, "duet.yaml"), "--log", "json"] });
}

function dial(url, protocols = []) {
    return new Promise((done, failed) => {
        const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
        socket.heard = [];
        socket.on("message", data => socket.heard.push(data.toString()));
        socket.once("open", () => done(socket));
        socket.on("error", failed);
    });
}

const lines = server => server.log().trim().split("\n").map(line => JSON.parse(line))
                              .filter(line => line.event === "connection");
const line = (server, n) => until(() => lines(server)[n], `line ${n}`);

test("WEB-6: each WebSocket has its line at its end, and no secret is in it", { timeout: 60000 }, async () => {
    const server = await start("log_connections: true");
    try {
        const secret = token(SECRET, { sub: "ann \"x\"" });
        const ann = await dial(`${server.wsUrl}/channel/a%20b?token=${secret}`);
        ann.send("hello");
        ann.send("again");
        await until(() => ann.heard.length === 2, "her own");
        await new Promise(done => setTimeout(done, 100));
        ann.close(4321, "bye \"x\"");
        const first = await line(server, 0);
        assert.match(first.peer, /^127\.0\.0\.1:\d+$/);
        assert.ok(first.age_ms >= 64 && first.age_ms < 60000 && first.conn > 0, JSON.stringify(first));
        const { level, reason, code, bytes_in, bytes_out, messages_in, messages_out, way, user, channel } = first;
        assert.deepEqual({ level, reason, code, bytes_in, messages_in, messages_out, way, user, channel },
                         { level: "info", reason: "bye \"x\"", code: 4321, bytes_in: first.bytes_in, messages_in: 2,
                           messages_out: 2, way: "channel", user: "ann \"x\"", channel: "a b" });
        assert.ok(bytes_in > 10 && bytes_out > 10);

        const lost = await dial(`${server.wsUrl}/channel/c`, [`token.${secret}`, "duet.v1"]);
        lost.terminate();
        const second = await line(server, 1);
        assert.deepEqual([second.code, second.user, second.channel], [1006, "ann \"x\"", "c"]);
        assert.match(second.detail, /closed the connection/);

        const bob = await dial(`${server.wsUrl}/connection/websocket`);
        bob.send(JSON.stringify({ id: 1, connect: { token: token(SECRET, { sub: "bob" }) } }));
        bob.send('{"id":2,"subscribe":{"channel":"d"}}');
        await until(() => bob.heard.length === 2, "answers");
        await fetch(`${server.url}/api/disconnect`, { method: "POST", body: '{"user":"bob"}' });
        const third = await line(server, 2);
        assert.deepEqual([third.code, third.user, third.way], [3503, "bob", "centrifugal"]);

        const eve = await dial(`${server.wsUrl}/connection/websocket`);
        eve.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"d"}}');
        await until(() => eve.heard.join("\n").includes('"id":2'), "answers");
        eve.close(1000);
        const fourth = await line(server, 3);
        assert.deepEqual([fourth.code, fourth.user, fourth.channel], [1000, undefined, "d"]);
        assert.ok(!server.log().includes(secret.slice(10)), "no token is in the log");
        assert.equal(lines(server).length, 4);
    } finally {
        await server.stop();
    }
});

/* A stream: what came so far, and its end from here. */
async function follow(url, options = {}) {
    const control = new AbortController(), stream = { text: "", leave: () => control.abort() };
    const answer = await fetch(url, { ...options, signal: control.signal });
    assert.equal(answer.status, 200);
    stream.over = (async () => {
        try {
            for await (const part of answer.body)
                stream.text += Buffer.from(part).toString();
        } catch {
            /* left, from here */
        }
    })();
    return stream;
}

const who = ({ way, user, channel, code, reason, detail }) => ({ way, user, channel, code, reason, detail });

test("each stream has its line, by whichever way", { timeout: 60000 }, async () => {
    const server = await start("log_connections: true");
    const connect = user => JSON.stringify({ id: 1, connect: { token: token(SECRET, { sub: user }) } });
    const disconnect = user => fetch(`${server.url}/api/disconnect`, { method: "POST", body: JSON.stringify({ user }) });
    let stream;
    try {
        stream = await follow(`${server.url}/events?channel=a%20b&token=${token(SECRET, { sub: "ann" })}`);
        await until(() => stream.text.includes("retry"), "its head");
        await new Promise(done => setTimeout(done, 100));
        stream.leave();
        const first = await line(server, 0);
        assert.deepEqual(who(first), { way: "events", user: "ann", channel: "a b", code: undefined, reason: undefined,
                                       detail: "its peer left" });
        assert.ok(first.level === "info" && first.age_ms >= 64 && first.age_ms < 60000 && first.conn > 0);
        assert.ok(first.bytes_in > 100 && first.bytes_out > 100, JSON.stringify(first));
        assert.match(first.peer, /^127\.0\.0\.1:\d+$/);
        assert.equal(first.messages_out, undefined);

        stream = await follow(`${server.url}/events?channel=a&channel=b&token=${token(SECRET, { sub: "eve" })}`);
        await until(() => stream.text.includes("retry"), "its head");
        await disconnect("eve");
        await stream.over;
        assert.deepEqual(who(await line(server, 1)), { way: "events", user: "eve", channel: undefined, code: 3503,
                                                       reason: "force disconnect", detail: undefined });

        stream = await follow(`${server.url}/connection/http_stream`, { method: "POST", body: connect("bob") });
        await until(() => stream.text.includes('"session"'), "its answer");
        await disconnect("bob");
        await stream.over;
        assert.deepEqual(who(await line(server, 2)), { way: "http_stream", user: "bob", channel: undefined, code: 3503,
                                                       reason: "force disconnect", detail: undefined });

        stream = await follow(`${server.url}/connection/sse?cf_connect=${encodeURIComponent(connect("dan"))}`);
        await until(() => stream.text.includes('"session"'), "its answer");
        stream.leave();
        assert.deepEqual(who(await line(server, 3)), { way: "sse", user: "dan", channel: undefined, code: undefined,
                                                       reason: undefined, detail: "its peer left" });

        const subs = JSON.stringify({ subs: { d: {} } });
        stream = await follow(`${server.url}/connection/uni_sse?cf_connect=${encodeURIComponent(subs)}`);
        await until(() => stream.text.includes('"connect"'), "its answer");
        const other = await follow(`${server.url}/events?channel=d`);
        await until(() => other.text.includes("retry"), "its head");
        assert.equal((await fetch(`${server.url}/health`)).status, 200); /* an answer has no life */
        server.child.kill("SIGTERM");
        await stream.over;
        await other.over;
        await line(server, 5);
        assert.deepEqual(lines(server).slice(4).map(who).sort((a, b) => a.way < b.way ? -1 : 1), [
            { way: "events", user: undefined, channel: "d", code: 3001, reason: "shutdown", detail: undefined },
            { way: "sse", user: undefined, channel: "d", code: 3001, reason: "shutdown", detail: undefined },
        ]);
        assert.ok(!server.log().includes("eyJ"), "no token is in the log");
    } finally {
        await server.stop();
    }
    assert.equal(lines(server).length, 6);
});

test("WEB-6: what is said of a refusal has no secret of the query, by whatever name", { timeout: 60000 }, async () => {
    const server = await start("");
    try {
        const names = ["token", "access_token", "auth", "key", "ticket", "Token", "%74oken"];
        for (const name of names) {
            const socket = new WebSocket(`${server.wsUrl}/channel/c?a=1&${name}=hushhush&b=2`,
                                         { origin: "http://other.example" });
            const [error] = await once(socket, "error");
            assert.match(error.message, /403/);
        }
        const targets = () => server.log().trim().split("\n").map(text => JSON.parse(text).target).filter(Boolean);
        await until(() => targets().length === names.length, "each is told");
        assert.ok(targets().every(target => !target.includes("=") || target.includes("=***")), String(targets()));
        assert.ok(!server.log().includes("hush"));
    } finally {
        await server.stop();
    }
});

test("nothing is said where nobody asked for it", { timeout: 60000 }, async () => {
    const server = await start("");
    try {
        const socket = await dial(`${server.wsUrl}/channel/c`);
        socket.close(1000);
        await new Promise(done => socket.once("close", done));
        const stream = await follow(`${server.url}/events?channel=c`);
        stream.leave();
        await dial(`${server.wsUrl}/channel/c`).then(one => one.terminate());
        await until(() => server.log().includes("dropped"), "what is always said");
        assert.deepEqual(lines(server), []);
    } finally {
        await server.stop();
    }
});
