/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket to an application's own server, which comes back when it is lost. What a channel of `duet serve` does is
 * in /duet.js; here nothing is resumed, since only the application knows what that would mean.
 */
import { backendURL } from "/apps/state.js";

const [FIRST_MS, MOST_MS] = [300, 8000];
const SILENT_MS = 4000; /* both servers speak all the time: then the network is gone, though nothing says so */

/* `on` has open(), message(data) and state(word): "connecting", "catching up" from when it is open until the
 * application calls live(), "live", "offline" (this machine has no network). */
export class Line {
    #socket = null;
    #timer = 0;
    #attempt = 0;
    #closed = false;
    #heard = 0;
    #watch = setInterval(() => this.#listen(), 1000);
    #wake = () => this.#soon(0);
    #sleep = () => this.#become("offline");

    constructor(name, on) {
        this.name = name;
        this.on = on;
        this.state = "";
        addEventListener("online", this.#wake);
        addEventListener("offline", this.#sleep);
        this.#soon(0);
    }

    /* False: there is no connection, and it was not sent. */
    send(data) {
        const open = this.#socket?.readyState === 1;
        if (open)
            this.#socket.send(data);
        return open;
    }

    live() {
        this.#attempt = 0;
        this.#become("live");
    }

    /* Ends this connection, and begins a fresh one. */
    again() {
        const socket = this.#socket;
        this.#socket = null;
        if (socket) {
            socket.onopen = socket.onmessage = socket.onclose = null;
            socket.close();
            this.#later();
        }
    }

    close() {
        this.#closed = true;
        removeEventListener("online", this.#wake);
        removeEventListener("offline", this.#sleep);
        clearTimeout(this.#timer);
        clearInterval(this.#watch);
        this.#socket?.close();
    }

    #listen() {
        if (performance.now() - this.#heard > SILENT_MS)
            this.again();
    }

    #become(state) {
        if (state !== this.state)
            this.on.state(this.state = state);
    }

    #soon(ms) {
        clearTimeout(this.#timer);
        if (!this.#socket && !this.#closed)
            this.#timer = setTimeout(() => this.#connect(), ms);
    }

    /* Later each time, and never all at once after a server was restarted. */
    #later() {
        this.#become(navigator.onLine ? "connecting" : "offline");
        this.#soon(Math.min(MOST_MS, FIRST_MS * 2 ** this.#attempt++) * (0.5 + Math.random() / 2));
    }

    async #connect() {
        this.#become(navigator.onLine ? "connecting" : "offline");
        try {
            const url = await backendURL(this.name);
            if (!url)
                this.#later();
            else if (!this.#socket && !this.#closed)
                this.#take(new WebSocket(url));
        } catch {
            this.#later();
        }
    }

    #take(socket) {
        this.#socket = socket;
        this.#heard = performance.now();
        socket.binaryType = "arraybuffer";
        socket.onopen = () => {
            this.#become("catching up");
            this.on.open();
        };
        socket.onmessage = event => {
            this.#heard = performance.now();
            this.on.message(event.data);
        };
        socket.onclose = () => {
            this.#socket = null;
            if (!this.#closed)
                this.#later();
        };
    }
}
