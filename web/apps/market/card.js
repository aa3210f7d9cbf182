/* SPDX-License-Identifier: MIT */
/* The market's card: the price of one instrument, once a second. */
import { make } from "/wire.js";
import { Line } from "/apps/line.js";
import { Past, cents } from "/apps/market/draw.js";

export function card(element) {
    const canvas = make("canvas", { role: "img", ariaLabel: "The price of an instrument in the last three minutes" });
    element.append(canvas);
    const past = new Past(canvas);
    let timer = 0;
    const line = new Line("market", {
        state: () => {},
        open() {
            /* It never says that it has drawn more than this, so the ticker sends no changes: they are not for a card. */
            line.send("drawn 1");
            clearInterval(timer);
            timer = setInterval(() => line.send("watch 0"), 1000);
            line.send("watch 0");
        },
        message(data) {
            const { past: prices } = typeof data === "string" ? JSON.parse(data) : {};
            if (!prices)
                return;
            line.live();
            past.draw(prices);
            canvas.title = cents(prices.at(-1));
        },
    });
}
