/* SPDX-License-Identifier: MIT */
/* npm's ws as the server of examples/echo-client, client and poll-client: over ws, wss and a unix socket. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { WebSocketServer } from "ws";
import { echo, makeCertificate } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 90000 };
const MIB = 1 << 20;
const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, MIB, 16 * MIB];
const programs = { echo: join(dirname(echo), "echo-client"), lines: join(dirname(echo), "client"),
                   poll: join(dirname(echo), "poll-client") };
const folder = mkdtempSync(join(tmpdir(), "duet-client-"));
const certificate = makeCertificate();
const pair = { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) };

const listening = [];

after(() => {
    listening.forEach(server => server.close()); /* of tests that failed: they would keep node here */
    certificate.remove();
    rmSync(folder, { recursive: true, force: true });
});

/* A server on a free port or a file: { url, sockets, close() }; `next()` resolves to the next connection. */
async function listen(how, { tls = {}, ...options } = {}) {
    const http = how === "wss" ? createSecureServer({ ...pair, ...tls }) : createServer();
    const server = new WebSocketServer({ server: http, maxPayload: 0, ...options });
    const path = join(folder, "ws.sock");
    await new Promise(done => how === "unix" ? http.listen(path, done) : http.listen(0, "127.0.0.1", done));
    http.on("tlsClientError", () => {});
    const listener = {
        url: how === "unix" ? `unix:${path}` : `${how}://127.0.0.1:${http.address().port}/path?query=1`,
        http, server,
        next: () => new Promise(done => server.once("connection", (socket, request) => done({ socket, request }))),
        close: () => { server.close(); http.close(); http.closeAllConnections(); },
    };
    listening.push(listener);
    return listener;
}

/* Starts a program; `ended` resolves to { code, out, err }. */
function run(program, args, input = "") {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let out = "", err = "";
    child.stdout.setEncoding("utf8").on("data", text => { out += text; });
    child.stderr.setEncoding("utf8").on("data", text => { err += text; });
    child.stdin.on("error", () => {}).end(input); /* it may have ended already */
    return new Promise((done, failed) => {
        child.on("error", failed).on("close", (code, signal) => done({ code: signal ?? code, out, err }));
    });
}

async function echoes(socket, data, options) {
    const message = new Promise(done => socket.once("message", (back, binary) => done({ back, binary })));
    socket.send(data, options);
    const { back, binary } = await message;
    assert.equal(binary, typeof data !== "string");
    assert.ok(Buffer.from(data).equals(back), `${data.length} come back as they were`);
}

for (const how of ["ws", "wss", "unix"]) {
    describe(`echo-client over ${how}`, () => {
        const trust = how === "wss" ? ["--ca", certificate.cert] : [];

        test("echoes 0 B to 16 MiB, and ends with 0 when it is closed", TIMEOUT, async () => {
            const server = await listen(how);
            const next = server.next();
            const ended = run(programs.echo, [...trust, server.url]);
            const { socket, request } = await next;
            assert.equal(request.url, how === "unix" ? "/" : "/path?query=1");
            assert.equal(request.headers["sec-websocket-extensions"], undefined);
            for (const size of SIZES)
                await echoes(socket, randomBytes(size));
            await echoes(socket, "é世𝄞".repeat(100000));
            const closed = new Promise(done => socket.once("close", code => done(code)));
            socket.close(4001, "enough");
            assert.equal(await closed, 4001);
            assert.deepEqual(await ended, { code: 0, out: "", err: "" });
            server.close();
        });

        test("fragments with pings between them are one message", TIMEOUT, async () => {
            const server = await listen(how);
            const next = server.next();
            const ended = run(programs.echo, [...trust, server.url]);
            const { socket } = await next;
            const message = new Promise(done => socket.once("message", done));
            const pong = new Promise(done => socket.once("pong", done));
            const parts = [1, 7, 125, 126, 4096, 65536].map(size => randomBytes(size));
            parts.forEach((part, i) => {
                socket.send(part, { fin: i === parts.length - 1, binary: true });
                socket.ping("payload");
            });
            assert.ok(Buffer.concat(parts).equals(await message));
            assert.equal((await pong).toString(), "payload");
            socket.close();
            assert.equal((await ended).code, 0);
            server.close();
        });
    });
}

