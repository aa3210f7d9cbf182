/* SPDX-License-Identifier: MIT */
/* The arena on a canvas, the own ship in the middle of it. */
import { prepare } from "/apps/canvas.js";
import { apart } from "/apps/game/world.js";

const SIGHT = { x: 16000, y: 10000 }; /* what the server tells of, in units; no more of it may be seen */
const GRID = 2048;
/* Outlines as they fly to the right, in parts of a size that is units of the arena, and pixels that are always there. */
const SHAPES = {
    ship: { units: 160, pixels: 2, outline: [[1.3, 0], [-1, 1], [-0.5, 0], [-1, -1]] },
    gem: { units: 70, pixels: 1, outline: [[0, -1], [0.8, 0], [0, 1], [-0.8, 0]] },
    bolt: { units: 254, pixels: 0, outline: [[0, -0.1], [0, 0.1], [-1, 0.1], [-1, -0.1]] },
};

export class Arena {
    #view;

    constructor(canvas) {
        this.#view = prepare(canvas);
    }

    /* `part`: of a step, that has passed since the own ship's last one. */
    draw(world, part, now) {
        const { pen, width, height, colours, font } = this.#view;
        const scale = Math.max(width / SIGHT.x, height / SIGHT.y);
        const { before, own } = world;
        const eye = { x: before.x + apart(before.x, own.x) * part, y: before.y + apart(before.y, own.y) * part };
        pen.fillStyle = colours.well;
        pen.fillRect(0, 0, width, height);
        this.#grid(eye, scale);
        pen.font = `12px ${font}`;
        pen.textAlign = "center";
        for (const thing of world.shown(now)) {
            const [x, y] = [width / 2 + apart(eye.x, thing.x) * scale, height / 2 + apart(eye.y, thing.y) * scale];
            if (x < -40 || y < -40 || x > width + 40 || y > height + 40)
                continue;
            const colour = { ship: `tint-${thing.id % 6}`, gem: "tint-3", bolt: "ink" }[thing.what];
            const size = this.#shape(SHAPES[thing.what], x, y, thing, scale, colours[colour]);
            pen.fillStyle = colours.soft;
            if (thing.what === "ship")
                pen.fillText(world.names.get(thing.id) ?? "", x, y - size - 8);
        }
        this.#shape(SHAPES.ship, width / 2, height / 2, world.heading, scale, colours.you);
    }

    #grid(eye, scale) {
        const { pen, width, height, colours } = this.#view;
        const first = (middle, at) => middle % (GRID * scale) - at % GRID * scale;
        pen.fillStyle = colours.line;
        for (let x = first(width / 2, eye.x); x < width; x += GRID * scale)
            pen.fillRect(x, 0, 1, height);
        for (let y = first(height / 2, eye.y); y < height; y += GRID * scale)
            pen.fillRect(0, y, width, 1);
    }

    /* Returns its size in pixels. */
    #shape({ units, pixels, outline }, x, y, { right, down }, scale, colour) {
        const { pen } = this.#view;
        const size = units * scale + pixels;
        pen.save();
        pen.translate(x, y);
        pen.rotate(Math.atan2(down, right));
        pen.scale(size, size);
        pen.fillStyle = colour;
        pen.beginPath();
        for (const [along, across] of outline)
            pen.lineTo(along, across);
        pen.fill();
        pen.restore();
        return size;
    }
}
