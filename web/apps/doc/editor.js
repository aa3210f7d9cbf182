/* SPDX-License-Identifier: MIT */
/*
 * A textarea that shows a text of Yjs. What is typed is found by comparing with what was shown, and told as the shortest
 * change. What others write is shown a little later, and while letters are composed (by an input method) not before they
 * are; so what is typed goes to where it belongs by then, and the cursor and the selection move along with the words they
 * stand at. Behind the textarea lies a mirror with the same letters, in which the others' cursors stand; it also gives
 * both their height.
 */
import { createAbsolutePositionFromRelativePosition, createRelativePositionFromJSON,
         createRelativePositionFromTypeIndex } from "./yjs.js";
import { make } from "/wire.js";

/* As a textarea would show it, and of the same length: one letter for what is none, and no carriage returns. */
function lettersOf(text) {
    return text.toDelta().map(({ insert }) => typeof insert === "string" ? insert.replaceAll("\r", "\u240d") : "\ufffc").join("");
}

/* Where a place in the text is after a change. Who stands where something is put in stays in front of it. */
export function moved(place, delta) {
    let at = 0;
    for (const { retain = 0, insert = "", delete: gone = 0 } of delta) {
        const length = typeof insert === "string" ? insert.length : 1;
        if (at + retain > place)
            break;
        at += retain;
        if (at < place)
            place += length;
        else if (length > 0)
            break;
        at += length;
        place -= Math.min(gone, place - at);
    }
    return place;
}

const isHigh = code => code >= 0xd800 && code < 0xdc00;
const isLow = code => code >= 0xdc00 && code < 0xe000;

/* { at, gone, come }: `before` becomes `after`, with the cursor at `caret`. No letter is taken apart that is two units. */
export function difference(before, after, caret) {
    const least = Math.min(before.length, after.length);
    let tail = 0;
    while (tail < Math.min(least, after.length - caret) && before.at(-1 - tail) === after.at(-1 - tail))
        tail++;
    let at = 0;
    while (at < least - tail && before[at] === after[at])
        at++;
    while (tail < least - at && before.at(-1 - tail) === after.at(-1 - tail))
        tail++;
    if (at > 0 && isHigh(before.charCodeAt(at - 1)))
        at--;
    if (tail > 0 && isLow(before.charCodeAt(before.length - tail)))
        tail--;
    return { at, gone: before.length - tail - at, come: after.slice(at, after.length - tail) };
}

const LATER_MS = 16;

export class Editor {
    #text;
    #area;
    #mirror;
    #origin;
    #shown = "";
    #late = [];             /* what others changed since it was shown */
    #timer = 0;
    #isComposing = false;
    #cursors = [];

    /* `origin` is what Yjs is told to have made the changes; cursor(relative position or null) is called as it moves. */
    constructor(text, area, mirror, origin, cursor) {
        [this.#text, this.#area, this.#mirror, this.#origin] = [text, area, mirror, origin];
        text.observe(event => this.#take(event));
        area.addEventListener("input", () => this.#read());
        area.addEventListener("compositionstart", () => { this.#isComposing = true; });
        area.addEventListener("compositionend", () => {
            this.#isComposing = false;
            this.#read();
        });
        const tell = () => cursor(document.activeElement === area
            ? createRelativePositionFromTypeIndex(text, Math.min(this.#now(area.selectionEnd), text.length)) : null);
        document.addEventListener("selectionchange", tell);
        for (const kind of ["focus", "blur", "input", "selectionchange"])
            area.addEventListener(kind, tell);
        this.#show(0, 0);
    }

    /* [{ name, tint, cursor }]: of the others. */
    set cursors(list) {
        this.#cursors = list;
        this.#draw();
    }

    /* Where a place of what is shown is in the text by now. */
    #now(place) {
        return this.#late.reduce(moved, place);
    }

    #read() {
        if (this.#isComposing)
            return;
        const { at, gone, come } = difference(this.#shown, this.#area.value, this.#area.selectionEnd);
        const [from, to] = [this.#now(at), this.#now(at + gone)];
        this.#text.doc.transact(() => {
            if (to > from)
                this.#text.delete(from, to - from);
            if (come)
                this.#text.insert(from, come);
        }, this.#origin);
        this.#show(from + come.length, from + come.length);
    }

    #take({ delta, transaction }) {
        if (transaction.origin === this.#origin)
            return;
        this.#late.push(delta);
        this.#timer ||= setTimeout(() => {
            this.#timer = 0;
            if (!this.#isComposing)
                this.#show(this.#now(this.#area.selectionStart), this.#now(this.#area.selectionEnd));
        }, LATER_MS);
    }

    /* The cursor goes there, if it is not what is shown already. */
    #show(start, end) {
        this.#late = [];
        this.#shown = lettersOf(this.#text);
        if (this.#area.value !== this.#shown) {
            const { selectionDirection } = this.#area;
            this.#area.value = this.#shown;
            this.#area.setSelectionRange(start, end, selectionDirection);
        }
        this.#draw();
    }

    #draw() {
        const carets = this.#cursors.map(({ cursor, ...who }) => ({ ...who, at: placeOf(cursor, this.#text) }))
            .filter(({ at }) => at !== null).sort((a, b) => a.at - b.at);
        const parts = [];
        let from = 0;
        for (const { at, name, tint } of carets) {
            parts.push(this.#shown.slice(from, at), make("span", { className: `caret tint-${tint}`, dataset: { name } }));
            from = at;
        }
        this.#mirror.replaceChildren(...parts, `${this.#shown.slice(from)}\u200b`);
    }
}

/* What a member says may be anything. */
function placeOf(cursor, text) {
    try {
        const found = createAbsolutePositionFromRelativePosition(createRelativePositionFromJSON(cursor), text.doc);
        return found?.type === text ? found.index : null;
    } catch {
        return null;
    }
}
