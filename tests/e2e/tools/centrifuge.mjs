/* SPDX-License-Identifier: MIT */
/* The unchanged npm `centrifuge` client, and what is written down of what it is told. */
import { createHmac } from "node:crypto";
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import WebSocket from "ws";

const clients = new Set();
let names = 0;

export const fresh = what => `${what}-${process.pid}-${++names}`;

/* What a client was told: its contexts of this event. */
export const told = (c, event) => c.told.filter(([name]) => name === event).map(([, context]) => context);

export const code = wanted => error => error.code === wanted;

/* A client of `at` (with url and wsUrl), over one of websocket, http_stream and sse. */
export function client(way, options, at) {
    const endpoint = `${way === "websocket" ? at.wsUrl : at.url}/connection/${way}`;
    const c = new Centrifuge([{ transport: way, endpoint }], {
        websocket: WebSocket,
        eventsource: EventSource,
        emulationEndpoint: `${at.url}/emulation`,
        minReconnectDelay: 10,
        maxReconnectDelay: 50,
        ...options,
    });
    clients.add(c);
    c.told = [];
    c.came = [];
    for (const event of ["connecting", "connected", "disconnected", "error", "subscribed", "unsubscribed", "publication"])
        c.on(event, context => c.told.push([event, context]));
    c.on("publication", context => c.came.push(context.data));
    return c;
}

export async function connected(way, options, at) {
    const c = client(way, options, at);
    c.connect();
    await c.ready(10000);
    return c;
}

export function subscription(c, channel, options = {}) {
    const sub = c.newSubscription(channel, options);
    sub.told = [];
    sub.came = [];
    for (const event of ["subscribing", "subscribed", "unsubscribed", "publication", "join", "leave", "error"])
        sub.on(event, context => sub.told.push([event, context]));
    sub.on("publication", context => sub.came.push(context.data));
    return sub;
}

export async function subscribed(c, channel, options) {
    const sub = subscription(c, channel, options);
    sub.subscribe();
    await sub.ready(10000);
    return sub;
}

/* After each test. */
export function disconnectAll() {
    clients.forEach(c => c.disconnect());
    clients.clear();
}

/* A token (JWT, HS256) that expires in `seconds`. */
export function token(secret, claims, seconds = 3600) {
    const encode = what => Buffer.from(JSON.stringify(what)).toString("base64url");
    const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ exp: Date.now() / 1000 + seconds, ...claims })}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
