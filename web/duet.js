/* SPDX-License-Identifier: MIT */
/*
 * A channel of `duet serve` that survives a bad network: it comes back with back-off, gets what it missed, once and in
 * order, and says where it stands. Needs nothing but a WebSocket; for pages and for Node.
 *
 *     import { join } from "/duet.js";
 *     const room = join("lobby", { last: 50 });
 *     room.on("message", m => console.log(m.data));
 *     room.on("state", state => console.log(state));
 *     room.send({ hello: 1 });
 */

const WAITING_MOST = 100;   /* messages that wait for a connection */
const QUIET_MS = 50;        /* after which what was missed has come */
const PROTOCOL = "duet.v1";
const FATAL = code => code === 1008 || code === 1003 || (code >= 3500 && code < 4000) || code >= 4500;

/* The options: url ("wss://host", default the page's), last (the newest so many first), since ("EPOCH:OFFSET"), listen
 * (false: only to speak, and hear nothing of the channel), presence (true: to be told who comes and goes), token (a
 * string, or a function that gives or promises one), first and most (ms of waits between tries: 500, 15000), and
 * WebSocket (another than the global one). */
export function join(channel, options = {}) {
    return new Channel(channel, options);
}

class Channel {
    #options;
    #socket = null;
    #timer = 0;
    #attempt = 0;
    #ended = false;
    #welcomed = false;          /* by this connection's server */
    #waiting = [];
    #listeners = { message: [], joined: [], left: [], state: [], lost: [], error: [], welcome: [], end: [] };
    #wake = () => this.#socket ? this.#stays() : this.#soon(0);
    #sleep = () => this.#become("offline");

