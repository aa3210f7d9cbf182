/* SPDX-License-Identifier: MIT */
/* The pages of `duet serve` in Chromium. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { launch, openWindow, tabTo } from "./tools/browser.mjs";
import { get, makeCertificate, readFor, startDuet, until } from "./tools/duet.mjs";
import { readStream, startProxy } from "./tools/proxy.mjs";

const PAGES = ["/", "/apps/", "/apps/chat/", "/compare.html"];
const TIMEOUT = { timeout: 120000 };
let browser;
let server;

before(async () => {
    server = await startDuet();
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

/* Runs `body` with a window on `url`; afterwards nothing may have been complained about. */
async function withWindow(url, options, body) {
    const window = await openWindow(browser, url, options);
    try {
        await body(window.page);
        assert.deepEqual(window.complaints, []);
    } finally {
        await window.close();
    }
}

const text = (page, selector) => page.locator(selector).textContent();
const isOpen = page => page.locator("#state:is([data-state=open], [data-state=live]), .card .live > *").first().waitFor();
const heads = page => page.$$eval("#frames [data-head]",
                                  items => items.map(item => [item.dataset.dir, item.dataset.head]));

/* The greeting, its echo, a ping and its pong: what the page does by itself is over. */
async function settled(page) {
    await isOpen(page);
    await page.locator("#frames li", { hasText: "pong" }).first().waitFor();
    await page.locator("#rtt", { hasText: "ms" }).waitFor();
}

async function showsTheWire(page) {
    await settled(page);
    assert.match(await text(page, "#request"), /^GET \/demo\/echo HTTP\/1\.1\n[^]*sec-websocket-key: \S{24}/i);
    assert.match(await text(page, "#response"), /^HTTP\/1\.1 101 [^]*sec-websocket-accept: \S{28}/i);
    /* Compression is offered and declined: a page that explains frames shows what is in them. */
    assert.match(await text(page, "#request"), /sec-websocket-extensions: permessage-deflate/i);
    assert.doesNotMatch(await text(page, "#response"), /extensions/i);
    await page.locator("#proof", { hasText: "it is what the server said" }).waitFor();
    const before = (await heads(page)).length;
    await page.fill("#text", "héllo");
    await page.press("#text", "Enter");
    await until(async () => (await heads(page)).length === before + 2, "a frame there and one back");
    const [sent, echoed] = (await heads(page)).slice(-2);
    assert.equal(sent[0], "in");
    assert.match(sent[1], /^8186[0-9a-f]{8}$/);
    assert.equal(echoed[0], "out");
    assert.equal(echoed[1], "8106");
}

async function chatsBetweenTwo(url, options) {
    await withWindow(`${url}/apps/chat/?room=duo`, options, async ada => {
        await withWindow(`${url}/apps/chat/#duo`, options, async ben => {
            for (const [page, name] of [[ada, "Ada"], [ben, "Ben"]]) {
                await isOpen(page);
                await page.fill("#name", name);
                await page.press("#name", "Enter");
            }
            for (const page of [ada, ben]) {
                await page.locator("#people", { hasText: "Ada" }).waitFor();
                await page.locator("#people", { hasText: "Ben" }).waitFor();
                assert.equal(await text(page, "#count"), "2");
            }
            await ada.locator("#say").pressSequentially("Hello <b>Ben</b>");
            await ben.locator("#typing", { hasText: "Ada is typing" }).waitFor();
            await ada.press("#say", "Enter");
            await ben.locator("#log .text", { hasText: "Hello <b>Ben</b>" }).waitFor();
            assert.equal(await ben.locator("#log b b").count(), 0);
            await until(async () => await text(ben, "#typing") === "", "the typing note goes");
            await ben.fill("#say", "Hello Ada");
            await ben.press("#say", "Enter");
            for (const page of [ada, ben])
                await page.locator("#log .line", { hasText: /Ben.*Hello Ada/ }).waitFor();
        });
        await ada.locator("#log .notice", { hasText: "Ben left." }).waitFor();
        await until(async () => await text(ada, "#count") === "1", "one person stays");
    });
}

async function numbersMove(page) {
    await isOpen(page);
    const number = async (side, name) =>
        Number((await text(page, `#${side} [data-is=${name}]`)).replace(/[^0-9.]/g, "")) || 0;
    for (const side of ["poll", "push"]) {
        await until(() => number(side, "ticks").then(n => n >= 5), `${side} receives`, 15000);
        for (const name of ["turns", "bytes", "each"])
            assert.ok(await number(side, name) > 0, `${side} ${name}`);
        const before = await number(side, "bytes");
        await until(() => number(side, "bytes").then(n => n > before), `the bytes of ${side} grow`);
    }
    assert.match(await text(page, "#verdict"), /^Polling is typically \d+ ms later, and each price takes [\d.]+ times/);
    return number;
}

