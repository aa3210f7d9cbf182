/* SPDX-License-Identifier: MIT */
/*
 * A drawing board: an array of Yjs, of strokes, each a map with its colour and an array of numbers, x and y by turns, on a
 * sheet of 1000 by 600. A stroke grows while it is drawn, so the others see the hand move.
 */
import { prepare } from "/apps/canvas.js";
import { SharedArray, SharedMap } from "./yjs.js";

const WIDTH = 1000;
const HEIGHT = 600;
const NEAR = 14;            /* the rubber's radius */
const STEP = 10;            /* of an arrow key; with shift five times as far */
const POINTS_MOST = 2000;   /* of a stroke */
const COLOURS = ["ink", "tint-0", "tint-3", "tint-5"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/* A member may be any program: what is no stroke is not drawn. */
function pointsOf(stroke) {
    const points = stroke instanceof SharedMap ? stroke.get("points") : null;
    const numbers = points instanceof SharedArray ? points.toArray() : [];
    return numbers.every(Number.isFinite) ? numbers.slice(0, numbers.length - numbers.length % 2) : [];
}

/* Whether a stroke passes this place. */
function isNear(points, x, y) {
    for (let i = 0; i < points.length; i += 2) {
        const [fromX, fromY, toX = fromX, toY = fromY] = points.slice(i, i + 4);
        const [dx, dy] = [toX - fromX, toY - fromY];
        const part = Math.min(1, Math.max(0, ((x - fromX) * dx + (y - fromY) * dy) / (dx * dx + dy * dy || 1)));
        if (Math.hypot(fromX + part * dx - x, fromY + part * dy - y) < NEAR)
            return true;
    }
    return false;
}

/* All strokes on a canvas (canvas.js). */
export function paint(strokes, { pen, width, height, colours }) {
    const scale = width / WIDTH;
    pen.clearRect(0, 0, width, height);
    pen.lineWidth = Math.max(1.2, 4 * scale);
    pen.lineCap = pen.lineJoin = "round";
    for (const stroke of strokes) {
        const points = pointsOf(stroke).map(number => number * scale);
        if (points.length === 0)
            continue;
        pen.strokeStyle = colours[COLOURS[stroke.get("colour")] ?? "ink"];
        pen.beginPath();
        pen.moveTo(points[0], points[1]);
        for (let i = 2; i + 3 < points.length; i += 2)
            pen.quadraticCurveTo(points[i], points[i + 1], (points[i] + points[i + 2]) / 2, (points[i + 1] + points[i + 3]) / 2);
        pen.lineTo(points.at(-2), points.at(-1));
        pen.stroke();
    }
}

export class Board {
    #strokes;
    #view;
    #origin;
    #tool;
    #hand = null;           /* what was taken for this stroke */
    #points = null;         /* of the stroke that is drawn */
    #place = null;          /* of the pen that keys move */
    #frame = 0;

    /* tool(), asked as a stroke begins, says what is in the hand: the number of a colour, "rubber", or null: nothing. */
    constructor(strokes, canvas, origin, tool) {
        [this.#strokes, this.#origin, this.#tool] = [strokes, origin, tool];
        this.#view = prepare(canvas, () => this.#redraw());
        strokes.observeDeep(() => this.#redraw());
        canvas.onpointerdown = event => {
            canvas.setPointerCapture(event.pointerId);
            this.#place = null;
            this.#put(this.#at(event));
        };
        canvas.onpointermove = event => {
            if (canvas.hasPointerCapture(event.pointerId))
                (event.getCoalescedEvents?.() ?? [event]).forEach(one => this.#goOn(this.#at(one)));
        };
        canvas.onlostpointercapture = () => this.#lift();
        canvas.onkeydown = event => this.#key(event);
        canvas.onblur = () => {
            this.#lift();
            this.#place = null;
            this.#redraw();
        };
    }

    #redraw() {
        this.#frame ||= requestAnimationFrame(() => {
            this.#frame = 0;
            paint(this.#strokes, this.#view);
            this.#drawPen();
        });
    }

    clear() {
        this.#change(() => this.#strokes.delete(0, this.#strokes.length));
    }

    #change(what) {
        this.#strokes.doc.transact(what, this.#origin);
    }

    #at({ offsetX, offsetY }) {
        return within(offsetX / this.#view.width * WIDTH, offsetY / this.#view.height * HEIGHT);
    }

    #put([x, y]) {
        this.#lift();
        const tool = this.#hand = this.#tool();
        if (tool === "rubber")
            this.#rub(x, y);
        else if (tool !== null)
            this.#change(() => {
                this.#points = SharedArray.from([x, y]);
                this.#strokes.push([new SharedMap([["colour", tool], ["points", this.#points]])]);
            });
    }

    #goOn([x, y]) {
        if (this.#hand === "rubber")
            this.#rub(x, y);
        else if (this.#points && this.#points.length < 2 * POINTS_MOST)
            this.#change(() => this.#points.push([x, y]));
    }

    #lift() {
        this.#points = this.#hand = null;
    }

    #rub(x, y) {
        const found = this.#strokes.toArray().findLastIndex(stroke => isNear(pointsOf(stroke), x, y));
        if (found >= 0)
            this.#change(() => this.#strokes.delete(found));
    }

    /* Arrows move the pen, space puts it down and lifts it. */
    #key(event) {
        const arrow = ARROWS[event.key];
        if (!arrow && event.key !== " " && event.key !== "Escape")
            return;
        event.preventDefault();
        this.#place ??= [WIDTH / 2, HEIGHT / 2];
        if (arrow) {
            const step = event.shiftKey ? 5 * STEP : STEP;
            this.#place = within(this.#place[0] + step * arrow[0], this.#place[1] + step * arrow[1]);
            if (this.#hand !== null)
                this.#goOn(this.#place);
        } else if (event.key === " " && this.#hand === null) {
            this.#put(this.#place);
        } else {
            this.#lift();
        }
        this.#redraw();
    }

    #drawPen() {
        if (!this.#place)
            return;
        const { pen, width, colours } = this.#view;
        const [x, y] = this.#place.map(number => number * width / WIDTH);
        pen.strokeStyle = colours.soft;
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(x, y, this.#hand !== null ? 4 : 9, 0, 7);
        pen.stroke();
    }
}

function within(x, y) {
    return [Math.round(Math.min(WIDTH, Math.max(0, x))), Math.round(Math.min(HEIGHT, Math.max(0, y)))];
}
