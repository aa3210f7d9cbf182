/* SPDX-License-Identifier: MIT */
/* What the end-to-end tests share: a server on a free port, a certificate, a wait. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const build = process.env.DUET_BUILD ?? fileURLToPath(new URL("../../../build/release", import.meta.url));
export const duet = process.env.DUET ?? join(build, "duet");
export const example = name => join(build, "examples", name);
export const echo = process.env.ECHO ?? example("echo");

/* A port nobody listens on now. The kernel does not hand it out again soon. */
export function freePort() {
    return new Promise((done, failed) => {
        const server = createServer().once("error", failed);
        server.listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });
}

/* Waits until `question` gives something true, and returns that; after `ms` it throws with `what`. */
export async function until(question, what, ms = 10000) {
    const end = Date.now() + ms;
    for (;;) {
        const answer = await question();
        if (answer)
            return answer;
        if (Date.now() > end)
            throw new Error(`not within ${ms} ms: ${what}`);
        await new Promise(done => setTimeout(done, 20));
    }
}

/* One GET; resolves to { status, headers, body }, or to null where nobody answers. Any certificate will do. */
export function get(url) {
    return new Promise(done => {
        const client = url.startsWith("https:") ? https : http;
        client.get(url, { rejectUnauthorized: false, agent: false }, response => {
            let body = "";
            response.setEncoding("utf8").on("data", text => { body += text; });
            response.on("end", () => done({ status: response.statusCode, headers: response.headers, body }));
        }).on("error", () => done(null));
    });
}

/* What a stream without an end says within `ms`. */
export function readFor(ms, url) {
    return new Promise((done, failed) => {
        let body = "";
        const request = http.get(url, { agent: false }, response => {
            response.setEncoding("utf8").on("data", text => { body += text; }).on("error", () => {});
        }).on("error", error => { if (!request.destroyed) failed(error); });
        setTimeout(() => {
            request.destroy();
            done(body);
        }, ms);
    });
}

/*
 * Starts a program that serves, and waits for `url` to answer 200. For a program that speaks no HTTP pass null, and
 * `ready`, which resolves to whether it serves, or else its first line says so. Returns { child, log(), stop() };
 * stop() sends SIGTERM and resolves to the exit code, or to the signal's name.
 */
export async function startProgram(program, args, url, ready) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    let ended = null;
    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", text => { log += text; });
    const end = new Promise(done => {
        child.once("error", error => { log += error.message; done(ended = error.code); });
        child.once("exit", (code, signal) => done(ended = signal ?? code));
    });
    const stop = () => {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 10000);
        return end.finally(() => clearTimeout(timer));
    };
    try {
        await until(async () => {
            if (ended !== null)
                throw new Error(`${program} ended with ${ended}: ${log}`);
            return url ? (await get(url))?.status === 200 : ready ? ready() : log.includes("\n");
        }, `${program} answers`);
    } catch (error) {
        await stop();
        throw error;
    }
    return { child, log: () => log, stop };
}

/* `duet serve` on 127.0.0.1, on `port` or a free one. `tls` is a certificate of makeCertificate(); `args` go last. */
export async function startDuet({ tls, args = [], port: wanted } = {}) {
    const port = wanted ?? await freePort();
    const url = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
    const secure = tls ? ["--tls-cert", tls.cert, "--tls-key", tls.key] : [];
    const program = await startProgram(duet, ["serve", "--listen", url, ...secure, ...args], `${url}/health`);
    return { ...program, port, url, wsUrl: url.replace(/^http/, "ws") };
}

/* A self-signed certificate for 127.0.0.1, ::1 and localhost, in a folder of its own that remove() deletes. */
export function makeCertificate() {
    const folder = mkdtempSync(join(tmpdir(), "duet-e2e-"));
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                             "-days", "2", "-subj", "/CN=localhost",
                             "-addext", "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost",
                             "-keyout", key, "-out", cert], { stdio: "pipe" });
    return { cert, key, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
