/* SPDX-License-Identifier: MIT */
/* The tools go out through real proxies, tinyproxy (CONNECT) and microsocks (SOCKS5), to npm's ws and to duet serve. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { WebSocketServer } from "ws";
import { duet, freePort, makeCertificate, startDuet, startProgram, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 90000 };
/* tinyproxy's file takes letters and digits only. */
const PASSWORD = { http: "sesame7", socks5h: "sesame/@:7" };
const USER = { http: "me:sesame%37@", socks5h: "me:sesame%2F%40:7@" };
const SAY = ["connect", "--trace", "--count", "1"];
const folder = mkdtempSync(join(tmpdir(), "duet-outward-"));
const certificate = makeCertificate();
const running = [], servers = {}, proxies = {};

function answers(port) {
    return new Promise(done => {
        const socket = connect(port, "127.0.0.1", () => { socket.destroy(); done(true); });
        socket.on("error", () => done(false));
    });
}

/* A proxy on a free port: { port, url, open }; `url` has user and password, `open` has none. */
async function startProxy(scheme, program, args) {
    const port = await freePort();
    running.push(await startProgram(program, args(port), null, () => answers(port)));
    return { port, url: `${scheme}://${USER[scheme]}127.0.0.1:${port}`, open: `${scheme}://127.0.0.1:${port}` };
}

function startTinyproxy(name, more) {
    return startProxy("http", "tinyproxy", port => {
        const config = join(folder, name);
        writeFileSync(config, `Port ${port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nLogLevel Connect\n${more}`);
        return ["-d", "-c", config];
    });
}

function startMicrosocks(...more) {
    return startProxy("socks5h", "microsocks", port => ["-i", "127.0.0.1", "-p", String(port), ...more]);
}

/* npm's ws, which sends what it gets, on IPv4 and IPv6. */
async function startEcho(secure) {
    const pair = { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) };
    const http = secure ? createSecureServer(pair) : createServer();
    const seen = [];
    new WebSocketServer({ server: http }).on("connection", (socket, request) => {
        seen.push(request.headers);
        socket.on("message", (data, binary) => socket.send(data, { binary }));
    });
    await new Promise(done => http.listen(0, "::", done));
    running.push({ stop: () => { http.close(); http.closeAllConnections(); } });
    return { port: http.address().port, seen };
}

before(async () => {
    proxies.http = await startTinyproxy("open.conf", "");
    proxies.httpUser = await startTinyproxy("user.conf", `BasicAuth me ${PASSWORD.http}\n`);
    proxies.socks = await startMicrosocks();
    proxies.socksUser = await startMicrosocks("-u", "me", "-P", PASSWORD.socks5h);
    servers.ws = await startEcho(false);
    servers.wss = await startEcho(true);
    servers.duet = await startDuet();
}, TIMEOUT);

after(async () => {
    await Promise.all([...running, servers.duet].map(each => each?.stop()));
    certificate.remove();
    rmSync(folder, { recursive: true, force: true });
});

/* Runs duet without the variables of whoever runs the tests; nothing it says has the password. */
function run(args, { env = {}, input = "" } = {}) {
    const clean = Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name));
    const child = spawn(duet, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...Object.fromEntries(clean), ...env } });
    let out = "", err = "";
    child.stdout.setEncoding("utf8").on("data", text => { out += text; });
    child.stderr.setEncoding("utf8").on("data", text => { err += text; });
    child.stdin.on("error", () => {}).end(input);
    return new Promise((done, failed) => {
        child.on("error", failed).on("close", (code, signal) => {
            assert.doesNotMatch(out + err, /sesame|c2VzYW1l/);
            done({ code: signal ?? code, out, err });
        });
    });
}

/* A line there and back, by way of this proxy; null: none. */
async function expectThrough(proxy, { code, out, err }) {
    assert.equal(code, 0, err);
    assert.equal(out, "there and back\n");
    const peer = /open: (\S+?),/.exec(err)[1];
    assert.equal(peer === `127.0.0.1:${proxy?.port}`, proxy !== null, `the peer is ${peer}`);
}

const input = "there and back\n";

for (const [which, words] of [["http", "tinyproxy"], ["httpUser", "tinyproxy with BasicAuth"], ["socks", "microsocks"],
                              ["socksUser", "microsocks with a password"]]) {
    describe(`through ${words}`, () => {
        for (const scheme of ["ws", "wss"])
            for (const host of ["127.0.0.1", "[::1]", "localhost"])
                test(`to npm's ws at ${scheme}://${host}`, TIMEOUT, async () => {
                    const proxy = proxies[which];
                    const args = ["--proxy", which.endsWith("User") ? proxy.url : proxy.open, "--ca", certificate.cert,
                                  "--header", "Authorization: Bearer mine"];
                    servers[scheme].seen.length = 0;
                    const url = `${scheme}://${host}:${servers[scheme].port}/a`;
                    await expectThrough(proxy, await run([...SAY, ...args, url], { input }));
                    const [headers] = servers[scheme].seen;
                    assert.equal(headers.host, `${host}:${servers[scheme].port}`);
                    assert.equal(headers.authorization, "Bearer mine");
                    assert.equal(headers["proxy-authorization"], undefined);
                });

        test("nobody listens behind it", TIMEOUT, async () => {
            const proxy = proxies[which];
            const url = `ws://127.0.0.1:${await freePort()}`;
            const args = ["--proxy", which.endsWith("User") ? proxy.url : proxy.open];
            const { code, err } = await run(["connect", ...args, url]);
            assert.equal(code, 3);
            assert.match(err, which.startsWith("http") ? /the proxy answered 50\d: / : /refused the connection \(5\)/);
        });
    });
}

