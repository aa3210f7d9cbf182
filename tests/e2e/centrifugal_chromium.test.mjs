/* SPDX-License-Identifier: MIT */
/* tools/scenarios.mjs with the npm `centrifuge` client in Chromium, in a page of another origin. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launch, openWindow } from "./tools/browser.mjs";
import { scenarios } from "./tools/scenarios.mjs";
import { openStage } from "./tools/stage.mjs";

/* The client's package as it is; in Node it has `events` of Node. */
const require = createRequire(import.meta.url);
const modules = {
    "/centrifuge.js": readFileSync(join(dirname(require.resolve("centrifuge")), "index.mjs"), "utf8"),
    "/scenarios.js": readFileSync(new URL("tools/scenarios.mjs", import.meta.url), "utf8"),
    "/events.js": "export default class EventEmitter {\n" +
        "    on(name, f) { ((this.all ??= {})[name] ??= []).push(f); return this; }\n" +
        "    emit(name, ...args) { for (const f of this.all?.[name] ?? []) f(...args); }\n" +
        "    removeListener() {} removeAllListeners() {} once(name, f) { return this.on(name, f); }\n}\n",
};
const PAGE = "<!doctype html><title>centrifuge</title><link rel=icon href=data:,>" +
    '<script type=importmap>{"imports":{"events":"/events.js"}}</script>' +
    '<script type=module>import { Centrifuge } from "/centrifuge.js"; import * as all from "/scenarios.js";' +
    "window.play = async (name, more) => {" +
    "    const t = all.toolsOf({ Centrifuge, options: {}, call: (...what) => window.call(...what), ...more });" +
    "    try { await all.scenarios[name](t); } finally { t.close(); } };</script>";

let browser;
let site;

before(async () => {
    site = createServer((request, answer) => {
        const text = modules[request.url];
        answer.setHeader("Content-Type", text ? "text/javascript" : "text/html");
        answer.end(text ?? PAGE);
    });
    await new Promise(done => site.listen(0, "127.0.0.1", done));
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await new Promise(done => site.close(done));
});

describe("centrifuge in Chromium", { concurrency: true }, () => {
    for (const way of ["websocket", "http_stream", "sse"])
        describe(`over ${way}`, { concurrency: 1 }, () => {
            let stage;
            let window;
            before(async () => {
                stage = await openStage();
                window = await openWindow(browser, "about:blank");
                await window.page.exposeFunction("call", (what, ...args) => stage.calls[what](...args));
                await window.page.goto(`http://127.0.0.1:${site.address().port}/`);
                await window.page.waitForFunction(() => globalThis.play);
            });
            after(async () => {
                await window?.close();
                await stage?.stop();
            });

            for (const name of Object.keys(scenarios))
                test(name, { timeout: 90000 }, () => window.page.evaluate(
                    ([name, more]) => globalThis.play(name, more), [name, { way, places: stage.places, prefix: `${process.pid}c` }]));
        });
});
