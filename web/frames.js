/* SPDX-License-Identifier: MIT */
/* The list of frames, and one of them bit by bit. */
import { draw, hex, make, opcodes } from "./wire.js";

const KEEP = 200;
const PAYLOAD_SHOWN = 48;

/*
 * A list box of frames. `payload(frame)` gives the bytes of a frame's payload as they were before masking, or
 * null where this page does not know them.
 */
export class FrameList {
    constructor(list, panel, follow, payload) {
        Object.assign(this, { list, panel, follow, payload, count: 0, chosen: null, following: true });
        list.addEventListener("keydown", event => this.key(event));
        follow.addEventListener("click", () => this.setFollowing(!this.following));
        this.clear();
    }

    clear() {
        this.list.replaceChildren();
        this.chosen = null;
        this.list.removeAttribute("aria-activedescendant");
        this.panel.replaceChildren(make("p", { className: "hint" }, "No frame yet."));
    }

    add(frame) {
        const { head, dir } = frame;
        const item = make("li", { id: `frame-${++this.count}`, className: dir === "in" ? "you" : "server",
                                  dataset: { head: hex(head.bytes, ""), dir } },
            make("span", { className: "way" }, dir === "in" ? "you →" : "← server"),
            make("b", {}, opcodes[head.opcode] ?? `opcode ${head.opcode}`),
            make("span", { className: "size" }, `${head.length} B`),
            make("code", {}, hex(head.bytes)));
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        item.frame = frame;
        item.addEventListener("click", () => this.choose(item));
        this.list.append(item);
        if (this.list.children.length > KEEP)
            this.drop(this.list.firstElementChild);
        if (this.following)
            this.select(item);
        return item;
    }

    drop(item) {
        if (item === this.chosen)
            this.chosen = null;
        item.remove();
    }

    /* A person's choice holds until they ask to follow again. */
    choose(item) {
        this.setFollowing(false);
        this.select(item);
    }

    setFollowing(on) {
        this.following = on;
        this.follow.setAttribute("aria-pressed", String(on));
        if (on && this.list.lastElementChild)
            this.select(this.list.lastElementChild);
    }

    select(item) {
        this.chosen?.setAttribute("aria-selected", "false");
        this.chosen = item;
        item.setAttribute("aria-selected", "true");
        this.list.setAttribute("aria-activedescendant", item.id);
        /* Not scrollIntoView: that would move the page under the reader as well. */
        const { offsetTop: top, offsetHeight: height } = item;
        if (top < this.list.scrollTop)
            this.list.scrollTop = top;
        else if (top + height > this.list.scrollTop + this.list.clientHeight)
            this.list.scrollTop = top + height - this.list.clientHeight;
        this.refresh();
    }

    refresh() {
        if (this.chosen)
            this.panel.replaceChildren(...anatomy(this.chosen.frame, this.payload(this.chosen.frame)));
    }

    key(event) {
        const items = this.list.children;
        const at = this.chosen ? Array.prototype.indexOf.call(items, this.chosen) : items.length;
        const to = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - 8, PageDown: at + 8,
                     Home: 0, End: items.length - 1 }[event.key];
        if (to === undefined || !items.length)
            return;
        event.preventDefault();
        this.choose(items[Math.max(0, Math.min(items.length - 1, to))]);
    }
}

function bits(value, width) {
    return value.toString(2).padStart(width, "0");
}

function field(name, value, width, meaning, kind = "") {
    const cell = make("div", { className: `field w${width} ${kind}` },
        make("span", { className: "name" }, name),
        make("b", { className: "bits" }, value));
    cell.title = meaning;
    return cell;
}

