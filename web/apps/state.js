/* SPDX-License-Identifier: MIT */
/* What the applications share: the badge that says where their channels stand, what the server runs for them, and what
 * the browser remembers. */
import { randomHex, showState } from "/wire.js";

const WORST_FIRST = ["ended", "offline", "connecting", "catching up", "live"];

/* Shows the worst state of these channels (of duet.js) in the page's #state, from now on. */
export function badge(...channels) {
    const show = () => showState(WORST_FIRST.find(state => channels.some(channel => channel.state === state)));
    for (const channel of channels)
        channel.on("state", show);
    show();
}

/* Promises what the server says of the applications: { demo, apps: ["chat", ...], backends: { game: { port }, ... } }. */
export async function running() {
    const answer = await fetch("/apps/apps.json");
    return answer.ok ? answer.json() : { demo: false, apps: [], backends: {} };
}

/* Promises the WebSocket URL of an application's own server, or null while it does not run. `?port=N` in the address of
 * the page goes before what the server says, for who comes through a tunnel. */
export async function backendURL(name) {
    const given = Number(new URLSearchParams(location.search).get("port"));
    const port = given || (await running()).backends[name]?.port;
    return port ? `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.hostname}:${port}` : null;
}

/* Whether the server runs an application's backend; and if it does not, the page's #missing is shown, and says so. */
export async function needs(name, program) {
    const { demo, backends } = await running();
    const missing = document.getElementById("missing");
    missing.hidden = name in backends;
    missing.textContent = demo ? `Its backend does not run: examples/${program}. The log of duet serve says why.`
        : `This server did not start its backend, examples/${program}. Started as duet serve --demo it does.`;
    return name in backends;
}

/* What the browser remembers, or this window alone: WINDOW. It may be switched off; everything works without. */
export const WINDOW = "sessionStorage";

export function remembered(key, where = "localStorage") {
    try {
        return globalThis[where].getItem(key) ?? "";
    } catch {
        return "";
    }
}

export function remember(key, value, where = "localStorage") {
    try {
        globalThis[where].setItem(key, value);
    } catch {
        /* nothing is lost but a convenience */
    }
}

/* The same after a reload, so that one may go on with what one began; another in each window. */
export function windowId() {
    const id = remembered("duet-id", WINDOW) || randomHex(8);
    remember("duet-id", id, WINDOW);
    return id;
}
