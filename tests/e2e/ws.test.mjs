/* SPDX-License-Identifier: MIT */
/* npm's ws as the client of examples/echo: over ws, wss and a unix socket. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { echo, freePort, makeCertificate, startProgram, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 60000 };
const MIB = 1 << 20;
const SIZES = [0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, 524287, MIB, 16 * MIB];
const folder = mkdtempSync(join(tmpdir(), "duet-ws-"));
const certificate = makeCertificate();
const secure = ["--tls-cert", certificate.cert, "--tls-key", certificate.key];

after(() => {
    certificate.remove();
    rmSync(folder, { recursive: true, force: true });
});

const listens = to => new Promise(done => {
    const socket = connect(to);
    socket.on("connect", () => { socket.destroy(); done(true); }).on("error", () => done(false));
});

/* How to serve and how to come in, for each kind of URL. */
const transports = {
    ws: async () => {
        const port = await freePort();
        return { args: ["--threads", "2", `ws://127.0.0.1:${port}`], to: { port, host: "127.0.0.1" },
                 url: `ws://127.0.0.1:${port}/` };
    },
    wss: async () => { /* RFC-22 */
        const port = await freePort();
        return { args: ["--threads", "2", ...secure, `wss://127.0.0.1:${port}`], to: { port, host: "127.0.0.1" },
                 url: `wss://127.0.0.1:${port}/` };
    },
    unix: async () => {
        const path = join(folder, "echo.sock");
        return { args: [`unix:${path}`], to: { path }, url: `ws+unix:${path}:/` };
    },
};

/* An open connection whose messages queue up until next() asks for them. */
class Client {
    static open(url, options) {
        const client = new Client();
        client.socket = new WebSocket(url, { rejectUnauthorized: false, maxPayload: 0, ...options });
        client.messages = [];
        client.waiting = [];
        client.closed = new Promise(done => {
            client.socket.on("close", (code, reason) => {
                done({ code, reason: reason.toString() });
                client.waiting.forEach(({ failed }) => failed(new Error(`closed with ${code}`)));
            });
        });
        client.socket.on("message", (data, binary) => {
            const message = { data, binary };
            const taker = client.waiting.shift();
            taker ? taker.done(message) : client.messages.push(message);
        });
        return new Promise((done, failed) => {
            client.socket.once("open", () => done(client)).on("error", failed);
        });
    }

    next() {
        const message = this.messages.shift();
        return message ? Promise.resolve(message)
                       : new Promise((done, failed) => this.waiting.push({ done, failed }));
    }

    async echoes(data, options) {
        this.socket.send(data, options);
        const echoed = await this.next();
        assert.equal(echoed.binary, typeof data !== "string");
        assert.ok(Buffer.from(data).equals(echoed.data), `${data.length} come back as they were`);
    }

    close(code, reason) {
        this.socket.close(code, reason);
        return this.closed;
    }
}

/* `bytes` bytes of text with characters of one to four bytes. */
function textOf(bytes) {
    const group = "aé€😀\u0000Z"; /* 1 + 2 + 3 + 4 + 1 + 1 = 12 bytes */
    return group.repeat(Math.floor(bytes / 12)) + "x".repeat(bytes % 12);
}

async function fragments(client) {
    const whole = randomBytes(300000);
    for (const cuts of [[1], [0, 0], [125, 126, 127], [65535, 200000], [...Array(200).keys()].map(i => i * 1400)]) {
        let from = 0;
        for (const to of cuts) {
            client.socket.send(whole.subarray(from, to), { fin: false });
            from = to;
        }
        client.socket.ping("between"); /* controls may stand between fragments */
        client.socket.send(whole.subarray(from), { fin: true });
        const { data, binary } = await client.next();
        assert.ok(binary && whole.equals(data));
    }
    /* A character that is cut by a fragment's end. */
    const text = Buffer.from("€uro");
    client.socket.send(text.subarray(0, 1), { fin: false, binary: false });
    client.socket.send(text.subarray(1, 2), { fin: false });
    client.socket.send(text.subarray(2), { fin: true });
    const { data, binary } = await client.next();
    assert.equal(binary, false);
    assert.equal(data.toString(), "€uro");
}

async function manyAtOnce(url) {
    const clients = await Promise.all(Array.from({ length: 50 }, () => Client.open(url)));
    await Promise.all(clients.map(async (client, number) => {
        for (let i = 0; i < 40; i++) {
            await client.echoes(`${number}/${i}`);
            await client.echoes(randomBytes(number * 97 + i));
        }
    }));
    const ends = await Promise.all(clients.map(client => client.close(1000, "done")));
    assert.ok(ends.every(end => end.code === 1000));
}