function anatomy(frame, payload) {
    const { head, dir } = frame;
    const sender = dir === "in" ? "you" : "server";
    const parts = [
        make("p", { className: `says ${sender}` }, sentence(head, dir)),
        make("div", { className: "bytes" },
            byteBox(head.bytes[0],
                field("FIN", head.fin, 1, head.fin ? "the last frame of its message" : "more frames follow"),
                field("RSV1", head.rsv >> 2, 1, "set when an extension compressed the message"),
                field("RSV2", (head.rsv >> 1) & 1, 1, "kept for extensions"),
                field("RSV3", head.rsv & 1, 1, "kept for extensions"),
                field("opcode", bits(head.opcode, 4), 4, opcodes[head.opcode] ?? "unknown", "strong")),
            byteBox(head.bytes[1],
                field("MASK", head.masked, 1, head.masked ? "a masking key follows" : "the payload is not masked"),
                field("length", bits(head.short, 7), 7, lengthMeaning(head), "strong"))),
    ];
    const rest = make("dl", { className: "rest" });
    if (head.extended.length)
        rest.append(make("dt", {}, `length, ${head.extended.length * 8} bits`),
                    make("dd", {}, make("code", {}, hex(head.extended)), ` = ${head.length}`));
    if (head.key)
        rest.append(make("dt", {}, "key"), make("dd", {}, make("code", { className: "key" }, hex(head.key))));
    rest.append(make("dt", {}, "payload"), make("dd", {}, ...payloadShown(head, payload)));
    parts.push(rest);
    return parts;
}

function byteBox(value, ...fields) {
    return make("div", { className: "byte" },
        make("div", { className: "fields" }, ...fields),
        make("code", { className: "whole" }, `0x${value.toString(16).padStart(2, "0")}`));
}

function sentence(head, dir) {
    const who = dir === "in" ? "Your browser sent" : "The server sent";
    const what = opcodes[head.opcode] ?? "unknown";
    const bytes = head.length === 1 ? "1 byte" : `${head.length} bytes`;
    const part = head.fin ? "" : ", to be continued";
    return `${who} a ${what} frame${part}: ${head.bytes.length} bytes of head, ${bytes} of payload.`;
}

function lengthMeaning(head) {
    return head.extended.length ? `${head.short}: the length stands in the next ${head.extended.length} bytes`
                                : `${head.short} bytes of payload`;
}

function payloadShown(head, payload) {
    if (head.length === 0)
        return [make("span", { className: "hint" }, "empty")];
    if (!payload)
        return [make("span", { className: "hint" }, head.rsv & 4 ? "compressed; a script sees it only unpacked"
                                                                 : "seen by the browser, not by scripts")];
    const shown = payload.slice(0, PAYLOAD_SHOWN);
    const more = payload.length > shown.length ? ` and ${payload.length - shown.length} bytes more` : "";
    const grid = make("div", { className: "mask" });
    for (let i = 0; i < shown.length; i++)
        grid.append(column(shown[i], head.key?.[i % 4]));
    const legend = head.key ? "On the wire, the key, and below them what they give when XORed."
                            : "Unmasked: on the wire as it is.";
    return [grid, make("span", { className: "hint" }, legend + more)];
}

function column(plain, key) {
    const cell = make("span", { className: "octet" });
    if (key !== undefined)
        cell.append(make("code", { className: "wire" }, hex([plain ^ key])),
                    make("code", { className: "key" }, hex([key])));
    cell.append(make("code", { className: "plain" }, hex([plain])),
                make("i", {}, plain > 32 && plain < 127 ? String.fromCharCode(plain) : plain === 32 ? "␣" : "·"));
    return cell;
}

/* The last round trips as bars, the newest on the right, the tallest as high as the picture. */
export function drawBars(svg, values) {
    const width = 100 / 30;
    const most = Math.max(...values, 1);
    svg.setAttribute("viewBox", "0 0 100 30");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.replaceChildren(...values.slice(-30).map((value, i, all) => {
        const height = Math.max(1, 30 * value / most);
        const x = 100 - (all.length - i) * width;
        return draw("rect", { x, y: 30 - height, width: width * 0.7, height, class: "barline" });
    }));
}
