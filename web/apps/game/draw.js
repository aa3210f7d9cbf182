/* SPDX-License-Identifier: MIT */
/* The arena on a canvas, the own ship in the middle of it. */
import { prepare } from "/apps/canvas.js";
import { apart } from "/apps/game/world.js";

const SIGHT = { x: 16000, y: 10000 }; /* what the server tells of, in units; no more of it may be seen */
const GRID = 2048;

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
        const place = ({ x, y }) => [width / 2 + apart(eye.x, x) * scale, height / 2 + apart(eye.y, y) * scale];
        pen.fillStyle = colours.well;
        pen.fillRect(0, 0, width, height);
        this.#grid(eye, scale);
        pen.font = `12px ${font}`;
        pen.textAlign = "center";
        for (const thing of world.shown(now)) {
            const [x, y] = place(thing);
            if (x < -40 || y < -40 || x > width + 40 || y > height + 40)
                continue;
            if (thing.what === "gem")
                this.#gem(x, y, 70 * scale + 1);
            else if (thing.what === "bolt")
                this.#bolt(x, y, thing, scale);
            else
                this.#ship(x, y, thing, scale, colours[`tint-${thing.id % 6}`], world.names.get(thing.id));
        }
        this.#ship(width / 2, height / 2, world.heading, scale, colours.you, "");
    }

    #grid(eye, scale) {
        const { pen, width, height, colours } = this.#view;
        pen.strokeStyle = colours.line;
        pen.lineWidth = 1;
        pen.beginPath();
        for (let x = width / 2 % (GRID * scale) - eye.x % GRID * scale; x < width + GRID; x += GRID * scale) {
            pen.moveTo(x, 0);
            pen.lineTo(x, height);
        }
        for (let y = height / 2 % (GRID * scale) - eye.y % GRID * scale; y < height + GRID; y += GRID * scale) {
            pen.moveTo(0, y);
            pen.lineTo(width, y);
        }
        pen.stroke();
    }

    #gem(x, y, size) {
        const { pen, colours } = this.#view;
        pen.fillStyle = colours["tint-3"];
        pen.beginPath();
        pen.moveTo(x, y - size);
        pen.lineTo(x + size * 0.8, y);
        pen.lineTo(x, y + size);
        pen.lineTo(x - size * 0.8, y);
        pen.fill();
    }

    #bolt(x, y, { right, down }, scale) {
        const { pen, colours } = this.#view;
        pen.strokeStyle = colours.ink;
        pen.lineWidth = 3;
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(x - right * scale * 2, y - down * scale * 2);
        pen.stroke();
    }

    #ship(x, y, { right, down }, scale, colour, name) {
        const { pen, colours } = this.#view;
        const size = 160 * scale + 2;
        pen.save();
        pen.translate(x, y);
        pen.fillStyle = colours.soft;
        if (name)
            pen.fillText(name, 0, -size - 8);
        pen.rotate(Math.atan2(down, right));
        pen.fillStyle = colour;
        pen.beginPath();
        pen.moveTo(size * 1.3, 0);
        pen.lineTo(-size, size);
        pen.lineTo(-size * 0.5, 0);
        pen.lineTo(-size, -size);
        pen.fill();
        pen.restore();
    }
}
