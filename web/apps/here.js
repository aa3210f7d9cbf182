/* SPDX-License-Identifier: MIT */
/*
 * Who is at a place, and what holds there for a moment: a channel of the namespace `here`, of which nothing is kept.
 *
 *     const place = here("chat.lobby", { id, name: "Ann" });
 *     place.on("people", people => ...);                   // Map of id: { id, name, ...what they say of themselves }
 *     place.on("typing", (message, person) => ...);        // what others tell, by its kind
 *     place.tell("typing", { on: true });
 *     place.change({ name: "Anna" });
 *     place.close();
 *
 * A member may be any program, so what comes is checked and cut; show it as text.
 */
import { join } from "/duet.js";

const HELLO_MS = 20000;
const GONE_MS = 150000;  /* a background tab's timers may run only once a minute */
const PEOPLE_MOST = 500;
const NAME_LENGTH = 32;

export function tidyName(text) {
    return String(text).replace(/\s+/g, " ").trim().slice(0, NAME_LENGTH);
}

export function here(place, me, options = {}) {
    return new Here(place, me, options);
}

class Here {
    #listeners = new Map();
    #timer;

    constructor(place, me, options) {
        this.me = me;
        this.people = new Map();
        this.channel = join(`here:${place}`, options);
        this.channel.on("welcome", () => this.#hello(true));
        this.channel.on("message", message => this.#hear(message.data));
        this.channel.on("state", state => {
            if (state === "connecting" || state === "offline")
                this.#clear();
        });
        this.#timer = setInterval(() => this.#beat(), HELLO_MS);
        this.leave = () => this.tell("left");
        globalThis.addEventListener?.("pagehide", this.leave);
    }

    on(kind, listener) {
        this.#listeners.set(kind, [...this.#listeners.get(kind) ?? [], listener]);
        return this;
    }

    /* What nobody can hear is not said later: false. */
    tell(kind, data = {}) {
        return this.channel.open && this.channel.send({ ...data, k: kind, id: this.me.id });
    }

    /* What is said of oneself, to all that are there and that come. */
    change(more) {
        Object.assign(this.me, more);
        this.#hello(false);
    }

    close() {
        this.tell("left");
        clearInterval(this.#timer);
        globalThis.removeEventListener?.("pagehide", this.leave);
        this.channel.close();
        this.people.clear();
    }

    #say(kind, ...what) {
        for (const listener of this.#listeners.get(kind) ?? [])
            listener(...what);
    }

    #hello(ask) {
        this.tell("hello", { ...this.me, ask });
    }

    #clear() {
        this.people.clear();
        this.#say("people", this.people);
    }

    #beat() {
        const long = Date.now() - GONE_MS;
        for (const [id, person] of this.people)
            if (person.heard < long)
                this.people.delete(id);
        this.#hello(false);
        this.#say("people", this.people);
    }

    #hear(message) {
        if (typeof message?.id !== "string" || !message.id || message.id.length > 64 || typeof message.k !== "string")
            return;
        const before = this.people.get(message.id);
        if (message.k === "hello")
            this.#greet(message, before);
        else if (message.k === "left" && before && message.id !== this.me.id)
            this.#lose(before);
        else if (message.k !== "left")
            this.#say(message.k, message, before ?? { id: message.id, name: "" });
    }

    #greet({ k, ask, ...said }, before) {
        if (!before && this.people.size >= PEOPLE_MOST)
            return;
        const person = { ...said, name: tidyName(said.name ?? "") || "nameless", heard: Date.now() };
        this.people.set(person.id, person);
        if (ask === true && person.id !== this.me.id)
            this.#hello(false);
        if (!before)
            this.#say("came", person, ask === true);
        else if (before.name !== person.name)
            this.#say("renamed", person, before.name);
        this.#say("people", this.people);
    }

    #lose(person) {
        this.people.delete(person.id);
        this.#say("gone", person);
        this.#say("people", this.people);
    }
}
