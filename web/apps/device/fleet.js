/* SPDX-License-Identifier: MIT */
/*
 * Many channels by one connection, in the Centrifugal protocol (docs/centrifugal.md): of each the newest message, and
 * who is there. In the manner of duet.js:
 *
 *     const fleet = new Fleet("device");
 *     fleet.on("message", (name, { data, time, client }) => ...);   // the newest comes first, unasked (cache mode)
 *     fleet.on("there", (name, client, whether) => ...);            // somebody is there, or has gone
 *     fleet.on("reset", () => ...);                                 // cut off: who is there is not known
 *     fleet.on("state", state => ...);
 *     fleet.watch(["attic", "cellar"]);
 *     await fleet.publish("attic", "led on");
 */
const AT_ONCE = 100;    /* subscriptions; and then a pause, since a server takes only so many a second */
const PAUSE_MS = 250;
const FIRST_MS = 500;
const MOST_MS = 15000;

export class Fleet {
    #namespace;
    #socket = null;
    #timer = 0;
    #attempt = 0;
    #count = 0;
    #asked = new Map();     /* id of a command: what to do with its answer */
    #names = new Set();     /* of those that are watched */
    #waiting = [];          /* names that are not subscribed to yet on this connection */
    #listeners = { message: [], there: [], reset: [], state: [] };

    constructor(namespace) {
        this.#namespace = namespace;
        this.state = "connecting";
        addEventListener("online", () => this.#socket ?? this.#soon(0));
        addEventListener("offline", () => this.#become("offline"));
        this.#soon(0);
    }

    on(what, listener) {
        this.#listeners[what].push(listener);
        return this;
    }

    watch(names) {
        const fresh = names.filter(name => !this.#names.has(name));
        for (const name of fresh)
            this.#names.add(name);
        this.#waiting.push(...fresh);
        if (this.state === "live" && fresh.length > 0) {
            this.#become("catching up");
            this.#subscribe().catch(() => this.#socket?.close());
        }
    }

    /* Once it is kept. */
    publish(name, data) {
        return this.#ask("publish", { channel: this.#channel(name), data });
    }

    /* The newest so many, the newest first. */
    async history(name, limit) {
        const { publications } = await this.#ask("history", { channel: this.#channel(name), limit, reverse: true });
        return publications.map(publication => this.#message(publication));
    }

    #channel(name) {
        return `${this.#namespace}:${name}`;
    }

    #message({ data, time, info }) {
        return { data, time, client: info?.client };
    }

    #tell(what, ...detail) {
        for (const listener of this.#listeners[what])
            listener(...detail);
    }

    #become(state) {
        if (state !== this.state)
            this.#tell("state", this.state = state);
    }

    /* `take` has the result before anything that came behind it. */
    #ask(method, parameters, take = () => {}) {
        return new Promise((done, failed) => {
            if (this.#socket?.readyState !== 1) {
                failed(new Error("not connected"));
                return;
            }
            this.#asked.set(++this.#count, reply => {
                if (reply.error) {
                    failed(new Error(reply.error.message));
                    return;
                }
                take(reply[method]);
                done(reply[method]);
            });
            this.#socket.send(JSON.stringify({ id: this.#count, [method]: parameters }));
        });
    }

    #soon(ms) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#connect(), ms);
    }

    #connect() {
        this.#become(navigator.onLine ? "connecting" : "offline");
        const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/connection/websocket`);
        this.#socket = socket;
        socket.onopen = () => this.#ask("connect", {}).then(() => {
            this.#attempt = 0;
            this.#waiting = [...this.#names];
            this.#become("catching up");
            return this.#subscribe();
        }).catch(() => socket.close());
        socket.onmessage = ({ data }) => data.split("\n").filter(Boolean).forEach(line => this.#take(JSON.parse(line)));
        socket.onclose = () => {
            this.#socket = null;
            for (const answer of this.#asked.values())
                answer({ error: { message: "the connection was lost" } });
            this.#asked.clear();
            this.#tell("reset");
            this.#become(navigator.onLine ? "connecting" : "offline");
            this.#soon(Math.min(MOST_MS, FIRST_MS * 2 ** this.#attempt++) * (0.5 + Math.random() / 2));
        };
    }

    /* A ping is empty, and so is its answer. */
    #take(item) {
        if (item.id !== undefined) {
            this.#asked.get(item.id)?.(item);
            this.#asked.delete(item.id);
        } else if (item.push) {
            this.#push(item.push);
        } else {
            this.#socket.send("{}");
        }
    }

    #push({ channel, pub, join, leave }) {
        const name = channel.slice(this.#namespace.length + 1);
        if (pub)
            this.#tell("message", name, this.#message(pub));
        else if (join ?? leave)
            this.#tell("there", name, (join ?? leave).info.client, join !== undefined);
    }

    async #subscribe() {
        const socket = this.#socket;
        while (this.#waiting.length > 0) {
            await Promise.all(this.#waiting.splice(0, AT_ONCE).map(name => this.#enter(name)));
            await new Promise(done => setTimeout(done, this.#waiting.length > 0 ? PAUSE_MS : 0));
            if (socket !== this.#socket)
                return;
        }
        this.#become("live");
    }

    #enter(name) {
        const channel = this.#channel(name);
        return Promise.all([
            this.#ask("subscribe", { channel, join_leave: true }, ({ publications = [] }) =>
                publications.forEach(publication => this.#tell("message", name, this.#message(publication)))),
            this.#ask("presence", { channel }, ({ presence }) =>
                Object.keys(presence).forEach(client => this.#tell("there", name, client, true)))]);
    }
}
