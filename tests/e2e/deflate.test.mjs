/* SPDX-License-Identifier: MIT */
/* permessage-deflate with npm's ws as the peer, in both roles: takeovers, windows, sizes, what is published, a bomb. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { echo, freePort, startProgram, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 120000 };
const MIB = 1 << 20;
const LIMIT = 100 * MIB; /* message_max of the examples */
const SIZES = [0, 1, 125, 126, 127, 1024, 4081, 4082, 65535, 65536, MIB];
const example = name => join(dirname(echo), name);

function json(bytes) {
    let text = "";
    for (let i = 0; text.length < bytes; i++)
        text += JSON.stringify({ id: i * 7919 % 10007, name: `user-${i % 97}`, price: i * 37 % 1009 / 10 });
    return text.slice(0, bytes);
}

const all = SIZES.flatMap(size => [json(size), Buffer.alloc(size, "duet"), randomBytes(size)]);

async function serve(name, ...args) {
    const port = await freePort();
    const server = await startProgram(example(name), [...args, `ws://127.0.0.1:${port}`], null, async () => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}`);
        return new Promise(done => socket.on("open", () => { socket.terminate(); done(true); })
                                         .on("error", () => done(false)));
    });
    return { ...server, url: `ws://127.0.0.1:${port}` };
}

/* An open socket, with next() for what it receives and `sizes` for the bytes of the wire. */
async function open(url, perMessageDeflate) {
    const socket = new WebSocket(url, { perMessageDeflate, maxPayload: 0 });
    const got = [];
    const waiting = [];
    socket.on("message", data => waiting.length > 0 ? waiting.shift()(data) : got.push(data));
    socket.next = () => got.length > 0 ? Promise.resolve(got.shift()) : new Promise(done => waiting.push(done));
    socket.ended = new Promise(done => socket.on("close", code => done(code)));
    await new Promise((done, failed) => socket.on("open", done).on("error", failed));
    return socket;
}

const same = (a, b) => assert.ok(Buffer.from(a).equals(b), `${a.length} bytes come back as they were, not ${b.length}`);

async function echoes(url, options, payloads = all) {
    const socket = await open(url, options);
    assert.match(socket.extensions, /^permessage-deflate/);
    for (const payload of payloads) {
        socket.send(payload);
        same(payload, await socket.next());
    }
    /* Fragments, a ping between them, and an uncompressed message. */
    socket.send(json(3000), { fin: false });
    socket.ping();
    socket.send(json(5000), { fin: true });
    same(json(3000) + json(5000), await socket.next());
    socket.send(json(900), { compress: false });
    same(json(900), await socket.next());
    payloads.forEach(payload => socket.send(payload));
    for (const payload of payloads)
        same(payload, await socket.next());
    socket.close(1000);
    assert.equal(await socket.ended, 1000);
}

/* Each takeover with each window of both sides. `false` would be refused by ws when the server says otherwise, as it
 * may: left open. */
const takeovers = [{}, { serverNoContextTakeover: true }, { clientNoContextTakeover: true },
                   { serverNoContextTakeover: true, clientNoContextTakeover: true }];
const windows = [9, 10, 11, 12, 13, 14, 15].map(bits => ({ serverMaxWindowBits: bits, clientMaxWindowBits: 24 - bits }));
const combine = (...those) => takeovers.flatMap(takeover =>
    those.map(window => ({ threshold: 0, ...takeover, ...window })));
const options = combine({}, { clientMaxWindowBits: true }, ...windows);
/* Each window with each, with messages that are longer than all of them. */
const pairs = windows.flatMap(one => windows.map(other => (
    { serverMaxWindowBits: one.serverMaxWindowBits, clientMaxWindowBits: other.clientMaxWindowBits })));
const few = [json(200), json(70000), json(70000), "", json(1000)];

