/* SPDX-License-Identifier: MIT */
/*
 * What was said in a room: the channel chat:NAME, without a word about how it looks. The words are JSON, each with an id
 * of its own:
 *
 *     said  {k, id, by, name, text}
 *     edit  {k, id, by, of, text}      `of` is what was said; without text it is taken back
 *
 * What this window says stays in an outbox until it comes back on the channel. It is sent again after each cut, and
 * whoever has its id already drops it: so nothing is lost, and nothing is there twice.
 *
 * A member may be any program. What comes is checked and cut; what is no such JSON is a line of nobody's.
 */
import { join } from "/duet.js";
import { tidyName } from "/apps/here.js";
import { randomHex } from "/wire.js";

const LAST = 50;
const PAGE = 100;
const AGAIN_MS = 2000;
const MOST = 1000;          /* lines; more is what scrolling up is for */
export const TEXT_LENGTH = 2000;
const PASSES = new Set([100, 111]);     /* codes of what may go well a moment later */

export class Room {
    #listeners;
    #lines = new Map();     /* id: line */
    #edits = new Map();     /* id of what was said: the newest edit of it */
    #seen = new Set();      /* ids of edits */
    #outbox = new Map();    /* id: message */
    #sentBy = new Map();    /* id of such a message: the connection that sent it last */
    #first = 0;             /* the oldest offset that is here */
    #timer = 0;

    /* `me` is { id, name }. The listeners: added(line, wasBefore), changed(line), taken(line) out of the outbox,
     * removed(line), forgotten(), refused(message), and state. A line is { id, by, name, text, time, offset, edited, pending }. */
    constructor(name, me, listeners) {
        this.name = name;
        this.me = me;
        this.#listeners = listeners;
        this.#enter();
    }

