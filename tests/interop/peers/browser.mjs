/* SPDX-License-Identifier: MIT */
/* A browser, named by the first argument: a page of its own connects, and reports to the HTTP server it came from. The
 * authority is put into the profile, so that TLS is verified as ever. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";

const [browser, , url] = process.argv.slice(2);
const { INTEROP_CA: ca } = process.env;
const home = mkdtempSync(`${tmpdir()}/duet-interop-`);

/* Runs in the page. */
function page(url) {
    const say = (...words) => fetch("/report", { method: "POST", body: words.join(" ") });
    const socket = new WebSocket(url, ["elsewhere.v1", "interop.v1"]);
    socket.binaryType = "arraybuffer";
    let messages = 0, octets = 0;
    const opened = new Promise(resolve => { socket.onopen = () => resolve(say("open", socket.protocol)); });
    socket.onmessage = ({ data }) => {
        messages++;
        octets += typeof data === "string" ? new TextEncoder().encode(data).length : data.byteLength;
        if (data === "!close")
            socket.close(1000, "from the peer");
        else
            socket.send(data);
    };
    socket.onerror = () => say("error");
    socket.onclose = ({ code, reason }) => opened.then(() => say("closed", code, messages, octets, reason));
}

function trust(folder) {
    mkdirSync(folder, { recursive: true });
    execFileSync("certutil", ["-N", "-d", `sql:${folder}`, "--empty-password"]);
    if (ca)
        execFileSync("certutil", ["-A", "-d", `sql:${folder}`, "-n", "interop", "-t", "C,,", "-i", ca]);
}

function command(origin) {
    if (browser === "chromium") {
        trust(`${home}/.pki/nssdb`);
        return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--no-proxy-server", `--user-data-dir=${home}/profile`, origin];
    }
    trust(`${home}/profile`);
    const preferences = { "browser.shell.checkDefaultBrowser": false, "browser.startup.homepage_override.mstone": "ignore",
                          "datareporting.policy.dataSubmissionEnabled": false, "app.update.enabled": false,
                          "network.captive-portal-service.enabled": false, "network.proxy.type": 0,
                          "toolkit.telemetry.enabled": false, "browser.aboutwelcome.enabled": false };
    writeFileSync(`${home}/profile/user.js`, Object.entries(preferences)
        .map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`).join(""));
    return ["firefox-esr", "--headless", "--no-remote", "--profile", `${home}/profile`, origin];
}

const http = createServer((request, response) => {
    if (request.method !== "POST") {
        response.setHeader("content-type", "text/html");
        return response.end(`<!doctype html><title>interop</title><script>(${page})(${JSON.stringify(url)})</script>`);
    }
    let body = "";
    request.on("data", data => body += data);
    request.on("end", () => {
        console.log(body);
        response.end();
    });
});

http.listen(0, "127.0.0.1", () => {
    const [program, ...words] = command(`http://127.0.0.1:${http.address().port}/`);
    /* A group of its own, since it starts many. */
    const child = spawn(program, words, { detached: true, stdio: ["ignore", 2, 2],
                                          env: { ...process.env, HOME: home, MOZ_HEADLESS: "1" } });
    process.on("SIGTERM", () => process.kill(-child.pid, "SIGKILL"));
    child.on("exit", () => {
        rmSync(home, { recursive: true, force: true, maxRetries: 10 });
        process.exit();
    });
});
