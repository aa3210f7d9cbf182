/* SPDX-License-Identifier: MIT */
/* What the market page draws: all instruments on a board, and the past of one. */
import { prepare } from "/apps/canvas.js";

const TILE = { width: 74, height: 44 };

export const cents = price => (price / 100).toFixed(2);

export class Board {
    #view;
    #last = []; /* for each tile the price that stands there, and the colour of its last move */
    #columns = 1;

    constructor(canvas) {
        this.chosen = -1;
        this.#view = prepare(canvas, () => this.clear());
    }

    clear() {
        this.#last = [];
    }

    /* Draws the tiles of these books; those whose price stands there already get their bar alone. */
    draw(books, changed) {
        const count = books.levels.length;
        this.#columns = Math.max(1, Math.floor(this.#view.width / TILE.width));
        this.#view.canvas.style.height = `${Math.ceil(count / this.#columns) * TILE.height}px`;
        const all = this.#last.length === 0;
        for (const book of all ? books.levels.keys() : changed)
            this.#tile(book, books.names[book] ?? "", books.top(book));
    }

    #tile(book, name, { ask, wanted }) {
        const { pen, colours, font, width } = this.#view;
        const wide = width / this.#columns;
        const [x, y] = [(book % this.#columns) * wide, Math.floor(book / this.#columns) * TILE.height];
        const last = this.#last[book];
        if (ask !== last?.ask || last.chosen !== (book === this.chosen)) {
            const moved = !last ? colours.ink : ask > last.ask ? colours.server : colours.you;
            const colour = ask === last?.ask ? last.colour : moved;
            this.#last[book] = { ask, colour, chosen: book === this.chosen };
            pen.fillStyle = book === this.chosen ? colours.well : colours.sheet;
            pen.fillRect(x, y, wide, TILE.height);
            pen.font = `11px ${font}`;
            pen.fillStyle = colours.soft;
            pen.fillText(name, x + 8, y + 14);
            pen.font = `14px ${font}`;
            pen.fillStyle = colour;
            pen.fillText(cents(ask), x + 8, y + 31);
        }
        pen.fillStyle = colours.you;
        pen.fillRect(x + 8, y + 36, wide - 16, 2);
        pen.fillStyle = colours.server;
        pen.fillRect(x + 8, y + 36, (wide - 16) * wanted, 2);
    }

    /* The book at a place of the canvas. */
    at(x, y) {
        return Math.floor(y / TILE.height) * this.#columns + Math.floor(x / (this.#view.width / this.#columns));
    }
}

export class Past {
    #view;

    constructor(canvas) {
        this.#view = prepare(canvas);
    }

    /* One price a second, the last of them as it is now. */
    draw(prices) {
        const { pen, width, height, colours, font } = this.#view;
        pen.clearRect(0, 0, width, height);
        if (prices.length < 2)
            return;
        const [least, most] = [Math.min(...prices), Math.max(...prices) + 1];
        const [right, top] = [width - 62, height - 24];
        const y = price => 12 + (most - price) / (most - least) * (top - 12);
        pen.font = `12px ${font}`;
        pen.fillStyle = colours.soft;
        pen.strokeStyle = colours.line;
        for (let i = 0; i < 4; i++) {
            const price = least + (most - least) * i / 3;
            pen.fillText(cents(price), right + 8, y(price) + 4);
            pen.beginPath();
            pen.moveTo(0, y(price));
            pen.lineTo(right, y(price));
            pen.stroke();
        }
        for (const minutes of [1, 2])
            pen.fillText(`${minutes} min ago`, right - right * minutes / 3 - 26, height - 4);
        pen.strokeStyle = colours.server;
        pen.lineWidth = 2;
        pen.beginPath();
        prices.forEach((price, i) => pen.lineTo(right - (prices.length - 1 - i) * right / 180, y(price)));
        pen.stroke();
        pen.lineWidth = 1;
    }
}