describe("what a proxy refuses", () => {
    const refused = [
        ["tinyproxy without a password", () => proxies.httpUser.open,
         /answered 407: it wants a user name and password; --proxy/],
        ["tinyproxy with a wrong one", () => proxies.httpUser.url.replace("%37@", "8@"),
         /answered 40[17]: it does not take this user name and password; --proxy/],
        ["microsocks without a password", () => proxies.socksUser.open, /it wants a user name and password/],
        ["microsocks with a wrong one", () => proxies.socksUser.url.replace("7@", "8@"),
         /it does not take this user name and password/],
        ["HTTP with a SOCKS5 proxy", () => proxies.socks.open.replace("socks5h", "http"), /the proxy closed/],
        ["a server instead of an HTTP proxy", () => servers.duet.url, /the proxy answered 400: Bad Request; look at/],
        ["a server instead of a SOCKS5 proxy", () => servers.duet.url.replace("http", "socks5"), /not that of a SOCKS5/],
    ];
    for (const [words, proxy, says] of refused)
        test(words, TIMEOUT, async () => {
            const { code, out, err } = await run(["connect", "--proxy", proxy(), `ws://127.0.0.1:${servers.ws.port}`]);
            assert.equal(code, 3);
            assert.equal(out, "");
            assert.match(err, says);
            assert.equal(err.trim().split("\n").length, 1);
        });

    test("a URL that is none is said before anything is sent", TIMEOUT, async () => {
        for (const proxy of [`https://${USER.http}h`, `http://${USER.http}h:x`, `http://${USER.http}h\r\n`]) {
            const { code, err } = await run(["connect", "--proxy", proxy, "ws://127.0.0.1:1"]);
            assert.equal(code, 2);
            assert.match(err, /^duet connect: the proxy: /);
        }
    });
});

describe("the environment", () => {
    const url = scheme => `${scheme}://127.0.0.1:${servers[scheme].port}/`;
    const rows = [
        ["https_proxy for wss", "wss", () => ({ https_proxy: proxies.httpUser.url }), "httpUser"],
        ["HTTPS_PROXY for wss", "wss", () => ({ HTTPS_PROXY: proxies.socks.open }), "socks"],
        ["http_proxy for ws, without a scheme", "ws", () => ({ http_proxy: `127.0.0.1:${proxies.http.port}` }), "http"],
        ["all_proxy for both", "ws", () => ({ all_proxy: proxies.socksUser.url }), "socksUser"],
        ["not HTTP_PROXY", "ws", () => ({ HTTP_PROXY: proxies.http.open }), null],
        ["not https_proxy for ws", "ws", () => ({ https_proxy: proxies.http.open }), null],
        ["no_proxy goes before", "ws", () => ({ http_proxy: proxies.http.open, no_proxy: "a.example,127.0.0.0/8" }),
         null],
        ["--proxy none", "ws", () => ({ http_proxy: proxies.http.open }), null, ["--proxy", "none"]],
        ["--proxy goes before", "ws", () => ({ http_proxy: "http://127.0.0.1:1", no_proxy: "*" }), "socks",
         () => ["--proxy", proxies.socks.open]],
    ];
    for (const [words, scheme, env, which, args = []] of rows)
        test(words, TIMEOUT, async () => {
            const more = typeof args === "function" ? args() : args;
            const ended = await run([...SAY, ...more, "--ca", certificate.cert, url(scheme)], { env: env(), input });
            await expectThrough(which && proxies[which], ended);
        });
});

describe("duet pub and duet sub", () => {
    test("meet at duet serve, one by each proxy", TIMEOUT, async () => {
        const channel = `${servers.duet.wsUrl}/channel/outward`;
        const subscriber = spawn(duet, ["sub", "--trace", "--count", "2", "--proxy", proxies.socksUser.url, channel]);
        let err = "", out = "";
        subscriber.stderr.setEncoding("utf8").on("data", text => { err += text; });
        subscriber.stdout.setEncoding("utf8").on("data", text => { out += text; });
        const ended = new Promise(done => subscriber.on("close", done));
        try {
            await until(() => err.includes("open: "), "the subscriber is open");
            const env = { all_proxy: proxies.httpUser.url };
            const { code } = await run(["pub", channel], { env, input: "one\ntwo\n" });
            assert.equal(code, 0);
            assert.equal(await ended, 0, err);
        } finally {
            subscriber.kill();
        }
        assert.equal(out, "one\ntwo\n");
    });
});
