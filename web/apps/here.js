/* SPDX-License-Identifier: MIT */
/*
 * Who is at a place, and what holds there for a moment: a channel of the namespace `here`, of which nothing is kept.
 * Members say themselves who they are, to whoever comes; that somebody has gone says the server, who has lost the
 * connection.
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

const ANSWER_MS = 200;  /* many who come at once, as after a restart of the server, have one answer */
const PEOPLE_MOST = 500;
const NAME_LENGTH = 32;
const OWN = new Set(["people", "came", "gone", "renamed"]);    /* kinds that are said here, and not told by others */

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
        this.channel = join(`here:${place}`, { presence: true, ...options });
        this.channel.on("welcome", () => this.#hello(true));
        this.channel.on("message", ({ data, who }) => this.#hear(data, who?.client));
        this.channel.on("left", ({ client }) => this.#lose(client));
        this.channel.on("state", state => {
            if (state === "connecting" || state === "offline")
                this.#clear();
        });
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
        clearTimeout(this.#timer);
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

    #answer() {
        this.#timer ||= setTimeout(() => {
            this.#timer = 0;
            this.#hello(false);
        }, ANSWER_MS * Math.random());
    }

    /* `client` is the connection that says it; without one, it was said by a backend. */
    #hear(message, client) {
        if (typeof message?.id !== "string" || !message.id || message.id.length > 64 || typeof message.k !== "string")
            return;
        const before = this.people.get(message.id);
        if (message.k === "hello" && client)
            this.#greet(message, before, client);
        else if (message.k !== "hello" && !OWN.has(message.k))
            this.#say(message.k, message, before ?? { id: message.id, name: "" });
    }

    #greet({ k, ask, ...said }, before, client) {
        if (!before && this.people.size >= PEOPLE_MOST)
            return;
        const person = { ...said, name: tidyName(said.name ?? "") || "nameless", client };
        this.people.set(person.id, person);
        if (ask === true && person.id !== this.me.id)
            this.#answer();
        if (!before)
            this.#say("came", person, ask === true);
        else if (before.name !== person.name)
            this.#say("renamed", person, before.name);
        this.#say("people", this.people);
    }

    #lose(client) {
        for (const person of [...this.people.values()].filter(person => person.client === client)) {
            this.people.delete(person.id);
            this.#say("gone", person);
        }
        this.#say("people", this.people);
    }
}