describe("what a client is told", () => {
    test("a self-signed certificate is refused before any byte of HTTP", TIMEOUT, async () => {
        const server = await listen("wss");
        let requests = 0;
        server.http.on("request", () => requests++).on("upgrade", () => requests++);
        const { code, err } = await run(programs.echo, [server.url]);
        assert.equal(code, 1);
        assert.match(err, /self-signed/);
        assert.equal(requests, 0);
        server.close();
    });

    test("a plain server behind wss is said to be no TLS", TIMEOUT, async () => {
        const server = await listen("ws");
        const { code, err } = await run(programs.echo, ["--insecure", server.url.replace("ws:", "wss:")]);
        assert.equal(code, 1);
        assert.match(err, /TLS/);
        server.close();
    });

    test("a refusal's status", TIMEOUT, async () => {
        const server = await listen("ws", { verifyClient: (info, answer) => answer(false, 401, "Who?") });
        const { code, err } = await run(programs.echo, [server.url]);
        assert.equal(code, 1);
        assert.match(err, /401/);
        server.close();
    });

    test("nobody listens", TIMEOUT, async () => {
        const server = await listen("ws");
        server.close();
        const { code, err } = await run(programs.echo, [server.url]);
        assert.equal(code, 1);
        assert.match(err, /refused/);
    });
});

describe("client", () => {
    test("sends lines and prints messages", TIMEOUT, async () => {
        const server = await listen("ws");
        server.server.on("connection", socket => socket.on("message", data => socket.send(`<${data}>`)));
        const { code, out } = await run(programs.lines, [server.url], "one\ntwo\n\u001b[31m\n");
        assert.equal(code, 0);
        assert.equal(out, "<one>\n<two>\n<?[31m>\n");
        server.close();
    });

    test("shows its own certificate to a server that wants one, and is told when it has none", TIMEOUT, async () => {
        const key = join(folder, "client.key"), cert = join(folder, "client.pem");
        execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                                 "-days", "2", "-subj", "/CN=someone", "-keyout", key, "-out", cert], { stdio: "pipe" });
        const server = await listen("wss", { tls: { requestCert: true, ca: readFileSync(cert) } });
        const trust = ["--ca", certificate.cert];
        const seen = server.next().then(({ request }) => request.socket.getPeerCertificate().subject.CN);
        const { code } = await run(programs.lines, [...trust, "--cert", cert, "--key", key, server.url], "hi\n");
        assert.equal(code, 0);
        assert.equal(await seen, "someone");
        const { code: refused, err } = await run(programs.echo, [...trust, server.url]);
        assert.equal(refused, 1);
        assert.match(err, /certificate required/);
        server.close();
    });
});

describe("poll-client", () => {
    for (const how of ["ws", "wss", "unix"])
        test(`over ${how}: what is typed goes out, what comes is printed, and the end of the input closes`, TIMEOUT, async () => {
            const server = await listen(how);
            server.server.on("connection", socket => socket.on("message", data => socket.send(`<${data}>`)));
            const next = server.next();
            const child = spawn(programs.poll, [...(how === "wss" ? ["--ca", certificate.cert] : []), server.url]);
            let out = "";
            const printed = wanted => new Promise(done => {
                const look = () => out === wanted && done();
                child.stdout.on("data", look);
                look();
            });
            child.stdout.setEncoding("utf8").on("data", text => { out += text; });
            const ended = new Promise(done => child.on("close", done));
            const { socket } = await next;
            const closed = new Promise(done => socket.once("close", code => done(code)));
            child.stdin.write("one\n");
            await printed("<one>\n");
            socket.send("\u001b[31m");
            await printed("<one>\n?[31m\n");
            child.stdin.write("two\n");
            await printed("<one>\n?[31m\n<two>\n");
            child.stdin.end();
            assert.equal(await closed, 1000);
            assert.equal(await ended, 0);
            server.close();
        });

    test("ends with 1 and a line when nobody listens", TIMEOUT, async () => {
        const server = await listen("ws");
        server.close();
        const { code, err } = await run(programs.poll, [server.url]);
        assert.equal(code, 1);
        assert.match(err, /refused/);
    });
});