    #enter() {
        this.channel = join(`chat:${this.name}`, { last: LAST });
        this.channel.on("message", item => this.#take(item, false));
        this.channel.on("lost", () => this.#startAgain());
        this.channel.on("error", error => this.#refused(error));
        this.channel.on("state", state => {
            this.#listeners.state(state);
            if (state === "live")
                this.#flush();
        });
    }

    close() {
        clearTimeout(this.#timer);
        this.channel.close();
    }

    say(text) {
        const message = { k: "said", id: randomHex(12), by: this.me.id, name: this.me.name, text };
        this.#add({ ...message, time: Date.now(), offset: Infinity, edited: 0, pending: true }, false);
        this.#post(message);
    }

    edit(line, text) {
        line.text = text;
        line.pending = true;
        this.#listeners.changed(line);
        this.#post({ k: "edit", id: randomHex(12), by: this.me.id, of: line.id, text });
    }

    /* The line that this window said last. */
    get latest() {
        return [...this.#lines.values()].filter(line => line.by === this.me.id && line.text).at(-1);
    }

    /* What was said before all that is here. Promises how many lines have come; none: there is nothing before. */
    older() {
        const newest = Number(this.channel.position?.split(":")[1] ?? 0);
        const before = this.#first;
        if (this.isWhole)
            return Promise.resolve(0);
        return new Promise(done => {
            const found = [];
            const page = join(`chat:${this.name}`, { last: newest - before + 1 + PAGE });
            page.on("message", item => {
                if (item.offset < before)
                    found.push(item);
                else
                    page.close();
            });
            page.on("state", state => state === "live" && found.length === 0 && page.close());
            page.on("end", () => {
                for (const item of found.reverse())
                    this.#take(item, true);
                done(found.length);
            });
        });
    }

    /* Whether nothing was said before what is here. */
    get isWhole() {
        return this.#first <= 1;
    }

    #post(message) {
        this.#outbox.set(message.id, message);
        this.#flush();
    }

    /* What was not sent by this connection. */
    #flush() {
        for (const message of this.#outbox.values())
            if (this.channel.open && this.#sentBy.get(message.id) !== this.channel.client) {
                this.#sentBy.set(message.id, this.channel.client);
                this.channel.send(message);
            }
    }

    #refused(error) {
        clearTimeout(this.#timer);
        this.#sentBy.clear();
        if (PASSES.has(error.code)) {
            this.#timer = setTimeout(() => this.#flush(), AGAIN_MS);
            return;
        }
        for (const { id } of this.#outbox.values())
            this.#remove(this.#lines.get(id));
        this.#outbox.clear();
        this.#listeners.refused(error.message);
    }

    /* More was missed than is kept, or the server has forgotten: what there is now, and what is still to be said. */
    #startAgain() {
        const open = [...this.#outbox.values()];
        this.#lines.clear();
        this.#edits.clear();
        this.#seen.clear();
        this.#outbox.clear();
        this.#first = 0;
        this.channel.close();
        this.#listeners.forgotten();
        this.#enter();
        for (const message of open) {
            if (message.k === "said")
                this.#add({ ...message, time: Date.now(), offset: Infinity, edited: 0, pending: true }, false);
            this.#outbox.set(message.id, message);
        }
    }

    #take(item, wasBefore) {
        const message = understood(item);
        this.#first = Math.min(this.#first || item.offset, item.offset);
        if (message.k === "edit")
            this.#change(message, item.offset);
        else if (!this.#lines.has(message.id))
            this.#add({ ...message, time: item.time, offset: item.offset, edited: 0, pending: false }, wasBefore);
        else
            this.#settle(this.#lines.get(message.id), item);
    }

    #add(line, wasBefore) {
        const edit = this.#edits.get(line.id);
        if (edit && edit.by === line.by)
            Object.assign(line, { text: edit.text, edited: edit.offset });
        this.#lines.set(line.id, line);
        this.#listeners.added(line, wasBefore);
        if (!wasBefore && this.#lines.size > MOST)
            this.#trim();
    }

    #trim() {
        const oldest = [...this.#lines.values()].reduce((a, b) => a.offset <= b.offset ? a : b);
        this.#first = oldest.offset + 1;
        this.#remove(oldest);
    }

    #remove(line) {
        if (!line)
            return;
        this.#lines.delete(line.id);
        this.#listeners.removed(line);
    }

    /* What this window said has come back; for all others it is there already. */
    #settle(line, { offset, time }) {
        if (!this.#outbox.delete(line.id))
            return;
        this.#sentBy.delete(line.id);
        line.pending = [...this.#outbox.values()].some(message => message.of === line.id);
        Object.assign(line, { offset, time });
        this.#listeners.taken(line);
    }

    #change(message, offset) {
        const line = this.#lines.get(message.of);
        this.#outbox.delete(message.id);
        this.#sentBy.delete(message.id);
        if (this.#seen.has(message.id) || (this.#edits.get(message.of)?.offset ?? 0) > offset)
            return;
        this.#seen.add(message.id);
        this.#edits.set(message.of, { by: message.by, text: message.text, offset });
        if (line && line.by === message.by) {
            line.pending = [...this.#outbox.values()].some(({ id, of }) => id === line.id || of === line.id);
            if (!line.pending)
                line.text = message.text;
            line.edited = offset;
            this.#listeners.changed(line);
        }
    }
}

/* A message of ours as it has to be, or a line of nobody's. */
function understood({ data, text, bytes, offset }) {
    const isOurs = typeof data === "object" && data !== null && ["said", "edit"].includes(data.k)
        && [data.id, data.by, data.text].every(field => typeof field === "string") && isId(data.id) && isId(data.by);
    if (isOurs && data.k === "said")
        return { k: "said", id: data.id, by: data.by, name: tidyName(data.name ?? "") || "nameless",
                 text: data.text.slice(0, TEXT_LENGTH) };
    if (isOurs && isId(data.of))
        return { k: "edit", id: data.id, by: data.by, of: data.of, text: data.text.slice(0, TEXT_LENGTH) };
    const shown = bytes ? `${bytes.length} bytes of binary data` : text ?? JSON.stringify(data);
    return { k: "said", id: `at ${offset}`, by: "", name: "someone", text: shown.slice(0, TEXT_LENGTH) };
}

function isId(id) {
    return typeof id === "string" && id.length > 0 && id.length <= 64;
}