describe("home page", TIMEOUT, () => {
    test("shows the heads and the frames of its own connection", () =>
        withWindow(`${server.url}/`, {}, showsTheWire));

    test("a browser's connection to a channel is compressed, unless that is off", async () => {
        const plain = await startDuet({ args: ["--deflate", "off"] });
        try {
            for (const [url, agreed] of [[server.url, /^permessage-deflate/], [plain.url, /^$/]])
                await withWindow(`${url}/`, {}, async page => {
                    const [extensions, heard] = await page.evaluate(() => new Promise((done, fail) => {
                        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/channel/packed`);
                        socket.onerror = fail;
                        socket.onopen = () => socket.send("w".repeat(300));
                        socket.onmessage = event => done([socket.extensions, event.data]);
                    }));
                    assert.match(extensions, agreed);
                    assert.equal(heard, "w".repeat(300));
                });
        } finally {
            await plain.stop();
        }
    });

    test("what it shows is what a proxy in between saw", async () => {
        const proxy = await startProxy(server.port);
        try {
            await withWindow(`${proxy.url}/`, {}, async page => {
                await settled(page);
                for (const line of ["x", "y".repeat(125), "y".repeat(126), "z".repeat(1999), "ping"]) {
                    await page.fill("#text", line);
                    await page.press("#text", "Enter");
                }
                await page.locator("#rtts", { hasText: "2 pings" }).waitFor();
                await page.click("#bye");
                await page.locator("#traced", { hasText: "code 1000" }).waitFor();
                await sameAsCaptured(page, proxy);
            });
        } finally {
            await proxy.stop();
        }
    });

    test("shows a ping's round trip and both ends of a close", () =>
        withWindow(`${server.url}/`, {}, async page => {
            await settled(page);
            assert.match(await text(page, "#rtt"), /^\d+\.\d+ ms$/);
            await page.click("#ping");
            await page.locator("#rtts", { hasText: "2 pings" }).waitFor();
            await page.fill("#code", "1001");
            await page.click("#leave button[type=submit]");
            assert.match(await text(page, "#leave-error"), /1000 or 3000 to 4999/);
            await page.fill("#code", "4321");
            await page.fill("#reason", "well sung");
            await page.press("#reason", "Enter");
            /* The server's answer has the code, not the reason (RFC 6455 5.5.1). */
            await page.locator("#saw", { hasText: "code 4321" }).waitFor();
            await page.locator("#traced", { hasText: "code 4321, “well sung”, clean" }).waitFor();
            await page.click("#again");
            await settled(page);
            await page.click("#bye");
            for (const id of ["#saw", "#traced"])
                await page.locator(id, { hasText: "code 1000, “bye”, clean" }).waitFor();
        }));

    test("plays a duet of 15 messages and their echoes", () =>
        withWindow(`${server.url}/`, {}, async page => {
            await settled(page);
            const before = (await heads(page)).length;
            await page.click("#play");
            await until(async () => (await heads(page)).length === before + 30, "30 frames more");
            assert.equal(await page.locator("#score .note").count(), before + 30);
        }));

    test("another token opens no trace of it", () =>
        withWindow(`${server.url}/`, {}, async page => {
            await settled(page);
            const answer = await readFor(1000, `${server.url}/demo/trace/${"0".repeat(32)}`);
            assert.doesNotMatch(answer, /GET|frame/);
        }));
});

/* Heads, frames in both directions, and the masked payload of the frame that is taken apart. */
async function sameAsCaptured(page, proxy) {
    const captured = proxy.connections.find(connection => connection.sent.includes("GET /demo/echo "));
    const sent = readStream(captured.sent, "GET /demo/echo ");
    const answered = readStream(captured.answered, "HTTP/1.1 101 ");
    const lines = head => head.trimEnd().split("\r\n").join("\n");
    assert.equal(await text(page, "#request"), lines(sent.head));
    assert.equal(await text(page, "#response"), lines(answered.head));
    const shown = await heads(page);
    const of = dir => shown.filter(([side]) => side === dir).map(([, head]) => head);
    assert.deepEqual(of("in"), sent.frames.map(frame => frame.head));
    assert.deepEqual(of("out"), answered.frames.map(frame => frame.head));
    assert.deepEqual([...new Set(sent.frames.map(frame => frame.opcode))].sort(), [1, 10, 8].sort());

    const frame = sent.frames[1];
    await page.locator(`#frames [data-head="${frame.head}"]`).click();
    if (frame.compressed) {
        assert.match(await text(page, "#inspect"), /compressed/);
        return;
    }
    const wire = await page.$$eval("#inspect .wire", cells => cells.map(cell => cell.textContent).join(""));
    assert.equal(wire, frame.payload.toString("hex"));
    const bits = await page.$$eval("#inspect .bits", cells => cells.map(cell => cell.textContent).join(""));
    assert.equal(bits, parseInt(frame.head.slice(0, 4), 16).toString(2).padStart(16, "0"));
}

describe("comparison", TIMEOUT, () => {
    test("its numbers move, and push is the fresher one", () =>
        withWindow(`${server.url}/compare.html`, {}, async page => {
            const number = await numbersMove(page);
            assert.ok(await number("push", "age") < await number("poll", "age"));
            await page.check("input[value='250']");
            await until(() => number("poll", "turns").then(n => n >= 8), "it asks more often", 4000);
            await page.click("#pause");
            await page.locator("#pause", { hasText: "Go on" }).waitFor();
            await page.waitForTimeout(600);
            const still = await number("push", "ticks");
            await page.waitForTimeout(800);
            assert.equal(await number("push", "ticks"), still);
            await page.click("#pause");
            await until(() => number("push", "ticks").then(n => n >= 2), "it goes on");
        }));

    test("both sides show the same prices", () =>
        withWindow(`${server.url}/compare.html`, {}, async page => {
            await isOpen(page);
            await page.waitForFunction(() => document.querySelector("#poll [data-is=ticks]").textContent > 3);
            const answer = JSON.parse((await get(`${server.url}/demo/ticks?after=0`)).body);
            const shown = await page.$eval("#poll", side => ({
                n: Number(side.querySelector("[data-is=n]").textContent.replace("no. ", "")),
                price: side.querySelector("[data-is=price]").textContent }));
            assert.ok(answer.length <= 100);
            assert.equal(answer.find(tick => tick.n === shown.n).price.toFixed(2), shown.price);
        }));
});

describe("all pages", TIMEOUT, () => {
    test("the pages come with a strict content policy", async () => {
        for (const path of PAGES) {
            const { headers } = await get(`${server.url}${path}`);
            assert.match(headers["content-type"], /^text\/html/);
            assert.match(headers["content-security-policy"] ?? "", /default-src 'self'/);
            assert.doesNotMatch(headers["content-security-policy"] ?? "", /unsafe/);
        }
    });

    test("the links between them, and to health and metrics, lead somewhere", () =>
        withWindow(`${server.url}/`, {}, async page => {
            const links = await page.$$eval("a[href^='/']", all => [...new Set(all.map(link => link.href))]);
            for (const path of [...PAGES, "/health", "/metrics"])
                assert.ok(links.includes(`${server.url}${path}`), path);
            for (const link of links)
                assert.equal((await get(link)).status, 200, link);
        }));

    test("fit a screen of 360 pixels", async () => {
        for (const path of PAGES)
            await withWindow(`${server.url}${path}`, { viewport: { width: 360, height: 740 } }, async page => {
                await isOpen(page);
                await fill(page, path);
                const [width, outside] = await page.evaluate(() => [
                    document.documentElement.scrollWidth,
                    [...document.querySelectorAll("button, input, h1, h2, p, pre, dl")]
                        .filter(element => element.getClientRects().length && !element.closest(".unseen, svg")
                                           && element.getBoundingClientRect().right > 361)
                        .map(element => element.outerHTML.slice(0, 80))]);
                assert.equal(width, 360, path);
                assert.deepEqual(outside, [], path);
            });
    });

    for (const colorScheme of ["light", "dark"])
        test(`all text stands out in the ${colorScheme} theme`, async () => {
            const papers = [];
            for (const path of PAGES)
                await withWindow(`${server.url}${path}`, { colorScheme }, async page => {
                    await isOpen(page);
                    await fill(page, path);
                    assert.deepEqual(await page.evaluate(faintTexts), [], path);
                    papers.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
                });
            const bright = papers.map(paper => paper.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0) > 384);
            assert.deepEqual(bright, papers.map(() => colorScheme === "light"));
        });

    test("nothing moves by itself where motion is unwanted", () =>
        withWindow(`${server.url}/`, { reducedMotion: "reduce" }, async page => {
            await settled(page);
            assert.deepEqual(await page.$$eval("*", all => all.filter(element => {
                const style = getComputedStyle(element);
                return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
            }).map(element => element.outerHTML.slice(0, 80))), []);
        }));

    test("each field and button has a name, and the log speaks", async () => {
        for (const path of PAGES)
            await withWindow(`${server.url}${path}`, {}, async page => {
                assert.deepEqual(await page.$$eval("input, button, [tabindex='0']", all => all.filter(element =>
                    !(element.labels?.length || element.textContent.trim() || element.ariaLabel
                      || element.getAttribute("aria-labelledby"))).map(element => element.outerHTML)), []);
                if (path === "/apps/chat/")
                    assert.equal(await page.getAttribute("#log", "aria-live"), "polite");
            });
    });
});

/* Some content of each kind, a long word among it. */
async function fill(page, path) {
    if (path === "/") {
        await settled(page);
        await page.fill("#text", "w".repeat(300));
        await page.press("#text", "Enter");
        await page.locator("#frames li", { hasText: "300 B" }).first().click();
    } else if (path === "/apps/chat/") {
        await page.fill("#say", "w".repeat(300));
        await page.press("#say", "Enter");
        await page.locator("#log .mine .text").last().waitFor();
    } else if (path === "/compare.html") {
        await page.waitForFunction(() => document.querySelector("#push [data-is=ticks]").textContent > 5);
        await page.click("summary");
    }
}

/* Runs in the page: texts whose contrast to the first painted ground behind them is under 4.5 (WCAG 2 AA). */
function faintTexts() {
    const parts = colour => colour.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = parts(getComputedStyle(at).backgroundColor);
            if (alpha === 1)
                return [r, g, b];
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll("body, body *")) {
        const ownText = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!ownText || element.disabled || !element.getClientRects().length)
            continue;
        const style = getComputedStyle(element);
        const ink = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
        const [a, b] = [light(parts(ink)), light(ground(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5)
            faint.push(`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
    }
    return faint;
}

describe("with the keyboard alone", TIMEOUT, () => {
    test("each stop of the Tab key can be seen", async () => {
        for (const path of PAGES)
            await withWindow(`${server.url}${path}`, {}, async page => {
                await isOpen(page);
                const stops = new Set();
                for (let i = 0; i < 40; i++) {
                    await page.keyboard.press("Tab");
                    const stop = await page.evaluate(() => {
                        const element = document.activeElement;
                        const { outlineStyle, outlineWidth } = getComputedStyle(element);
                        const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
                        return element === document.body ? null : { name: element.outerHTML.slice(0, 90), seen };
                    });
                    if (!stop)
                        break;
                    assert.ok(stop.seen, stop.name);
                    stops.add(stop.name);
                }
                assert.ok(stops.size >= (path === "/apps/" ? 5 : 10), `${path}: ${stops.size} stops`);
            });
    });

    test("the home page can be worked", () =>
        withWindow(`${server.url}/`, {}, async page => {
            await settled(page);
            await page.keyboard.press("Tab");
            await page.keyboard.press("Enter");
            assert.ok(page.url().endsWith("#main"), "the skip link leads to the content");
            await tabTo(page, "#text");
            await page.keyboard.press("ControlOrMeta+a");
            await page.keyboard.type("by keys");
            await page.keyboard.press("Enter");
            await page.locator("#frames li", { hasText: "7 B" }).nth(1).waitFor();
            await tabTo(page, "#frames");
            await page.keyboard.press("Home");
            assert.equal(await page.getAttribute("#frames", "aria-activedescendant"), "frame-1");
            await page.keyboard.press("ArrowDown");
            assert.match(await text(page, "#inspect"), /Your browser sent a text frame/);
            await tabTo(page, "#ping");
            await page.keyboard.press("Space");
            await page.locator("#rtts", { hasText: "2 pings" }).waitFor();
            await tabTo(page, "#bye");
            await page.keyboard.press("Enter");
            await page.locator("#again:focus").waitFor();
            await page.keyboard.press("Enter");
            await settled(page);
        }));

    test("the chat and the comparison can be worked", async () => {
        await withWindow(`${server.url}/apps/chat/`, {}, async page => {
            await isOpen(page);
            await tabTo(page, "#room");
            await page.keyboard.press("ControlOrMeta+a");
            await page.keyboard.type("keys");
            await page.keyboard.press("Enter");
            await page.locator("#where", { hasText: "keys" }).waitFor();
            await isOpen(page);
            await page.keyboard.type("typed at once");
            await page.keyboard.press("Enter");
            await page.locator("#log .text", { hasText: "typed at once" }).waitFor();
        });
        await withWindow(`${server.url}/compare.html`, {}, async page => {
            await isOpen(page);
            await tabTo(page, "input[name=every]");
            await page.keyboard.press("ArrowRight");
            assert.ok(await page.isChecked("input[value='3000']"));
            await tabTo(page, "#pause");
            await page.keyboard.press("Space");
            await page.locator("#pause[aria-pressed=true]").waitFor();
        });
    });
});

describe("over TLS with a certificate of one's own", TIMEOUT, () => {
    const options = { ignoreHTTPSErrors: true };
    let certificate;
    let secure;

    before(async () => {
        certificate = makeCertificate();
        secure = await startDuet({ tls: certificate });
    });
    after(async () => {
        await secure?.stop();
        certificate?.remove();
    });

    test("the home page shows its wss connection", () => withWindow(`${secure.url}/`, options, showsTheWire));
    test("two windows chat", () => chatsBetweenTwo(secure.url, options));
    test("the comparison's numbers move", () => withWindow(`${secure.url}/compare.html`, options, numbersMove));
});