    constructor(channel, options) {
        this.#options = { first: 500, most: 15000, ...options };
        this.channel = channel;
        this.client = "";           /* this connection, as the server names it */
        this.position = options.since ?? null;
        this.state = "connecting";  /* "connecting", "catching up", "live", "offline", "ended" */
        globalThis.addEventListener?.("online", this.#wake);
        globalThis.addEventListener?.("offline", this.#sleep);
        this.#soon(0);
    }

    /* "message" {data or text or bytes, offset, time, who, missed}; "joined" and "left", with `presence`: {user, client},
     * as `who` is; "state" with the new one; "lost": not all that was missed is kept; "error" {code, message} of what was
     * sent; "welcome" with the server's first words; "end" {code, reason}: it does not come back. Returns the channel. */
    on(what, listener) {
        this.#listeners[what].push(listener);
        return this;
    }

    /* Text of JSON for any value but strings and bytes, which go as they are. False: too many wait already. What was sent
     * as the network broke may or may not have arrived. */
    send(message) {
        const frame = typeof message === "string" || message instanceof ArrayBuffer || ArrayBuffer.isView(message)
            ? message : JSON.stringify(message);
        if (this.open)
            this.#socket.send(frame);
        else if (this.#ended || this.#waiting.length >= WAITING_MOST)
            return false;
        else
            this.#waiting.push(frame);
        return true;
    }

    get open() {
        return this.#socket?.readyState === 1;
    }

    close() {
        this.#end({ code: 1000, reason: "" });
    }

    /* At once, instead of when its time has come. */
    retry() {
        if (!this.#socket)
            this.#soon(0);
    }

    #tell(what, detail) {
        for (const listener of this.#listeners[what])
            listener(detail);
    }

    #become(state) {
        if (this.state === state || this.#ended)
            return;
        this.state = state;
        this.#tell("state", state);
    }

    #end(why) {
        if (this.#ended)
            return;
        clearTimeout(this.#timer);
        const socket = this.#socket;
        this.#socket = null;
        this.#become("ended");
        this.#ended = true;
        globalThis.removeEventListener?.("online", this.#wake);
        globalThis.removeEventListener?.("offline", this.#sleep);
        socket?.close(1000);
        this.#tell("end", why);
    }

    #soon(ms) {
        clearTimeout(this.#timer);
        if (!this.#ended && !this.#socket)
            this.#timer = setTimeout(() => this.#connect(), ms);
    }

    #address() {
        const { url, last, listen, presence } = this.#options;
        const query = [
            this.position ? `since=${encodeURIComponent(this.position)}`
                : listen === false ? "listen=no" : last ? `last=${last}` : "",
            presence ? "presence=yes" : "",
        ].filter(Boolean).join("&");
        return `${url ?? location.origin.replace(/^http/, "ws")}/channel/${encodeURIComponent(this.channel)}?${query}`;
    }

    async #connect() {
        const { token, WebSocket: Socket = globalThis.WebSocket } = this.#options;
        const protocols = [PROTOCOL];
        this.#become(globalThis.navigator?.onLine === false ? "offline" : "connecting");
        try {
            const word = typeof token === "function" ? await token() : token;
            if (this.#ended || this.#socket)
                return;
            if (word)
                protocols.push(`token.${word}`);
            this.#open(new Socket(this.#address(), protocols));
        } catch (error) {
            this.#tell("error", { code: 0, message: String(error?.message ?? error) });
            this.#later();
        }
    }

    #open(socket) {
        this.#socket = socket;
        this.#welcomed = false;
        socket.binaryType = "arraybuffer";
        socket.onmessage = event => {
            if (socket === this.#socket)
                this.#take(JSON.parse(event.data));
        };
        socket.onerror = () => {};  /* `close` follows */
        socket.onclose = event => {
            if (socket !== this.#socket)
                return;
            this.#socket = null;
            clearTimeout(this.#timer);
            if (FATAL(event.code))
                this.#end({ code: event.code, reason: event.reason });
            else
                this.#later();
        };
    }

    /* Spread out, so that a server that restarts is not met by everyone at once. */
    #later() {
        const { first, most } = this.#options;
        this.#become(globalThis.navigator?.onLine === false ? "offline" : "connecting");
        this.#soon(Math.min(most, first * 2 ** this.#attempt++) * (0.5 + Math.random() / 2));
    }

    /* The first message says where the stream stands, each other one is a publication with its place in it. */
    #take(item) {
        if (item.channel !== undefined)
            this.#welcome(item);
        else if (item.joined ?? item.left)
            this.#tell(item.joined ? "joined" : "left", item.joined ?? item.left);
        else if (item.error)
            this.#tell("error", item.error);
        else
            this.#publication(item);
    }

    #welcome(item) {
        const returns = this.position !== null;
        this.#attempt = 0;
        this.#welcomed = true;
        this.client = item.client;
        this.position = item.epoch ? `${item.epoch}:${item.offset}` : null;
        if (item.recovered === false)
            this.#tell("lost", item);
        this.#tell("welcome", item);
        if (returns || this.#options.last)
            this.#become("catching up");
        this.#settle();
        for (const frame of this.#waiting.splice(0))
            this.#socket?.send(frame);
    }

    #publication({ offset, time, who, data, text, b64 }) {
        const message = { offset, time, who, missed: this.state !== "live" };
        if (b64 !== undefined)
            message.bytes = Uint8Array.from(atob(b64), letter => letter.charCodeAt(0));
        else if (text !== undefined)
            message.text = text;
        else
            message.data = data;
        if (this.position && offset)
            this.position = `${this.position.split(":")[0]}:${offset}`;
        if (this.state === "catching up")
            this.#settle();
        this.#tell("message", message);
    }

    /* The browser's network is back, and this connection did not notice that it was gone. */
    #stays() {
        if (this.open && this.state === "offline")
            this.#become(this.#welcomed ? "live" : "connecting");
    }

    /* What was missed comes in one go, and then no more. */
    #settle() {
        clearTimeout(this.#timer);
        const socket = this.#socket;
        this.#timer = setTimeout(() => {
            if (this.#socket === socket && socket)
                this.#become("live");
        }, this.state === "catching up" ? QUIET_MS : 0);
    }
}
