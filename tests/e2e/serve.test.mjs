/* SPDX-License-Identifier: MIT */
/* What `duet serve` does besides its pages: channels, health, metrics, and the trace as a program sees it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { freePort, get, makeCertificate, startDuet, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 60000 };

/* A WebSocket that is open, with all that it received in `came`; or the status that refused it. */
function connect(url, options = {}) {
    return new Promise((done, failed) => {
        const socket = new WebSocket(url, options);
        socket.came = [];
        socket.on("message", (data, isBinary) => socket.came.push(isBinary ? data : data.toString()));
        socket.on("unexpected-response", (request, response) => {
            done(response.statusCode);
            request.destroy();
        });
        socket.once("open", () => done(socket));
        socket.once("error", failed);
    });
}

/* Reads a stream of events until it ends, or until stop(). */
function follow(url) {
    const reader = { text: "", ended: false, events: [] };
    const request = http.get(url, { agent: false }, response => {
        reader.status = response.statusCode;
        response.setEncoding("utf8").on("data", text => {
            reader.text += text;
            const parts = reader.text.split("\n\n").slice(0, -1);
            reader.events = parts.filter(part => part.startsWith("event: ")).map(part => {
                const [name, data] = part.split("\n");
                return { name: name.slice(7), ...JSON.parse(data.slice(6)) };
            });
        });
        response.on("end", () => { reader.ended = true; }).on("error", () => {});
    }).on("error", () => {});
    reader.stop = () => request.destroy();
    return reader;
}

const getWith = (url, headers) => new Promise((done, failed) => {
    http.get(url, { headers, agent: false }, response => {
        response.resume();
        done(response.statusCode);
    }).on("error", failed);
});

const token = () => randomBytes(16).toString("hex");

