/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the applications share. Each is a file NAME.test.mjs; a helper of two Chromium windows and a Firefox
 * on one page, and a network that can be cut:
 *
 *     const { ann, ben, fox, network } = await cast("/apps/chat/?room=x");
 *
 * ann is by the server itself; ben and fox come through the network, so ann goes on while they are cut off.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { launch, openWindow } from "../e2e/tools/browser.mjs";
import { duet, get, startProgram, until } from "../e2e/tools/duet.mjs";
import { openFirefox } from "../e2e/tools/firefox.mjs";
import { startRelay } from "../e2e/tools/relay.mjs";

const need = createRequire(new URL("../e2e/package.json", import.meta.url));
const PORTS = 8;            /* the server's, and those behind it for backends */
export const WebSocket = need("ws");
export { get, openFirefox, openWindow, startRelay, until };

function isFree(port) {
    return new Promise(done => {
        const server = createServer().once("error", () => done(false));
        server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
    });
}

/* The first of some ports in a row, below those that the kernel hands out. */
async function freePorts() {
    for (;;) {
        const port = 20000 + Math.floor(Math.random() * 12000);
        const free = await Promise.all(Array.from({ length: PORTS }, (_, i) => isFree(port + i)));
        if (free.every(Boolean))
            return port;
    }
}

/* `duet serve --demo`: { port, url, wsUrl, log(), child, stop() }. With `port`, there again. */
export async function startDemo({ args = [], port } = {}) {
    port ??= await freePorts();
    const url = `http://127.0.0.1:${port}`;
    const program = await startProgram(duet, ["serve", "--demo", "--log", "json", "--listen", url, ...args],
                                       `${url}/health`);
    return { ...program, port, url, wsUrl: `ws://127.0.0.1:${port}` };
}

/* Waits until a backend runs, and returns its port (0: it has none). */
export function backend(demo, name, ms = 10000) {
    return until(async () => {
        const { backends } = JSON.parse((await get(`${demo.url}/apps/apps.json`)).body);
        return name in backends && { port: backends[name].port ?? 0 };
    }, `the backend ${name} runs`, ms).then(({ port }) => port);
}

/*
 * Everybody on `path`: { demo, network, browser, ann, ben, fox, complaints(), close() }. `network` is a relay (down(),
 * up(), cut()); ann and ben are pages of playwright, fox is what openFirefox() gives, with until(fn, arg) beside:
 * waits until fn(arg) is true in the page. `flags` are Chromium's; `window` is for openWindow(); `args` the server's.
 * `own`: the name of a backend with a port of its own, whose network is cut, too.
 */
export async function cast(path, { flags = [], window = {}, args = [], own } = {}) {
    const open = [];
    const close = async () => {
        for (const end of open.splice(0).reverse())
            await end();
    };
    try {
        const demo = await startDemo({ args });
        open.push(() => demo.stop());
        const relays = [await startRelay(demo.port)];
        open.push(() => relays[0].stop());
        if (own) {
            relays.push(await startRelay(await backend(demo, own)));
            open.push(() => relays[1].stop());
        }
        const both = what => () => relays.forEach(relay => relay[what]());
        const network = { ...relays[0], cut: both("cut"), down: both("down"), up: both("up") };
        const there = `${network.url}${path}${own ? `?port=${relays[1].port}` : ""}`;
        const browser = await launch(flags);
        open.push(() => browser.close());
        const [ann, ben, fox] = await Promise.all([openWindow(browser, `${demo.url}${path}`, window),
                                                   openWindow(browser, there, window), openFirefox()]);
        open.push(() => fox.close());
        await fox.goto(there);
        fox.until = (fn, arg, what = String(fn), ms) => until(() => fox.evaluate(fn, arg), what, ms);
        const complaints = () => [...ann.complaints, ...ben.complaints].filter(line => !isOfTheNetwork(line));
        return { demo, network, browser, ann: ann.page, ben: ben.page, fox, complaints, close };
    } catch (error) {
        await close();
        throw error;
    }
}

/* What a browser says of a network that was cut. */
function isOfTheNetwork(line) {
    return /WebSocket connection to .* failed|net::ERR_(CONNECTION|EMPTY|INTERNET|SOCKET)/.test(line);
}

export function live(page) {
    return page.locator("#state[data-state=live]").waitFor();
}

/* axe-core finds nothing serious. */
export async function accessible(page) {
    await page.evaluate(need("axe-core").source);
    const found = await page.evaluate(() => axe.run());
    assert.deepEqual(found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => [id, ...nodes.map(node => node.html.slice(0, 120))]), []);
}

/* Nothing stands out of a phone's screen of 360 pixels. */
export async function fitsAPhone(page) {
    const before = page.viewportSize();
    await page.setViewportSize({ width: 360, height: 740 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await page.setViewportSize(before);
}

/* How far what stood on the page has jumped since it opened (the sum of Chromium's layout shifts): 0.1 can be noticed. */
export async function staysInPlace(page) {
    const sum = await page.evaluate(() => new Promise(done => {
        new PerformanceObserver(list => done(list.getEntries().filter(entry => !entry.hadRecentInput)
            .reduce((total, entry) => total + entry.value, 0))).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => done(0), 300);      /* there were none */
    }));
    assert.ok(sum < 0.1, `layout shifts of ${sum.toFixed(3)}`);
}

/* All of that. */
export async function suitsEverybody(page) {
    await accessible(page);
    await fitsAPhone(page);
    await staysInPlace(page);
}

/* docs/apps/NAME.png, with SHOTS=1. */
export async function shot(page, name) {
    if (process.env.SHOTS !== "1")
        return;
    const path = fileURLToPath(new URL(`../../docs/apps/${name}.png`, import.meta.url));
    mkdirSync(fileURLToPath(new URL("../../docs/apps/", import.meta.url)), { recursive: true });
    await page.screenshot({ path, animations: "disabled" });
}