for (const mode of ["--deflate", "--keep-window"]) {
    describe(`echo ${mode}`, TIMEOUT, () => {
        let server;
        before(async () => { server = await serve("echo", "--threads", "2", mode); });
        after(async () => assert.equal(await server?.stop(), 0));

        test("every takeover and window that ws can offer", async () => {
            for (let i = 0; i < options.length; i += 8)
                await Promise.all(options.slice(i, i + 8).map(each => echoes(server.url, each)));
        });

        test("each window with each, under each takeover", async () => {
            const each = combine(...pairs);
            for (let i = 0; i < each.length; i += 8)
                await Promise.all(each.slice(i, i + 8).map(one => echoes(server.url, one, few)));
        });

        test("a client that offers nothing gets nothing", async () => {
            const socket = await open(server.url, false);
            assert.equal(socket.extensions, "");
            socket.send(json(5000));
            same(json(5000), await socket.next());
            socket.terminate();
        });

        test("what is compressed is shorter on the wire", async () => {
            const socket = await open(server.url, { threshold: 0 });
            const before = socket._socket.bytesRead;
            socket.send(json(10000));
            await socket.next();
            assert.ok(socket._socket.bytesRead - before < 3500, `${socket._socket.bytesRead - before} of 10000`);
            socket.terminate();
        });
    });
}

test("an example without the option offers nothing", TIMEOUT, async () => {
    const server = await serve("echo");
    const socket = await open(server.url, { threshold: 0 });
    assert.equal(socket.extensions, "");
    socket.terminate();
    assert.equal(await server.stop(), 0);
});

/* A sanitizer's memory is not the server's: there only the code counts. */
const sanitized = /[at]san/.test(process.env.DUET_BUILD ?? "");

test("PMD-1: a bomb is 1009, and takes no more memory than the limit and 64 KiB", TIMEOUT, async () => {
    const server = await serve("echo", "--deflate");
    try {
        const memory = field => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(
            readFileSync(`/proc/${server.child.pid}/status`, "latin1"))[1]) * 1024;
        const socket = await open(server.url, { threshold: 0 });
        socket.send(json(1000)); /* what every connection needs is there */
        await socket.next();
        const before = memory("VmRSS");
        socket.send(Buffer.alloc(4 * LIMIT));
        assert.equal(await socket.ended, 1009);
        const taken = memory("VmHWM") - before - LIMIT;
        assert.ok(sanitized || taken <= 64 * 1024, `${taken} bytes over the limit`);
    } finally {
        await server.stop();
    }
});

for (const mode of ["--deflate", "--keep-window"]) {
    test(`what is published with ${mode} reaches all kinds of members`, TIMEOUT, async () => {
        const server = await serve("broadcast", "--threads", "2", mode);
        after(() => server.stop());
        const members = await Promise.all([false, true, { threshold: 0 }, { serverMaxWindowBits: 9 },
                                           { serverNoContextTakeover: true }, { clientNoContextTakeover: true },
                                           ...Array(20).fill(true)].map(each => open(server.url, each)));
        for (let i = 0; i < 100; i++) {
            const payload = i % 3 === 0 ? randomBytes(i * 50) : json(i * 61);
            members[i % members.length].send(payload);
            for (const member of members)
                same(payload, await member.next());
        }
        members.forEach(member => member.terminate());
        assert.equal(await server.stop(), 0);
    });
}

async function echoesOfOurClient(mode, each, payloads = all) {
    const port = await freePort();
    const server = new WebSocketServer({ port, host: "127.0.0.1", perMessageDeflate: each, maxPayload: 2 * MIB });
    await new Promise(done => server.once("listening", done));
    const arrived = new Promise(done => server.once("connection", done));
    const client = await startProgram(example("echo-client"), [mode, `ws://127.0.0.1:${port}`], null, () => true);
    const socket = await arrived;
    assert.match(socket.extensions, /permessage-deflate/);
    for (const payload of payloads) {
        const answer = new Promise(done => socket.once("message", done));
        socket.send(payload);
        same(payload, await answer);
    }
    socket.close(1000);
    await until(() => client.child.exitCode !== null, "the client ends");
    assert.equal(client.child.exitCode, 0, client.log());
    server.close();
}

/* Without --keep-window it asks for no takeover itself. */
const serverOptions = { "--deflate": [{ threshold: 0 }, ...windows.map(each => ({ threshold: 0, ...each }))],
                        "--keep-window": combine({}, ...windows) };
for (const [mode, each] of Object.entries(serverOptions))
    test(`our client with ${mode} against a server of ws`, TIMEOUT, async () => {
        for (let i = 0; i < each.length; i += 8)
            await Promise.all(each.slice(i, i + 8).map(one => echoesOfOurClient(mode, one)));
    });

test("our client against a server of ws, each window with each, under each takeover", TIMEOUT, async () => {
    const each = combine(...pairs);
    for (let i = 0; i < each.length; i += 8)
        await Promise.all(each.slice(i, i + 8).map(one => echoesOfOurClient("--keep-window", one, few)));
});
