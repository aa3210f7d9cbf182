/* SPDX-License-Identifier: MIT */
/*
 * Frames written as music: the browser's voice on the upper staff, the server's on the lower. Time runs to the
 * right, a note a frame; when the paper is full it moves left. The number of notes kept is bounded.
 */
import { draw } from "./wire.js";

const GAP = 9;                           /* between two lines of a staff */
const TOP = { in: 30, out: 112 };        /* the first line of each staff; "in" is what the server read */
const HEIGHT = 172;
const LEFT = 74;
const KEEP = 120;

export class Score {
    constructor(svg) {
        this.svg = svg;
        this.notes = [];
        this.end = 0;
        this.last = 0;
        svg.setAttribute("height", HEIGHT);
        for (const [side, name] of [["in", "you"], ["out", "server"]]) {
            for (let line = 0; line < 5; line++) {
                const y = TOP[side] + line * GAP;
                svg.append(draw("line", { x1: LEFT - 12, x2: "100%", y1: y, y2: y, class: "staff" }));
            }
            const label = draw("text", { x: 0, y: TOP[side] + 2 * GAP + 5, class: `voice ${name}` });
            label.textContent = name;
            svg.append(label);
        }
        svg.append(draw("line", { x1: LEFT - 12, x2: LEFT - 12, y1: TOP.in, y2: TOP.out + 4 * GAP, class: "brace" }));
        /* A nested svg clips, so that old notes vanish at the brace and not over the labels. */
        this.window = draw("svg", { x: LEFT - 11, y: 0, height: HEIGHT, width: "100%" });
        this.paper = draw("g", { class: "paper" });
        this.window.append(this.paper);
        svg.append(this.window);
        new ResizeObserver(() => this.slide()).observe(svg);
    }

    clear() {
        this.paper.replaceChildren();
        this.notes = [];
        this.end = 0;
        this.slide();
    }

    /* Frames that follow at once stand close, later ones further off. */
    add(side, opcode, length, ms, choose) {
        const pause = this.notes.length ? Math.max(0, ms - this.last) : 0;
        this.end += 17 + Math.min(26, pause / 14);
        this.last = ms;
        const note = draw("g", { class: `note ${side === "in" ? "you" : "server"}`,
                                 transform: `translate(${this.end} 0)` });
        note.append(...(opcode === 8 ? closing(side) : opcode > 8 ? held(side) : voiced(side, length)));
        note.addEventListener("click", choose);
        this.paper.append(note);
        this.notes.push(note);
        if (this.notes.length > KEEP)
            this.notes.shift().remove();
        this.slide();
    }

    slide() {
        const room = this.svg.clientWidth - LEFT - 14;
        this.paper.style.transform = `translateX(${Math.min(0, room - this.end)}px)`;
    }
}

/* Half a gap for each doubling of the payload: the bottom line is an empty one, the top line 255 bytes. */
function pitch(side, length) {
    return TOP[side] + 4 * GAP - Math.min(9, Math.round(Math.log2(length + 1))) * GAP / 2;
}

function voiced(side, length) {
    const y = pitch(side, length);
    const up = y > TOP[side] + 2 * GAP;
    return [
        draw("ellipse", { cx: 0, cy: y, rx: 5.6, ry: 4.1, transform: `rotate(-20 0 ${y})`, class: "solid" }),
        up ? draw("line", { x1: 5, x2: 5, y1: y - 1.5, y2: y - 27, class: "stem" })
           : draw("line", { x1: -5, x2: -5, y1: y + 1.5, y2: y + 27, class: "stem" }),
    ];
}

function held(side) {
    const y = TOP[side] + 2 * GAP;
    return [draw("ellipse", { cx: 0, cy: y, rx: 6, ry: 4.2, class: "hollow" })];
}

function closing(side) {
    const y = TOP[side];
    return [draw("line", { x1: -4, x2: -4, y1: y, y2: y + 4 * GAP, class: "stem" }),
            draw("line", { x1: 1, x2: 1, y1: y, y2: y + 4 * GAP, class: "bar" })];
}
