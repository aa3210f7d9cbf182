/* SPDX-License-Identifier: MIT */
/* Firefox for the tests, by WebDriver BiDi (W3C): a window in which functions are run. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const PREFERENCES = { "browser.shell.checkDefaultBrowser": false, "browser.startup.homepage_override.mstone": "ignore",
                      "datareporting.policy.dataSubmissionEnabled": false, "app.update.enabled": false,
                      "network.captive-portal-service.enabled": false, "network.proxy.type": 0,
                      "toolkit.telemetry.enabled": false, "browser.aboutwelcome.enabled": false };

/* Commands and their answers, by number. */
async function connect(url) {
    const socket = new WebSocket(url);
    const waiting = new Map();
    let count = 0;
    socket.on("message", text => {
        const { id, result, error, message } = JSON.parse(text);
        if (!waiting.has(id))
            return;
        const { done, failed } = waiting.get(id);
        waiting.delete(id);
        if (error)
            failed(new Error(`${error}: ${message}`));
        else
            done(result);
    });
    await new Promise((done, failed) => socket.once("open", done).once("error", failed));
    return (method, params = {}) => new Promise((done, failed) => {
        waiting.set(++count, { done, failed });
        socket.send(JSON.stringify({ id: count, method, params }));
    });
}

/* Returns { goto(url), evaluate(fn, arg), close() }; `fn` runs in the page, and what it returns has to be JSON. */
export async function openFirefox() {
    const profile = mkdtempSync(join(tmpdir(), "duet-firefox-"));
    writeFileSync(join(profile, "user.js"), Object.entries(PREFERENCES)
        .map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`).join(""));
    /* A group of its own, since it starts many. */
    const child = spawn(process.env.FIREFOX ?? "/usr/bin/firefox-esr",
                        ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"],
                        { detached: true, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: profile } });
    const gone = new Promise(done => child.once("exit", done));
    async function close() {
        process.kill(-child.pid, "SIGKILL");
        await gone;
        rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    }
    try {
        const at = await new Promise((done, failed) => {
            let said = "";
            child.stderr.setEncoding("utf8").on("data", text => {
                said += text;
                const found = said.match(/BiDi listening on (ws:\S+)/);
                if (found)
                    done(found[1]);
            });
            child.once("exit", () => failed(new Error(`firefox ended: ${said}`)));
            setTimeout(() => failed(new Error(`firefox does not listen: ${said}`)), 60000).unref();
        });
        const tell = await connect(`${at}/session`);
        await tell("session.new", { capabilities: {} });
        const { contexts } = await tell("browsingContext.getTree");
        const { context } = contexts[0];
        return {
            close,
            goto: url => tell("browsingContext.navigate", { context, url, wait: "complete" }),
            async evaluate(fn, arg) {
                const expression = `(async () => JSON.stringify(await (${fn})(${JSON.stringify(arg)}) ?? null))()`;
                const { result, exceptionDetails } = await tell("script.evaluate",
                    { expression, awaitPromise: true, target: { context } });
                if (exceptionDetails)
                    throw new Error(exceptionDetails.text);
                return JSON.parse(result.value);
            },
        };
    } catch (error) {
        await close();
        throw error;
    }
}
