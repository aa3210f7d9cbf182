/* SPDX-License-Identifier: MIT */
/* The log's line for each WebSocket at its end (log_connections). */
import assert from "node:assert/strict";
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

test("each WebSocket has its line at its end, and no secret is in it", { timeout: 60000 }, async () => {
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

test("nothing is said where nobody asked for it", { timeout: 60000 }, async () => {
    const server = await start("");
    try {
        const socket = await dial(`${server.wsUrl}/channel/c`);
        socket.close(1000);
        await new Promise(done => socket.once("close", done));
        await dial(`${server.wsUrl}/channel/c`).then(one => one.terminate());
        await until(() => server.log().includes("dropped"), "what is always said");
        assert.deepEqual(lines(server), []);
    } finally {
        await server.stop();
    }
});