for (const threads of [1, 4])
    describe(`with ${threads} threads`, TIMEOUT, () => {
        let server;
        before(async () => { server = await startDuet({ args: ["--threads", String(threads)] }); });
        after(() => server?.stop());

        test("a channel is all of its path, decoded, of at most 255 bytes", async () => {
            for (const name of ["a", "a/b", "caf%C3%A9", "%20", "n".repeat(254), "n".repeat(255)]) {
                const socket = await connect(`${server.wsUrl}/channel/${name}`);
                assert.equal(typeof socket, "object", name.slice(0, 20));
                socket.send("to myself");
                await until(() => socket.came.length === 1, "the sender is a member, too");
                socket.close();
            }
            for (const name of ["", "n".repeat(256), "%C3%A9".repeat(128)])
                assert.equal(await connect(`${server.wsUrl}/channel/${name}`), 404, name.slice(0, 20));
            const one = await connect(`${server.wsUrl}/channel/x%79`);
            const same = await connect(`${server.wsUrl}/channel/xy`);
            one.send("hello");
            await until(() => same.came.includes("hello"), "%79 is y");
            one.close();
            same.close();
        });

        test("forty members receive everything, text and binary, in one order", async () => {
            const url = `${server.wsUrl}/channel/all`;
            const members = await Promise.all(Array.from({ length: 40 }, () => connect(url)));
            members.forEach((member, i) => {
                for (let k = 0; k < 5; k++)
                    member.send(k % 2 ? Buffer.from([i, k]) : `${i}:${k}`);
            });
            await until(() => members.every(member => member.came.length === 200), "200 messages each");
            const isFrom = (m, i) => typeof m === "string" ? m.startsWith(`${i}:`) : m[0] === i;
            for (const member of members)
                for (let i = 0; i < 40; i++)
                    assert.deepEqual(member.came.filter(m => isFrom(m, i)),
                                     [`${i}:0`, Buffer.from([i, 1]), `${i}:2`, Buffer.from([i, 3]), `${i}:4`]);
            members.forEach(member => member.close());
        });

        test("a trace is the same for who comes before, while and after", async () => {
            const name = token();
            const early = follow(`${server.url}/demo/trace/${name}`);
            await until(() => early.status === 200, "a trace can be waited for");
            const socket = await connect(`${server.wsUrl}/demo/echo`);
            socket.send(JSON.stringify({ trace: name }));
            socket.send("one");
            const during = follow(`${server.url}/demo/trace/${name}`);
            await until(() => socket.came.length === 1, "an echo");
            socket.send("ping");
            await until(() => early.events.some(event => event.name === "rtt"), "a round trip");
            socket.close(4000, "à bientôt");
            await until(() => early.ended && during.ended, "the streams end with the connection");
            const late = follow(`${server.url}/demo/trace/${name}`);
            await until(() => late.ended, "it is there for a while");
            assert.deepEqual(early.events, late.events);
            assert.deepEqual(during.events, late.events);
            assert.deepEqual(late.events.map(event => event.name).slice(0, 5),
                             ["request", "response", "frame", "frame", "frame"]);
            const { ms, ...frame } = late.events[3];
            assert.ok(ms >= 0 && ms < 60000);
            assert.deepEqual({ ...frame, head: frame.head.slice(0, 4) },
                             { name: "frame", dir: "in", fin: 1, rsv: 0, opcode: 1, masked: 1, length: 3,
                               head: "8183" });
            assert.deepEqual(late.events.at(-1), { name: "close", code: 4000, reason: "à bientôt", clean: true });
        });

        test("only the first to say it has a token, and only the first message names one", async () => {
            const name = token();
            const owner = await connect(`${server.wsUrl}/demo/echo`);
            owner.send(JSON.stringify({ trace: name }));
            owner.send("mine");
            await until(() => owner.came.length === 1, "an echo");
            const other = await connect(`${server.wsUrl}/demo/echo`);
            other.send(JSON.stringify({ trace: name }));
            other.send("of another");
            await until(() => other.came.length === 1, "an echo without a trace");
            const late = await connect(`${server.wsUrl}/demo/echo`);
            const second = JSON.stringify({ trace: token() });
            late.send("first");
            late.send(second);
            await until(() => late.came.length === 2, "echoes");
            assert.deepEqual(late.came, ["first", second]);
            owner.close();
            const reader = follow(`${server.url}/demo/trace/${name}`);
            await until(() => reader.ended, "its stream ends");
            const lengths = reader.events.filter(event => event.dir === "in" && event.opcode === 1).map(e => e.length);
            assert.deepEqual(lengths, [JSON.stringify({ trace: name }).length, 4]);
            other.close();
            late.close();
        });

        test("a trace of thousands of frames keeps the heads and the last 200", async () => {
            const name = token();
            const socket = await connect(`${server.wsUrl}/demo/echo`);
            socket.send(JSON.stringify({ trace: name }));
            for (let i = 0; i < 1000; i++)
                socket.send("x".repeat(i % 300));
            await until(() => socket.came.length === 1000, "a thousand echoes");
            socket.send("close");
            await until(() => socket.readyState === WebSocket.CLOSED, "it closes");
            const reader = follow(`${server.url}/demo/trace/${name}`);
            await until(() => reader.ended, "its stream ends");
            assert.deepEqual(reader.events.slice(0, 2).map(event => event.name), ["request", "response"]);
            assert.equal(reader.events.length, 202);
            assert.equal(reader.events.at(-1).name, "close");
        });

        test("a trace's name is 32 hexadecimal digits", async () => {
            for (const name of ["", "0".repeat(31), "0".repeat(33), "G".repeat(32), `${"0".repeat(31)}/`])
                assert.equal((await get(`${server.url}/demo/trace/${name}`)).status, 404, name);
        });

        test("readers of traces that never come take nothing from others", async () => {
            const waiting = Array.from({ length: 50 }, () => follow(`${server.url}/demo/trace/${token()}`));
            await until(() => waiting.every(reader => reader.status === 200), "they wait");
            waiting.forEach(reader => reader.stop());
            const name = token();
            const readers = Array.from({ length: 5 }, () => follow(`${server.url}/demo/trace/${name}`));
            await until(() => readers.every(reader => reader.status), "all are answered");
            assert.deepEqual(readers.map(reader => reader.status).sort(), [200, 200, 200, 200, 503]);
            readers.forEach(reader => reader.stop());
            assert.equal((await get(`${server.url}/health`)).status, 200);
        });

        test("OPS-6: metrics are well formed, with help and type, and no label comes from a peer", async () => {
            const socket = await connect(`${server.wsUrl}/channel/metrics`);
            socket.close(4321);
            await connect(`${server.wsUrl}/nothing-is-here`);
            const { body, headers } = await get(`${server.url}/metrics`);
            assert.match(headers["content-type"], /^text\/plain; version=0\.0\.4/);
            const helped = new Set();
            const typed = new Set();
            for (const line of body.trimEnd().split("\n")) {
                const [, kind, name] = line.match(/^# (HELP|TYPE) (duet_[a-z_]+) \S/) ?? [];
                if (kind) {
                    (kind === "HELP" ? helped : typed).add(name);
                    continue;
                }
                const [, said] = line.match(/^(duet_[a-z_]+)(?:\{(?:reason|code|le)="[a-z0-9_.+-]+"\})? [0-9.]+$/i) ?? [];
                const value = said?.replace(/_(bucket|sum|count)$/, "");
                assert.ok(helped.has(value) && typed.has(value), line);
                assert.equal(line.includes("_total"), new RegExp(`# TYPE ${value} counter`).test(body), line);
            }
            for (const name of ["connections", "websockets", "messages_received_total", "messages_sent_total",
                                "bytes_received_total", "bytes_sent_total", "closed_total", "closes_total",
                                "loop_lag_seconds", "loop_turn_seconds", "requests_total", "published_total", "log_dropped_total"])
                assert.ok(typed.has(`duet_${name}`), name);
            assert.doesNotMatch(body, /4321|nothing-is-here/);
            assert.ok(body.split("\n").length < 500);
        });

        test("OPS-6: turns of the loops are a histogram, which grows and adds up", async () => {
            const read = async () => {
                const { body } = await get(`${server.url}/metrics`);
                const of = (what) => [...body.matchAll(new RegExp(`^duet_loop_turn_seconds_${what} ([0-9.]+)$`, "gm"))]
                    .map((m) => Number(m[1]));
                return { counts: of('bucket\\{le="[0-9.+Inf]+"\\}'), sum: of("sum")[0], count: of("count")[0], body };
            };
            let seen = await read();
            for (let i = 0; i < 50 && !(seen.count > 0 && seen.sum > 0); i++) {
                await sleep(100);   // the loops tell once a second
                seen = await read();
            }
            assert.ok(seen.count > 0 && seen.sum > 0, seen.body);
            assert.equal(seen.counts.length, 12);
            assert.deepEqual(seen.counts, [...seen.counts].sort((a, b) => a - b));
            assert.equal(seen.counts.at(-1), seen.count);
            assert.match(seen.body, /^duet_loop_turn_seconds_bucket\{le="0\.002000"\} \d+$/m);
        });

        test("metrics are not for those who come through a proxy", async () => {
            assert.equal(await getWith(`${server.url}/metrics`, {}), 200);
            for (const name of ["X-Forwarded-For", "Forwarded"])
                assert.equal(await getWith(`${server.url}/metrics`, { [name]: "192.0.2.1" }), 403, name);
        });
    });

describe("the other options", TIMEOUT, () => {
    test("--admin-listen has metrics and health, and the public address no metrics", async () => {
        const port = await freePort();
        const server = await startDuet({ args: ["--admin-listen", `http://127.0.0.1:${port}`] });
        try {
            assert.equal((await get(`${server.url}/metrics`)).status, 404);
            assert.match((await get(`http://127.0.0.1:${port}/metrics`)).body, /^duet_connections \d+$/m);
            assert.equal((await get(`http://127.0.0.1:${port}/health`)).body, "ok\n");
            assert.equal((await get(`http://127.0.0.1:${port}/`)).status, 404);
        } finally {
            assert.equal(await server.stop(), 0);
        }
    });

    test("--root takes the place of the pages, not of the channels", async () => {
        const root = mkdtempSync(join(tmpdir(), "duet-root-"));
        writeFileSync(join(root, "index.html"), "<h1>own</h1>");
        const server = await startDuet({ args: ["--root", root] });
        try {
            assert.equal((await get(`${server.url}/`)).body, "<h1>own</h1>");
            assert.equal((await get(`${server.url}/apps/chat/`)).status, 404);
            for (const path of ["/health", "/metrics", "/demo/ticks?after=0"])
                assert.equal((await get(`${server.url}${path}`)).status, 200, path);
            const socket = await connect(`${server.wsUrl}/channel/own`);
            assert.equal(typeof socket, "object");
            socket.close();
        } finally {
            await server.stop();
            rmSync(root, { recursive: true, force: true });
        }
    });

    test("OPS-1: a drain closes members with 1001 behind their messages, and /health says so meanwhile", async () => {
        const port = await freePort();
        const server = await startDuet({ args: ["--admin-listen", `http://127.0.0.1:${port}`] });
        const members = await Promise.all(Array.from({ length: 50 }, () => connect(`${server.wsUrl}/channel/end`)));
        const codes = members.map(member => new Promise(done => member.once("close", code => done(code))));
        members[0].send("the last word");
        await until(() => members.every(member => member.came.length === 1), "all hear it");
        server.child.kill("SIGTERM");
        const seen = [];
        for (let answer; (answer = await get(`http://127.0.0.1:${port}/health`)) !== null;)
            seen.push(answer.status);
        assert.ok(seen.includes(503), String(seen));
        assert.deepEqual(await Promise.all(codes), Array(50).fill(1001));
        assert.equal(await server.stop(), 0);
    });

    test("OPS-1: a second signal ends it at once, also while traces are read", async () => {
        const server = await startDuet({ args: ["--threads", "4"] });
        const sockets = await Promise.all(Array.from({ length: 8 }, async () => {
            const name = token();
            const socket = await connect(`${server.wsUrl}/demo/echo`);
            socket.on("error", () => {});
            socket.send(JSON.stringify({ trace: name }));
            socket.reader = follow(`${server.url}/demo/trace/${name}`);
            return socket;
        }));
        await until(() => sockets.every(socket => socket.reader.events.length >= 3), "all are read");
        sockets.forEach(socket => socket.pause()); /* and answer no Close */
        server.child.kill("SIGTERM");
        await until(() => server.log().includes("draining"), "it drains");
        assert.equal(await server.stop(), 1);
        sockets.forEach(socket => socket.terminate());
    });

    test("SIGHUP takes a new certificate, and keeps the old one when the new one cannot be read", async () => {
        const [tls, next] = [makeCertificate(), makeCertificate()];
        const server = await startDuet({ tls, args: ["--log", "json"] });
        const events = name => server.log().split("\n").filter(line => line.includes(`"event":"${name}"`)).length;
        try {
            writeFileSync(tls.cert, "no certificate");
            server.child.kill("SIGHUP");
            await until(() => events("cert_reload_failed") === 1, "it says what is wrong");
            assert.equal((await get(`${server.url}/health`)).status, 200);
            copyFileSync(next.cert, tls.cert);
            copyFileSync(next.key, tls.key);
            server.child.kill("SIGHUP");
            await until(() => events("cert_reloaded") === 1, "it says that it did");
            assert.equal((await get(`${server.url}/health`)).status, 200);
        } finally {
            await server.stop();
            tls.remove();
            next.remove();
        }
    });
});