async function pings(client) {
    for (const size of [0, 1, 124, 125]) {
        const sent = randomBytes(size);
        const pong = new Promise(done => client.socket.once("pong", done));
        client.socket.ping(sent);
        assert.ok(sent.equals(await pong), `a pong of ${size}`);
    }
    /* Of pings that come faster than their answers go out, the last must be answered (RFC 6455 5.5.3). */
    const last = new Promise(done => client.socket.on("pong", data => data.toString() === "99" && done()));
    for (let i = 0; i < 100; i++)
        client.socket.ping(String(i));
    await last;
}

async function closes(url) {
    for (const code of [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999]) {
        const client = await Client.open(url);
        assert.equal((await client.close(code, "because é")).code, code);
    }
    const silent = await Client.open(url);
    assert.equal((await silent.close()).code, 1005, "a Close without a code is answered by one without");
    const longest = await Client.open(url);
    assert.equal((await longest.close(4001, "r".repeat(123))).code, 4001);
    const busy = await Client.open(url);
    for (let i = 0; i < 100; i++)
        busy.socket.send(randomBytes(10000));
    assert.equal((await busy.close(1000)).code, 1000, "behind messages");
    assert.equal(busy.messages.length, 100, "and all of them come first");
}

/* The server answers while nobody reads: it must stop reading, and lose nothing. */
async function writesBeforeReading(client) {
    const sent = Array.from({ length: 256 }, () => randomBytes(65536));
    client.socket.pause();
    for (const data of sent)
        client.socket.send(data);
    await new Promise(done => setTimeout(done, 500));
    assert.equal(client.messages.length, 0);
    client.socket.resume();
    for (const data of sent)
        assert.ok(data.equals((await client.next()).data));
    client.socket.pause();
    const whole = randomBytes(16 * MIB);
    client.socket.send(whole);
    await new Promise(done => setTimeout(done, 500));
    client.socket.resume();
    assert.ok(whole.equals((await client.next()).data));
}

/* What the client cannot be made to send by its API. `bytes` go behind the handshake; the end is a Close's code. */
async function failsWith(url, bytes, code) {
    const client = await Client.open(url, { perMessageDeflate: false });
    client.socket._socket.write(Buffer.from(bytes));
    assert.equal((await client.closed).code, code);
}

async function wrongFrames(url) {
    await failsWith(url, [0x81, 0x01, 0x61], 1002); /* not masked */
    await failsWith(url, [0xc1, 0x80, 1, 2, 3, 4], 1002); /* RSV1 without an extension */
    await failsWith(url, [0x83, 0x80, 1, 2, 3, 4], 1002); /* a reserved opcode */
    await failsWith(url, [0x80, 0x80, 1, 2, 3, 4], 1002); /* a continuation of nothing */
    await failsWith(url, [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007); /* no UTF-8 */
    await failsWith(url, [0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 1, 2, 3, 4], 1009); /* too large */
}

for (const [name, plan] of Object.entries(transports)) {
    describe(`npm ws over ${name}`, () => {
        let server, url;
        before(async () => {
            const made = await plan();
            server = await startProgram(echo, made.args, null, () => listens(made.to));
            url = made.url;
        });
        after(async () => assert.equal(await server?.stop(), 0, server?.log()));

        const withClient = body => async () => {
            const client = await Client.open(url);
            await body(client);
            assert.equal((await client.close(1000)).code, 1000);
        };
        for (const size of SIZES) {
            test(`${name}: text of ${size} bytes comes back`, TIMEOUT,
                 withClient(client => client.echoes(textOf(size))));
            test(`${name}: binary of ${size} bytes comes back`, TIMEOUT,
                 withClient(client => client.echoes(randomBytes(size))));
        }
        test(`${name}: fragments become one message`, TIMEOUT, withClient(fragments));
        test(`${name}: 50 clients at once`, TIMEOUT, () => manyAtOnce(url));
        test(`${name}: pings are answered`, TIMEOUT, withClient(pings));
        test(`${name}: each close code comes back`, TIMEOUT, () => closes(url));
        test(`${name}: 16 MiB written before anything is read`, TIMEOUT, withClient(writesBeforeReading));
        test(`${name}: wrong frames end with their code`, TIMEOUT, () => wrongFrames(url));
        test(`${name}: a client that vanishes harms nobody`, TIMEOUT, withClient(async client => {
            const other = await Client.open(url);
            other.socket.send(randomBytes(MIB));
            other.socket.terminate();
            await client.echoes("still here");
        }));
    });
}

test("SIGTERM says 1001 to each and ends", TIMEOUT, async () => {
    const { args, to, url } = await transports.ws();
    const server = await startProgram(echo, args, null, () => listens(to));
    const clients = await Promise.all(Array.from({ length: 10 }, () => Client.open(url)));
    const ended = server.stop();
    for (const client of clients)
        assert.equal((await client.closed).code, 1001);
    assert.equal(await ended, 0, server.log());
    await until(async () => !await listens(to), "nobody listens any more");
});
