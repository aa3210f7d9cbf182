/* SPDX-License-Identifier: MIT */
/* The lines of a room (room.js) as the page shows them. What waits to be sent stands behind all that was said. */
import { byId, make } from "/wire.js";

const TINTS = 6;
const NEAR = 60;        /* pixels from an end */

/* The class of somebody's colour. */
export function tint(id, me) {
    let sum = 0;
    for (const letter of id)
        sum = (sum * 31 + letter.codePointAt(0)) % 9973;
    return id === me.id ? "tint-me" : `tint-${sum % TINTS}`;
}

function shortTime(at) {
    const isToday = at.toDateString() === new Date().toDateString();
    return at.toLocaleString([], isToday ? { hour: "2-digit", minute: "2-digit" }
        : { weekday: "short", hour: "2-digit", minute: "2-digit" });
}

/* Whoever goes on speaking is not named again. */
function group(element) {
    for (const one of [element, element.nextElementSibling])
        one?.classList.toggle("same", Boolean(one.line?.by && one.previousElementSibling?.line?.by === one.line.by));
}

export class Log {
    #me;
    #edit;
    #elements = new Map();      /* id of a line: its element */
    #box = byId("log");
    #list = byId("lines");
    #looking = false;
    older = async () => 0;      /* asks for what was said before; promises how many lines came */

    /* edit(line) is called when somebody wants to. */
    constructor(me, edit) {
        this.#me = me;
        this.#edit = edit;
        byId("earlier").addEventListener("click", () => this.#lookBack());
        byId("newer").addEventListener("click", () => {
            this.#toEnd();
            byId("say").focus();
        });
        this.#box.addEventListener("scroll", () => {
            if (this.#atEnd())
                byId("newer").hidden = true;
            if (this.#box.scrollTop < NEAR && this.#box.scrollHeight > this.#box.clientHeight && !byId("earlier").hidden)
                this.#lookBack();
        });
    }

    clear() {
        this.#elements.clear();
        this.#list.replaceChildren();
        byId("newer").hidden = true;
        byId("earlier").hidden = false;
    }

    /* Nothing was said before. */
    end() {
        byId("earlier").hidden = true;
    }

    add(line, wasBefore) {
        const element = make("li");
        element.line = line;
        this.#elements.set(line.id, element);
        this.draw(line);
        if (wasBefore)
            this.#list.prepend(element);
        else
            this.#append(element, line.pending);
        group(element);
    }

    /* It has come back from the server, and so it has its place. */
    take(line) {
        const element = this.#elements.get(line.id);
        const next = element.nextElementSibling;
        this.draw(line);
        this.#append(element, false);
        group(element);
        if (next)
            group(next);
    }

    remove(line) {
        this.#elements.get(line.id)?.remove();
        this.#elements.delete(line.id);
    }

    note(text) {
        this.#append(make("li", { className: "notice" }, text), false);
    }

    draw(line) {
        const element = this.#elements.get(line.id);
        const at = new Date(line.time);
        const isMine = line.by === this.#me.id;
        element.className = ["line", isMine && "mine", line.pending && "pending", !line.text && "gone"]
            .filter(Boolean).join(" ");
        element.replaceChildren(
            make("b", { className: `who ${tint(line.by, this.#me)}` }, line.name),
            make("span", { className: "text" }, line.text || "taken back"),
            make("span", { className: "when" }, line.pending ? "sending… " : line.edited && line.text ? "edited " : "",
                 make("time", { dateTime: at.toISOString() }, shortTime(at))));
        if (isMine && line.text)
            element.append(make("button", { className: "quiet edit", type: "button", onclick: () => this.#edit(line),
                                            ariaLabel: `Edit: ${line.text.slice(0, 40)}` }, "Edit"));
        group(element);
    }

    #atEnd() {
        return this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < NEAR;
    }

    #toEnd() {
        this.#box.scrollTop = this.#box.scrollHeight;
    }

    /* The log stays at its end only for those who are there; who reads further up is told. */
    #append(element, isPending) {
        const atEnd = this.#atEnd();
        this.#list.insertBefore(element, isPending ? null : this.#list.querySelector(".pending"));
        if (atEnd)
            this.#toEnd();
        else
            byId("newer").hidden = false;
    }

    async #lookBack() {
        if (this.#looking)
            return;
        this.#looking = true;
        const { older } = this;
        const fromEnd = this.#box.scrollHeight - this.#box.scrollTop;
        const came = await older();
        this.#looking = false;
        if (older !== this.older)
            return;
        this.#box.scrollTop = this.#box.scrollHeight - fromEnd;     /* what is read stays where it is */
        if (came === 0)
            this.end();
    }
}
